"""Asking once, several turns, interrupting, settings that change meanwhile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
from claude_agent_sdk import AgentDefinition, AssistantMessage, ResultMessage
from claude_agent_sdk.types import StreamEvent

from tests.support.agent_sdk.kit import Heard, Kit, said_to_api, scenario, turn
from tests.support.messages_api import ApiError, Text, ToolUse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_MEGABYTE = 1 << 20


def _said(text: str, **more: Any) -> dict[str, Any]:
    message = {"role": "user", "content": text}
    return {"type": "user", "message": message, "parent_tool_use_id": None, **more}


async def _each(*messages: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    for message in messages:
        yield message


@scenario(trio=True, everywhere=True)
async def asks_once(kit: Kit) -> None:
    kit.api.reply_with(Text("four"))
    heard = await kit.answer("What is 2 + 2?")
    assert heard.text == "four"
    assert heard.result.subtype == "success"
    assert not heard.result.is_error
    assert "What is 2 + 2?" in said_to_api(kit)


@scenario()
async def asks_with_a_stream(kit: Kit) -> None:
    kit.api.reply_with(Text("yes"))
    heard = await kit.answer(_each(_said("Are you there?")))
    assert heard.text == "yes"


@scenario(trio=True, everywhere=True)
async def takes_turns(kit: Kit) -> None:
    kit.api.reply_with(Text("one"), Text("two"), Text("three"))
    async with kit.client() as client:
        for count, prompt in enumerate(("first", "second", "third")):
            heard = await turn(client, prompt)
            assert heard.text == ("one", "two", "three")[count]
    assert all(word in said_to_api(kit) for word in ("first", "one", "second", "two", "third"))


@scenario()
async def connects_with_a_prompt(kit: Kit) -> None:
    kit.api.reply_with(Text("here"))
    client = kit.client()
    await client.connect("Are you there?")
    try:
        heard = Heard([message async for message in client.receive_response()])
    finally:
        await client.disconnect()
    assert heard.text == "here"


@scenario(everywhere=True)
async def interrupts(kit: Kit) -> None:
    gate = threading.Event()
    kit.api.reply_with(Text("a long story", gate=gate), Text("a joke"))
    try:
        async with kit.client(include_partial_messages=True) as client:
            await client.query("Tell a long story")
            async for message in client.receive_messages():
                if isinstance(message, StreamEvent) and "delta" in message.event:
                    break
            with anyio.fail_after(20):
                await client.interrupt()
                async for message in client.receive_response():
                    if isinstance(message, ResultMessage):
                        assert message.subtype == "error_during_execution"
            assert (await turn(client, "Rather a joke")).text == "a joke"
    finally:
        gate.set()


@scenario()
async def streams_partial_messages(kit: Kit) -> None:
    kit.api.reply_with(Text("  a text\n in pieces  ", chunks=5))
    heard = await kit.answer("Say it", include_partial_messages=True)
    events = [m.event for m in heard.messages if isinstance(m, StreamEvent)]
    pieces = [e["delta"]["text"] for e in events if e["type"] == "content_block_delta"]
    assert len(pieces) == 5
    assert "".join(pieces) == "  a text\n in pieces  "
    assert {"message_start", "message_stop"} <= {event["type"] for event in events}


@scenario()
async def gets_structured_output(kit: Kit) -> None:
    kit.api.reply_with(
        ToolUse("StructuredOutput", {"count": "many"}), ToolUse("StructuredOutput", {"count": 2})
    )
    schema = {
        "type": "object",
        "properties": {"count": {"type": "number"}},
        "required": ["count"],
    }
    heard = await kit.answer("Count", output_format={"type": "json_schema", "schema": schema})
    assert heard.result.structured_output == {"count": 2}


@scenario(everywhere=True)
async def sends_ten_megabytes(kit: Kit) -> None:
    kit.api.reply_with(Text("long"))
    prompt = "begin " + "word " * (2 * _MEGABYTE) + "end"
    # More than any model takes: the CLI would not even ask.
    more = {"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "99999999", "DISABLE_COMPACT": "1"}
    heard = await kit.answer(prompt, env=more)
    assert heard.text == "long"
    assert prompt in said_to_api(kit)


@scenario(only="transport")
async def takes_lines_of_any_length(kit: Kit) -> None:
    """The SDK's own transport gives up at one megabyte, if it is not told otherwise."""
    text = "x" * (3 * _MEGABYTE)
    kit.api.reply_with(Text(text))
    assert (await kit.answer("Say much")).text == text


@scenario()
async def keeps_to_a_limit_that_was_set(kit: Kit) -> None:
    kit.api.reply_with(Text("x" * _MEGABYTE))
    try:
        await kit.answer("Say much", max_buffer_size=200_000)
    except Exception as error:  # noqa: BLE001 (older ones raise a bare one)
        assert "maximum buffer size" in str(error), error
    else:
        raise AssertionError("nothing was raised")


@scenario()
async def changes_model_and_mode(kit: Kit) -> None:
    kit.api.reply_with(Text("one"), ToolUse("Write", {"file_path": "a.txt", "content": "a"}))
    async with kit.client() as client:
        await turn(client, "first")
        first = kit.api.requests[-1]["model"]
        await client.set_model("claude-haiku-4-5")
        await client.set_permission_mode("acceptEdits")
        await turn(client, "second")
        assert kit.api.requests[-1]["model"] == "claude-haiku-4-5" != first
    # Nobody was there to be asked.
    assert (kit.place / "a.txt").read_text() == "a"


@scenario()
async def defines_agents(kit: Kit) -> None:
    """A quarter of a megabyte: by the control protocol, not by an argument."""
    kit.api.reply_with(Text("ok"))
    prompt = "x" * (13 << 10)
    agents = {f"large-{n}": AgentDefinition(f"agent {n}", prompt) for n in range(20)}
    heard = await kit.answer("List them", agents=agents)
    assert set(agents) <= set(heard.init["agents"])


@scenario()
async def tells_of_an_error_of_the_api(kit: Kit) -> None:
    kit.api.reply_with(ApiError(400, "invalid_request_error", "no such thing"))
    heard = Heard()
    try:
        async for message in kit.ask("Say it"):
            heard.messages.append(message)
    except Exception as error:  # noqa: BLE001 (older ones raise a bare one)
        assert "no such thing" in str(error) or "exit code 1" in str(error), error
    assert heard.result.is_error


@scenario()
async def stops_after_turns(kit: Kit) -> None:
    kit.api.reply_with(ToolUse("Bash", {"command": "true"}), Text("not reached"))
    heard = Heard()
    try:
        async for message in kit.ask("Go on", max_turns=1, allowed_tools=["Bash"]):
            heard.messages.append(message)
    except Exception as error:  # noqa: BLE001 (older ones raise a bare one)
        assert "maximum number of turns" in str(error).lower() or "exit code" in str(error), error
    assert heard.result.subtype == "error_max_turns"


@scenario(since="0.2.120")
async def tells_of_a_cleared_conversation(kit: Kit) -> None:
    from claude_agent_sdk import ConversationResetMessage

    kit.api.reply_with(Text("one"), Text("two"))
    async with kit.client() as client:
        first = (await turn(client, "Say one")).result
        heard = await turn(client, "/clear")
    resets = [m for m in heard.messages if isinstance(m, ConversationResetMessage)]
    assert [reset.session_id for reset in resets] == [first.session_id]
    assert heard.result.session_id != first.session_id


@scenario(since="0.2.120")
async def returns_the_origin_of_a_message(kit: Kit) -> None:
    kit.api.reply_with(Text("one"), Text("two"))
    async with kit.client() as client:
        stamped = await turn(client, _each(_said("one", origin={"kind": "human"})))
        unstamped = await turn(client, _each(_said("two")))
    assert stamped.result.origin == {"kind": "human"}
    assert unstamped.result.origin is None


@scenario(since="0.2.120")
async def forwards_what_agents_say(kit: Kit) -> None:
    agent = AgentDefinition("greets", "Greet", background=False)
    wanted = {"subagent_type": "greeter", "prompt": "hi", "description": "greeting"}
    for forwarded in (True, False):
        kit.api.reply_with(
            ToolUse("Agent", {**wanted, "run_in_background": False}),
            Text("hello from the agent"),
            Text("DONE"),
        )
        heard = await kit.answer(
            "Greet",
            agents={"greeter": agent},
            forward_subagent_text=forwarded,
            allowed_tools=["Agent", "Task"],
        )
        of_agent = [
            message
            for message in heard.messages
            if isinstance(message, AssistantMessage) and message.parent_tool_use_id
        ]
        assert ("hello from the agent" in Heard(list(of_agent)).text) == forwarded
