"""What goes on behind an answer may still ask the program."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest
from claude_agent_sdk import ClaudeAgentOptions, PermissionResultAllow, ResultMessage, query

from pinnace import ResultEvent
from tests.engine.conftest import containers_of
from tests.support.messages_api import MessagesApi, Text, ToolUse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from pinnace import Pinnace, ToolUseRequest
    from tests.engine.conftest import Launcher
    from tests.support.messages_api import Reply

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]
_WORD: Final = "the-agents-own-prompt"
_COMMAND: Final = "echo > by-the-agent.txt"
_GATE_SECONDS: Final = 300


class AgentApi(MessagesApi):
    """Begins an agent in the background, which does something once the gate is open."""

    def __init__(self) -> None:
        super().__init__([Text("")], host="0.0.0.0")  # noqa: S104 (containers reach it)
        begun = {"description": "works", "prompt": _WORD, "subagent_type": "general-purpose"}
        self.gate = threading.Event()
        self._of_the_agent: list[Reply] = [ToolUse("Bash", {"command": _COMMAND}), Text("ready")]
        self.reply_with(
            ToolUse("Agent", {**begun, "run_in_background": True}), Text("begun"), Text("all done")
        )

    def reply_to(self, body: dict[str, Any]) -> Reply:
        """Tell the agent's conversation from the one that began it."""
        if not body.get("tools") or _WORD not in str(body["messages"][0]):
            return super().reply_to(body)
        self.gate.wait(_GATE_SECONDS)
        return self._of_the_agent.pop(0) if self._of_the_agent else Text("ready")


@pytest.fixture
def api() -> Iterator[AgentApi]:
    """Serve it; whoever still waits in the end is let go."""
    with AgentApi() as server:
        try:
            yield server
        finally:
            server.gate.set()


async def _streamed(box: Pinnace, api: AgentApi, said: list[str]) -> None:
    async def decide(asked: ToolUseRequest) -> bool:
        said.append(asked.input["command"])
        return True

    async with box.stream("Have it done", can_use_tool=decide, tools=["Agent"]) as stream:
        async for event in stream:
            if isinstance(event, ResultEvent):
                said.append(event.result or "")
                api.gate.set()


async def _by_the_transport(box: Pinnace, api: AgentApi, said: list[str]) -> None:
    async def decide(_: str, input_: dict[str, Any], __: Any) -> PermissionResultAllow:
        said.extend(filter(None, [input_.get("command")]))
        return PermissionResultAllow()

    async def prompt() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "user", "message": {"role": "user", "content": "Have it done"}}

    options = ClaudeAgentOptions(can_use_tool=decide)
    asked = query(prompt=prompt(), options=options, transport=box.transport(options))
    async for message in asked:
        if isinstance(message, ResultMessage):
            said.append(message.result or "")
            api.gate.set()


@pytest.mark.parametrize("call", [_streamed, _by_the_transport])
def test_an_agent_that_works_on_may_still_ask(
    box: Pinnace,
    at_home: Launcher,
    api: AgentApi,
    call: Callable[[Pinnace, AgentApi, list[str]], Awaitable[None]],
) -> None:
    said: list[str] = []

    anyio.run(call, box, api, said)

    assert said[:2] == ["begun", _COMMAND]
    assert (at_home.project / "by-the-agent.txt").exists()
    assert containers_of(at_home.project) == []
