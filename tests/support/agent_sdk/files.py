"""Files and directories that options name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.agent_sdk.kit import Kit, said_to_api, scenario
from tests.support.messages_api import Text, ToolUse

if TYPE_CHECKING:
    from pathlib import Path

_PLUGIN = """---
description: greets
---
Say hello to everybody in the room.
"""
_AGENT = """---
name: of-the-project
description: of the project
tools: Read
---
Answer briefly.
"""


def _beside(kit: Kit) -> Path:
    """Return a directory outside of the project."""
    place = kit.place.parents[1] / f"beside-{kit.place.name}"
    place.mkdir(exist_ok=True)
    return place


@scenario(everywhere=True)
async def reads_settings_and_prompts_from_files(kit: Kit) -> None:
    settings, prompt = _beside(kit) / "settings.json", _beside(kit) / "prompt.md"
    settings.write_text(json.dumps({"env": {"WORD": "by a file"}}))
    prompt.write_text("You are a lighthouse.")
    kit.api.reply_with(ToolUse("Bash", {"command": 'echo "<$WORD>"'}), Text("ok"))
    await kit.answer(
        "Show it",
        settings=str(settings),
        extra_args={"append-system-prompt-file": str(prompt)},
        allowed_tools=["Bash"],
    )
    assert "<by a file>" in said_to_api(kit)
    assert "You are a lighthouse." in str(kit.api.requests[-1]["system"])


@scenario(since="0.2.82")
async def reads_the_system_prompt_from_a_file(kit: Kit) -> None:
    prompt = _beside(kit) / "system.md"
    prompt.write_text("You are a lighthouse.")
    kit.api.reply_with(Text("ok"))
    await kit.answer("Go", system_prompt={"type": "file", "path": str(prompt)})
    assert "You are a lighthouse." in str(kit.api.requests[-1]["system"])


@scenario(only="transport", everywhere=True)
async def takes_arguments_of_any_length(kit: Kit) -> None:
    """The SDK's own transport cannot: a system takes 128 KiB at most."""
    long = "word " * (60 << 10)
    kit.api.reply_with(ToolUse("Bash", {"command": 'echo "<$WORD>"'}), Text("ok"))
    await kit.answer(
        "Go",
        system_prompt={"type": "preset", "preset": "claude_code", "append": f"{long}end"},
        settings=json.dumps({"env": {"WORD": "set", "LONG": long[: 64 << 10]}}),
        allowed_tools=["Bash"],
    )
    assert f"{long}end" in str(kit.api.requests[-1]["system"])
    assert "<set>" in said_to_api(kit)


@scenario()
async def looks_at_more_directories(kit: Kit) -> None:
    more = _beside(kit) / "more"
    more.mkdir()
    (more / "note.txt").write_text("in the other directory")
    kit.api.reply_with(ToolUse("Read", {"file_path": str(more / "note.txt")}), Text("ok"))
    await kit.answer("Read it", add_dirs=[more])
    assert "in the other directory" in said_to_api(kit)


@scenario()
async def loads_plugins(kit: Kit) -> None:
    plugin = _beside(kit) / "demo"
    (plugin / ".claude-plugin").mkdir(parents=True)
    (plugin / "commands").mkdir()
    about = {"name": "demo", "description": "greets", "version": "1.0.0"}
    (plugin / ".claude-plugin" / "plugin.json").write_text(json.dumps(about))
    (plugin / "commands" / "greet.md").write_text(_PLUGIN)
    kit.api.reply_with(Text("ok"))
    heard = await kit.answer("Go", plugins=[{"type": "local", "path": str(plugin)}])
    assert "demo:greet" in heard.init["slash_commands"]
    assert "demo" in [one["name"] for one in heard.init["plugins"]]


@scenario()
async def loads_the_projects_own(kit: Kit) -> None:
    agents = kit.place / ".claude" / "agents"
    agents.mkdir(parents=True)
    (agents / "of-the-project.md").write_text(_AGENT)
    kit.api.reply_with(Text("ok"), Text("ok"))
    heard = await kit.answer("Go", setting_sources=["project"])
    assert heard.text == "ok"
    assert "of-the-project" in heard.init["agents"]
    without = await kit.answer("Go", setting_sources=["user"])
    assert "of-the-project" not in without.init["agents"]


@scenario(everywhere=True)
async def starts_servers_of_a_file(kit: Kit) -> None:
    """They run inside: what they are started with has to be there."""
    script = _beside(kit) / "server.sh"
    script.write_text(_SERVER)
    script.chmod(0o755)
    config = _beside(kit) / "mcp.json"
    servers = {"echo": {"command": "bash", "args": [str(script)]}}
    config.write_text(json.dumps({"mcpServers": servers}))
    kit.api.reply_with(ToolUse("mcp__echo__say", {}), Text("ok"))
    heard = await kit.answer(
        "Go",
        mcp_servers=str(config),
        add_dirs=[str(_beside(kit))],
        allowed_tools=["mcp__echo__say"],
    )
    assert {one["name"]: one["status"] for one in heard.init["mcp_servers"]}["echo"] == "connected"
    assert "said by the server" in said_to_api(kit)


# As little of the protocol as the CLI asks for.
_SERVER = r"""
while read -r line; do
  id=$(jq -r '.id // empty' <<<"$line")
  [ -n "$id" ] || continue
  case $(jq -r .method <<<"$line") in
    initialize)
      r='{"protocolVersion":"2024-11-05","capabilities":{"tools":{}}'
      r+=',"serverInfo":{"name":"echo","version":"1"}}' ;;
    tools/list)
      r='{"tools":[{"name":"say","description":"say","inputSchema":{"type":"object"}}]}' ;;
    tools/call) r='{"content":[{"type":"text","text":"said by the server"}]}' ;;
    *) r='{}' ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$r"
done
"""


@scenario()
async def says_what_goes_to_standard_error(kit: Kit) -> None:
    lines: list[str] = []
    kit.api.reply_with(Text("ok"))
    await kit.answer("Go", stderr=lines.append, extra_args={"debug-to-stderr": None})
    assert any("[DEBUG]" in line for line in lines), lines[:5]
    assert all("\n" not in line for line in lines)


@scenario()
async def refuses_a_directory_that_is_not_there(kit: Kit) -> None:
    from claude_agent_sdk import CLIConnectionError

    try:
        await kit.answer("Go", cwd=str(kit.place / "nowhere"))
    except CLIConnectionError as error:
        assert "nowhere" in str(error)
    else:
        raise AssertionError("nothing was raised")
