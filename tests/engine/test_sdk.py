"""`import pinnace`, with the real engine, the real CLI and the stand-in API."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pinnace import (
    Deny,
    Hook,
    Outcome,
    Pinnace,
    ResultEvent,
    StreamEvent,
    TimedOutError,
    ToolUseRequest,
    sync,
)
from pinnace.sdk import process, warm
from tests.engine.conftest import containers_of, launches_noted
from tests.support.messages_api import Text, ToolUse
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pinnace.sdk.process import Process
    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = [pytest.mark.engine, pytest.mark.parametrize("backend", ["asyncio", "trio"])]


@dataclass
class Answer:
    number: int


def test_an_answer(box: Pinnace, api: MessagesApi, backend: str) -> None:
    async def main() -> None:
        result = await box.claude("word " * 100_000, system="MARK", append_system="MORE")
        assert result.text == "Hello from the stand-in"
        assert (result.exit_code, result.outcome) == (0, Outcome.COMPLETED)
        assert result.cli_version == "2.1.330"

    anyio.run(main, backend=backend)

    said = str(api.requests[-1])
    assert "MARK" in said
    assert "MORE" in said
    assert "word " * 100_000 in said


def test_functions_are_asked(
    box: Pinnace, isolated: Launcher, api: MessagesApi, backend: str
) -> None:
    seen: list[str] = []

    async def decide(asked: ToolUseRequest) -> bool | Deny:
        seen.append(asked.input["command"])
        return "made" in asked.input["command"] or Deny("not that")

    async def note(moment: dict[str, Any]) -> None:
        seen.append(moment["hook_event_name"])

    async def main() -> None:
        options: Any = {"can_use_tool": decide, "hooks": {"PreToolUse": [Hook(note)]}}
        for command in ("echo > made.txt", "echo > other.txt"):
            api.reply_with(ToolUse("Bash", {"command": command}), Text("done"))
            await box.claude("go on", **options)

    anyio.run(main, backend=backend)

    assert seen == ["PreToolUse", "echo > made.txt", "PreToolUse", "echo > other.txt"]
    assert (isolated.project / "made.txt").exists()
    assert not (isolated.project / "other.txt").exists()


def test_an_answer_has_a_form(box: Pinnace, api: MessagesApi, backend: str) -> None:
    api.reply_with(ToolUse("StructuredOutput", {"number": 42}), Text("done"))

    async def main() -> None:
        result = await box.claude("which?", output=Answer)
        assert result.data == Answer(42)

    anyio.run(main, backend=backend)


def test_a_stream_goes_on(box: Pinnace, api: MessagesApi, backend: str) -> None:
    api.reply_with(Text("one"), Text("two"))
    said: list[str | None] = []

    async def main() -> None:
        async with box.stream("first", partial_messages=True) as stream:
            async for event in stream:
                if isinstance(event, ResultEvent):
                    said.append(event.result)
                    if len(said) == 1:
                        await stream.send("second")

    anyio.run(main, backend=backend)

    assert said == ["one", "two"]


def test_it_is_interrupted_and_times_out(
    box: Pinnace, isolated: Launcher, api: MessagesApi, backend: str
) -> None:
    gate = threading.Event()
    api.reply_with(Text("slow answer", gate=gate))

    async def main() -> None:
        async with box.stream("first", partial_messages=True) as stream:
            async for event in stream:
                if isinstance(event, StreamEvent) and event.text:
                    await stream.interrupt()
                    break
            assert (await stream.result()).outcome is Outcome.INTERRUPTED
        with pytest.raises(TimedOutError):
            await box.claude("again", timeout=3)

    try:
        anyio.run(main, backend=backend)
    finally:
        gate.set()

    assert containers_of(isolated.project) == []


def test_a_session_goes_on(box: Pinnace, api: MessagesApi, backend: str) -> None:
    async def main() -> None:
        session = box.session("fix-42")
        first = await session.claude("the first words")
        second = await session.claude("more")
        assert first.session_id == second.session_id
        copy = await box.claude("aside", resume=first.session_id, fork=True)
        assert copy.session_id != first.session_id
        assert [said.role for said in await session.messages()] == ["user", "assistant"] * 2
        aside = await session.fork()
        assert (await aside.claude("in the copy")).session_id != first.session_id
        assert len(await aside.messages()) == len(await session.messages()) + 2

    anyio.run(main, backend=backend)

    assert "the first words" in str(api.requests[-1])


def test_the_official_sdk_is_isolated_as_the_box_is(
    box: Pinnace, api: MessagesApi, backend: str
) -> None:
    sdk = pytest.importorskip("claude_agent_sdk")

    async def said() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "user", "message": {"role": "user", "content": "by the SDK"}}

    async def main() -> None:
        options = sdk.ClaudeAgentOptions()
        answers = sdk.query(prompt=said(), options=options, transport=box.transport(options))
        assert [m.result for m in [m async for m in answers] if hasattr(m, "total_cost_usd")] == [
            "Hello from the stand-in"
        ]

    anyio.run(main, backend=backend)

    assert "by the SDK" in str(api.requests[-1])


def test_without_a_loop(box: Pinnace, backend: str) -> None:
    assert sync.claude("hi", box=box).text == "Hello from the stand-in", backend


def test_calls_take_containers_that_wait(
    box: Pinnace, isolated: Launcher, api: MessagesApi, backend: str
) -> None:
    api.reply_with(*[Text("hi")] * 3)
    names: list[str] = []

    async def main() -> None:
        async with box.warm(2):
            for _ in range(3):
                async with box.stream("hello") as stream:
                    names.append(stream.container_id)
                    async for _event in stream:
                        pass

    anyio.run(main, backend=backend)

    assert len(set(names)) == 3
    taken = [one for one in launches_noted(isolated) if "standby" in one]
    assert len(taken) >= 2
    wait_until(lambda: containers_of(isolated.project) == [], "nothing waits any more")


def test_calls_take_a_claude_that_was_started(
    box: Pinnace, isolated: Launcher, api: MessagesApi, backend: str
) -> None:
    api.reply_with(*[Text("hi")] * 4)
    texts: list[str] = []

    async def main() -> None:
        async with box.warm(2, started=True, model="opus"):
            # Nobody who asks for something else gets one.
            texts.append((await box.claude("hello", model="haiku")).text)
            texts.extend([(await box.claude("hello", model="opus")).text for _ in range(3)])

    anyio.run(main, backend=backend)

    assert texts == ["hi"] * 4
    noted = launches_noted(isolated)
    asked = [next(m for m in ("opus", "haiku") if m in str(one["arguments"])) for one in noted]
    assert asked[:3] == ["opus", "opus", "haiku"]
    # Two that waited were used, and made up for: the third call had one of those, or its own.
    assert 4 <= len(asked) <= 6
    wait_until(lambda: containers_of(isolated.project) == [], "nothing waits any more")


@pytest.mark.parametrize("why", ["ended", "old"])
def test_a_started_claude_that_cannot_be_had_any_more_is_not_taken(
    box: Pinnace, isolated: Launcher, monkeypatch: pytest.MonkeyPatch, backend: str, why: str
) -> None:
    if why == "old":
        monkeypatch.setattr(warm, "_FRESH_SECONDS", 0.0)
    begun: list[Process] = []

    @asynccontextmanager
    async def launched(*arguments: Any) -> AsyncIterator[Process]:
        async with process.launched(*arguments) as made:
            begun.append(made)
            yield made

    monkeypatch.setattr(warm, "launched", launched)

    async def main() -> None:
        async with box.warm(started=True):
            if why == "ended":
                await begun[0].stop()
            async with box.stream("hello") as stream:
                assert stream.name != begun[0].name
                assert (await stream.result()).outcome is Outcome.COMPLETED

    anyio.run(main, backend=backend)

    assert containers_of(isolated.project) == []


def test_a_cancelled_call_ends_the_started_claude_that_it_has_taken(
    box: Pinnace, isolated: Launcher, api: MessagesApi, backend: str
) -> None:
    api.reply_with(ToolUse("Bash", {"command": "touch begun; tail -f /dev/null"}))

    async def main() -> None:
        async with box.warm(started=True, tools=["Bash"]):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(box.claude, "hello", tools=["Bash"]))
                while not (isolated.project / "begun").exists():  # noqa: ASYNC110 (a file)
                    await anyio.sleep(0.05)
                tasks.cancel_scope.cancel()
            assert len(containers_of(isolated.project)) <= 1

    anyio.run(main, backend=backend)

    assert containers_of(isolated.project) == []
