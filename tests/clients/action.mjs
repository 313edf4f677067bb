// What claude-code-action does with the official Agent SDK: all that it does not leave to the SDK's
// defaults, and it leaves the loop at the result. Its argument: {claude, cwd, prompt}.
import { query } from '@anthropic-ai/claude-agent-sdk'

const { claude, cwd, prompt } = JSON.parse(process.argv[2])
process.chdir(cwd)
// It adds servers of its own, which run with bun and with docker.
const mcpServers = {
  github_ci: { command: 'bun', args: ['run', `${cwd}/github-actions-server.ts`], env: {} },
}
const options = {
  allowedTools: ['Write', 'mcp__github_ci__get_ci_status'],
  systemPrompt: { type: 'preset', preset: 'claude_code' },
  pathToClaudeCodeExecutable: claude,
  extraArgs: { 'mcp-config': JSON.stringify({ mcpServers }) },
  env: { ...process.env, CLAUDE_CODE_ENTRYPOINT: 'claude-code-github-action' },
  settingSources: ['user', 'project', 'local'],
}
let servers = []
let result = {}
for await (const message of query({ prompt, options })) {
  if (message.type === 'system' && message.subtype === 'init') servers = message.mcp_servers
  if (message.type === 'result') {
    result = message
    break
  }
}
console.log(JSON.stringify({ result: result.result, subtype: result.subtype, servers }))
