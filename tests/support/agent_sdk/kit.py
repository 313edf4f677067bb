"""What scenarios share: options for each way of starting Claude, and what was heard of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ResultMessage,
    TextBlock,
    query,
)
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from claude_agent_sdk import Message, Transport

    from tests.support.messages_api import MessagesApi


@dataclass
class Kit:
    """A place to work in, and a way of starting Claude.

    Attributes:
        api: what the CLI talks to.
        place: the project.
        cli: path of a `claude`; empty: Pinnace's transport.
    """

    api: MessagesApi
    place: Path
    cli: str = ""

    @property
    def isolated(self) -> bool:
        """Whether it is Pinnace's transport."""
        return not self.cli

    def options(self, **named: Any) -> ClaudeAgentOptions:
        """Return options for this way."""
        own = {"cli_path": self.cli} if self.cli else {}
        return ClaudeAgentOptions(**{"cwd": str(self.place), **own, **named})

    def transport(self, options: ClaudeAgentOptions) -> Transport | None:
        """Return Pinnace's transport; None: the SDK makes its own."""
        if self.cli:
            return None
        from pinnace.agent_sdk import transport

        return transport(options)

    def client(self, **named: Any) -> ClaudeSDKClient:
        """Return a client."""
        options = self.options(**named)
        return ClaudeSDKClient(options, transport=self.transport(options))

    def ask(
        self, prompt: str | AsyncIterable[dict[str, Any]], **named: Any
    ) -> AsyncIterator[Message]:
        """Ask once."""
        options = self.options(**named)
        return query(prompt=prompt, options=options, transport=self.transport(options))

    async def answer(self, prompt: str | AsyncIterable[dict[str, Any]], **named: Any) -> Heard:
        """Ask once; return all that was heard."""
        heard = Heard()
        async for message in self.ask(prompt, **named):
            heard.messages.append(message)
        return heard

    async def converse(self, prompt: str, **named: Any) -> Heard:
        """Ask in a conversation of one turn."""
        client = self.client(**named)
        await client.connect()
        try:
            return await turn(client, prompt)
        finally:
            await client.disconnect()


@dataclass
class Heard:
    """What came from Claude."""

    messages: list[Message] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What was said."""
        said = (m for m in self.messages if isinstance(m, AssistantMessage))
        return "".join(b.text for m in said for b in m.content if isinstance(b, TextBlock))

    @property
    def result(self) -> ResultMessage:
        """How the last turn ended."""
        found = [message for message in self.messages if isinstance(message, ResultMessage)]
        assert found, f"no result in {self.messages}"
        return found[-1]

    @property
    def init(self) -> dict[str, Any]:
        """What Claude says first."""
        found = (m for m in self.messages if getattr(m, "subtype", "") == "init")
        return next(found).data  # type: ignore[union-attr]


async def turn(client: ClaudeSDKClient, prompt: str | AsyncIterable[dict[str, Any]]) -> Heard:
    """Say something; return the answer."""
    await client.query(prompt)
    heard = Heard()
    async for message in client.receive_response():
        heard.messages.append(message)
    return heard


@dataclass(frozen=True)
class Scenario:
    """What a program does.

    Attributes:
        run: it; fails where it sees something else than it should.
        since: the first version of the SDK that can do this.
        trio: whether it runs on trio as well.
        only: "transport": the SDK's own does not promise it.
        everywhere: whether it runs with the oldest SDK and with the drop-in program as well.
    """

    run: Callable[[Kit], Awaitable[None]]
    since: str = "0"
    trio: bool = False
    only: str = ""
    everywhere: bool = False

    def applies(self, version: str, *, isolated: bool) -> bool:
        """Return whether a version of the SDK can do it in this way."""
        return Version(self.since) <= Version(version) and (isolated or not self.only)


SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(
    *, since: str = "0", trio: bool = False, only: str = "", everywhere: bool = False
) -> Callable[[Callable[[Kit], Awaitable[None]]], Callable[[Kit], Awaitable[None]]]:
    """Add a scenario, by the function's name."""

    def add(run: Callable[[Kit], Awaitable[None]]) -> Callable[[Kit], Awaitable[None]]:
        SCENARIOS[run.__name__] = Scenario(run, since, trio, only, everywhere)
        return run

    return add


def said_to_api(kit: Kit) -> str:
    """Return all that the last request of a conversation says."""
    return str(kit.api.requests[-1]["messages"])
