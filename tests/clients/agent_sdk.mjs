// A program with the official Agent SDK for TypeScript: asks once, allows what it is asked for,
// and prints each kind of message. Its argument: {way, claude, wrapped, cwd}.
import { spawn } from 'node:child_process'
import { query } from '@anthropic-ai/claude-agent-sdk'

const { way, claude, wrapped, cwd } = JSON.parse(process.argv[2])
const starts = {
  path: { pathToClaudeCodeExecutable: claude },
  // As an editor does that wraps the Claude it bundles.
  spawn: {
    pathToClaudeCodeExecutable: wrapped.at(-1) ?? claude,
    spawnClaudeCodeProcess: ({ args, cwd, env, signal }) =>
      spawn(claude, [...wrapped, ...args], { cwd, env, signal, stdio: ['pipe', 'pipe', 'inherit'] }),
  },
}
async function* prompts() {
  yield { type: 'user', session_id: '', parent_tool_use_id: null,
    message: { role: 'user', content: 'Write a word' } }
}
const asked = []
const canUseTool = async (tool, input) => {
  asked.push(tool)
  return { behavior: 'allow', updatedInput: input }
}
let result = {}
for await (const message of query({ prompt: prompts(), options: { cwd, canUseTool, ...starts[way] } })) {
  if (message.type === 'result') result = message
}
console.log(JSON.stringify({ asked, subtype: result.subtype, result: result.result }))
