// An editor that speaks ACP, with the official library: starts the adapter, prompts once, allows
// what it is asked for. Its arguments: the adapter, the directory.
import { spawn } from 'node:child_process'
import { Readable, Writable } from 'node:stream'
import * as acp from '@agentclientprotocol/sdk'

const [adapter, cwd] = process.argv.slice(2)
const agent = spawn(process.execPath, [adapter], { stdio: ['pipe', 'pipe', 'inherit'] })
const asked = []
const said = []
const editor = {
  requestPermission: async ({ options, toolCall }) => {
    asked.push(toolCall.kind ?? toolCall.title)
    const { optionId } = options.find(({ kind }) => kind === 'allow_once')
    return { outcome: { outcome: 'selected', optionId } }
  },
  sessionUpdate: async ({ update }) => {
    if (update.sessionUpdate === 'agent_message_chunk') said.push(update.content.text)
  },
}
const stream = acp.ndJsonStream(Writable.toWeb(agent.stdin), Readable.toWeb(agent.stdout))
const connection = new acp.ClientSideConnection(() => editor, stream)
await connection.initialize({ protocolVersion: acp.PROTOCOL_VERSION, clientCapabilities: {} })
const { sessionId } = await connection.newSession({ cwd, mcpServers: [] })
const prompt = [{ type: 'text', text: 'Write a word' }]
const { stopReason } = await connection.prompt({ sessionId, prompt })
agent.stdin.end()
await new Promise(resolve => agent.on('exit', resolve))
console.log(JSON.stringify({ asked, said: said.join(''), stopReason }))
