"""Hooks, the permission callback, tools in this process, variables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from claude_agent_sdk import (
    HookMatcher,
    PermissionResultAllow,
    PermissionResultDeny,
    create_sdk_mcp_server,
    tool,
)

from tests.support.agent_sdk.kit import Heard, Kit, said_to_api, scenario, turn
from tests.support.messages_api import Text, ToolUse


def _denied(reason: str) -> dict[str, Any]:
    decision = {"permissionDecision": "deny", "permissionDecisionReason": reason}
    return {"hookSpecificOutput": {"hookEventName": "PreToolUse", **decision}}


_Ask: TypeAlias = Callable[..., Awaitable[Heard]]


# Before, `query` ended the input as soon as it had sent a plain text (py#1103).
@scenario(since="0.2.0", trio=True)
async def asks_hooks(kit: Kit) -> None:
    await _asks_hooks(kit, kit.answer)


@scenario(everywhere=True)
async def asks_hooks_in_a_conversation(kit: Kit) -> None:
    await _asks_hooks(kit, kit.converse)


async def _asks_hooks(kit: Kit, ask: _Ask) -> None:
    """They are asked through the same pipe as everything else, until the end."""
    seen: list[str] = []

    async def before(input_: Any, use: str | None, _: Any) -> Any:
        seen.append(f"{input_['hook_event_name']} {input_['tool_input']['command']}")
        assert use
        return _denied("not here") if "forbidden" in input_["tool_input"]["command"] else {}

    async def after(input_: Any, _: str | None, __: Any) -> Any:
        seen.append(input_["hook_event_name"])
        more = {"hookEventName": "PostToolUse", "additionalContext": "remember the milk"}
        return {"hookSpecificOutput": more}

    kit.api.reply_with(
        ToolUse("Bash", {"command": "touch forbidden"}),
        ToolUse("Bash", {"command": "touch allowed"}),
        Text("done"),
    )
    hooks = {
        "PreToolUse": [HookMatcher(matcher="Bash", hooks=[before])],
        "PostToolUse": [HookMatcher(matcher="Bash", hooks=[after])],
    }
    heard = await ask("Touch them", hooks=hooks, allowed_tools=["Bash"])
    assert heard.text == "done"
    assert seen == ["PreToolUse touch forbidden", "PreToolUse touch allowed", "PostToolUse"]
    assert (kit.place / "allowed").exists()
    assert not (kit.place / "forbidden").exists()
    assert "not here" in said_to_api(kit)
    assert "remember the milk" in said_to_api(kit)


@scenario()
async def lets_a_hook_stop(kit: Kit) -> None:
    async def stop(*_: Any) -> Any:
        return {"continue_": False, "stopReason": "enough"}

    kit.api.reply_with(ToolUse("Bash", {"command": "true"}), Text("not reached"))
    hooks = {"PostToolUse": [HookMatcher(matcher="Bash", hooks=[stop])]}
    async with kit.client(hooks=hooks, allowed_tools=["Bash"]) as client:
        heard = await turn(client, "Run it")
    assert "not reached" not in heard.text
    assert len(kit.api.requests) == 1


@scenario(everywhere=True)
async def asks_for_permission(kit: Kit) -> None:
    asked: list[str] = []

    async def may(name: str, input_: dict[str, Any], _: Any) -> Any:
        asked.append(name)
        if "secret" in input_["file_path"]:
            return PermissionResultDeny(message="that one stays")
        return PermissionResultAllow(updated_input={**input_, "content": "changed"})

    kit.api.reply_with(
        ToolUse("Write", {"file_path": f"{kit.place}/a.txt", "content": "as wished"}),
        ToolUse("Write", {"file_path": f"{kit.place}/secret.txt", "content": "as wished"}),
        Text("done"),
    )
    async with kit.client(can_use_tool=may) as client:
        assert (await turn(client, "Write them")).text == "done"
    assert asked == ["Write", "Write"]
    assert (kit.place / "a.txt").read_text() == "changed"
    assert not (kit.place / "secret.txt").exists()
    assert "that one stays" in said_to_api(kit)


@scenario(since="0.2.0", trio=True)
async def serves_tools_of_its_own(kit: Kit) -> None:
    await _serves_tools(kit, kit.answer)


@scenario(everywhere=True)
async def serves_tools_of_its_own_in_a_conversation(kit: Kit) -> None:
    await _serves_tools(kit, kit.converse)


async def _serves_tools(kit: Kit, ask: _Ask) -> None:
    """The server runs in this process, outside; only its messages go in and out."""
    asked: list[dict[str, Any]] = []

    @tool("add", "Add two numbers", {"a": float, "b": float})
    async def add(input_: dict[str, Any]) -> dict[str, Any]:
        asked.append(input_)
        return {"content": [{"type": "text", "text": f"sum: {input_['a'] + input_['b']}"}]}

    @tool("fail", "Fail", {})
    async def fail(_: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("broken on purpose")

    kit.api.reply_with(
        ToolUse("mcp__calc__add", {"a": 15, "b": 27}), ToolUse("mcp__calc__fail", {}), Text("42")
    )
    heard = await ask(
        "Add them",
        mcp_servers={"calc": create_sdk_mcp_server("calc", tools=[add, fail])},
        allowed_tools=["mcp__calc__add", "mcp__calc__fail"],
    )
    assert heard.text == "42"
    assert asked == [{"a": 15, "b": 27}]
    assert "sum: 42" in said_to_api(kit)
    assert "broken on purpose" in said_to_api(kit)
    servers = {server["name"]: server["status"] for server in heard.init["mcp_servers"]}
    assert servers["calc"] == "connected"


@scenario(since="0.2.100", trio=True)
async def serves_a_server_of_the_mcp_package(kit: Kit) -> None:
    """Any of its kind, which was not made by the SDK."""
    from claude_agent_sdk import McpSdkServerConfig
    from mcp.server import Server

    own: Any = Server("mine", **_handlers())
    kit.api.reply_with(ToolUse("mcp__mine__shout", {"word": "hello"}), Text("done"))
    config = McpSdkServerConfig(type="sdk", name="mine", instance=own)

    heard = await kit.converse(
        "Shout", mcp_servers={"mine": config}, allowed_tools=["mcp__mine__shout"]
    )

    assert heard.text == "done"
    assert "HELLO" in said_to_api(kit)


def _handlers() -> dict[str, Any]:
    """Return what lists and calls its one tool, as mcp 2 has it."""
    from mcp import types

    schema = {"type": "object", "properties": {"word": {"type": "string"}}}

    async def listed(*_: Any) -> types.ListToolsResult:
        shout = types.Tool(name="shout", description="Shout", input_schema=schema)
        return types.ListToolsResult(tools=[shout])

    async def called(_: Any, asked: Any) -> types.CallToolResult:
        word = str((asked.arguments or {})["word"])
        return types.CallToolResult(content=[types.TextContent(type="text", text=word.upper())])

    return {"on_list_tools": listed, "on_call_tool": called}


@scenario(only="transport", everywhere=True)
async def passes_variables(kit: Kit) -> None:
    kit.api.reply_with(
        ToolUse("Bash", {"command": 'echo "<$WORD> <$CLAUDE_CODE_ENTRYPOINT> <$PWD>"'}), Text("ok")
    )
    await kit.answer("Show it", env={"WORD": "of my own"}, allowed_tools=["Bash"])
    assert f"<of my own> <sdk-py> <{kit.place}>" in said_to_api(kit)


@scenario(since="0.2.120")
async def tells_the_context_and_servers(kit: Kit) -> None:
    kit.api.reply_with(Text("ok"))
    async with kit.client() as client:
        await turn(client, "Say ok")
        assert await client.get_server_info()
        assert "mcpServers" in await client.get_mcp_status()
        assert (await client.get_context_usage())["totalTokens"] >= 0
