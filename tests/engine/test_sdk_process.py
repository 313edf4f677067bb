"""A launch that a program holds, with the real engine, the real CLI and the stand-in API."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest

from pinnace.launch import records
from pinnace.request import RunRequest
from pinnace.sdk.process import launched
from pinnace_core.host import HostFacts
from tests.engine.conftest import containers_of, docker
from tests.support import leftovers
from tests.support.messages_api import MessagesApi, Text
from tests.support.soak import rounds
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]
BACKENDS: Final = ("asyncio", "trio")
_KILLED: Final = 3
# Fifty take minutes of two processors.
_AT_ONCE: Final = max(10, rounds(50))
# What is promised of a program that is killed.
_GONE_SECONDS: Final = 10
_REQUEST: Final = RunRequest(
    ("-p", "--output-format=stream-json", "--verbose", "--include-partial-messages")
)


class _Gate(threading.Event):
    """Holds an answer up for as long as many launches take on a slow machine."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, longer than is asked."""
        return super().wait(max(timeout or 0, 600))


class EchoApi(MessagesApi):
    """Answers each conversation with words of its own, all of them held up by one gate."""

    def __init__(self) -> None:
        super().__init__([Text("")], host="0.0.0.0")  # noqa: S104 (containers reach it)
        self.gate = _Gate()
        self.asked: set[str] = set()

    def reply_to(self, body: dict[str, Any]) -> Any:
        """Answer with what the question names."""
        reply = super().reply_to(body)
        found = json.dumps(body["messages"]).partition("word-")[2][:4]
        if not found or reply != Text(""):
            return reply
        self.asked.add(found)
        return Text(_answer(found), chunks=20, gate=self.gate)


def _answer(word: str) -> str:
    return " ".join(f"{word}.{number}" for number in range(40))


@pytest.fixture
def api() -> Iterator[EchoApi]:
    """Serve it; whoever still waits in the end is let go."""
    with EchoApi() as server:
        try:
            yield server
        finally:
            server.gate.set()


@pytest.fixture
def facts(at_home: Launcher) -> HostFacts:
    """Of a program that runs in a project of its own."""
    found = HostFacts.detect()
    return found._replace(cwd=str(at_home.project), environment=dict(at_home.environment))


class Call:
    """What one call has said."""

    def __init__(self, word: str) -> None:
        self.word, self.name, self.code = word, "", -1
        self.said = anyio.Event()
        self.lines: list[dict[str, Any]] = []

    async def run(self, facts: HostFacts) -> None:
        """Ask, and read to the end."""
        async with launched(_REQUEST, facts) as process:
            self.name = process.name
            await process.send(f"word-{self.word}".encode())
            await process.close_stdin()
            rest = b""
            async for chunk in process.stdout:
                *ends, rest = (rest + chunk).split(b"\n")
                self.lines += map(json.loads, ends)
                if self.text():
                    self.said.set()
            self.code = await process.wait()

    def text(self) -> str:
        """Return what was streamed, put together."""
        events = (one["event"] for one in self.lines if one["type"] == "stream_event")
        deltas = (one["delta"] for one in events if one["type"] == "content_block_delta")
        return "".join(one.get("text", "") for one in deltas)

    def require_whole(self) -> None:
        """See that it is all there, in order, and nobody else's."""
        assert (self.code, self.text()) == (0, _answer(self.word)), self.word
        assert self.lines[-1]["result"] == _answer(self.word)
        assert len({one["session_id"] for one in self.lines if "session_id" in one}) == 1


@contextmanager
def _nothing_left(launcher: Launcher, facts: HostFacts, api: EchoApi) -> Iterator[None]:
    """See that a program has nothing in the end that it had not after its first call."""
    api.gate.set()
    # Whose gateway, and its keeper, serve all that come.
    anyio.run(Call("0000").run, facts)
    api.gate.clear()
    # A thread that ends hands its children on, which is not seen meanwhile.
    wait_until(lambda: not leftovers.holdings().threads, "the first call is not over")
    before = leftovers.holdings()
    yield
    # The answers to those that have gone.
    api.gate.set()
    assert containers_of(launcher.project) == []
    assert list(records.recorded()) == []
    leftovers.wait_for(before)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_streams_and_ends_in_every_way(
    isolated: Launcher, facts: HostFacts, api: EchoApi, backend: str
) -> None:
    async def begun(word: str, group: anyio.abc.TaskGroup) -> Call:
        call = Call(word)
        group.start_soon(call.run, facts)
        await call.said.wait()
        return call

    async def main() -> None:
        async with anyio.create_task_group() as group:
            call = await begun("0001", group)
            assert call.text() != _answer("0001"), "nothing was held up"
            api.gate.set()
        call.require_whole()
        api.gate.clear()
        async with anyio.create_task_group() as group:
            call = await begun("0002", group)
            assert docker("inspect", "--format={{.State.Running}}", call.name) == "true"
            group.cancel_scope.cancel()
        assert containers_of(isolated.project) == []
        with anyio.move_on_after(5) as scope:
            await Call("0003").run(facts)
        assert scope.cancelled_caught
        assert containers_of(isolated.project) == []
        async with launched(_REQUEST, facts) as process:
            await process.send(b"word-0004")
            await process.close_stdin()
            assert await process.stdout.receive()
            assert await process.stop(1) == 128 + signal.SIGTERM

    with _nothing_left(isolated, facts, api):
        anyio.run(main, backend=backend)


_PROGRAM: Final = """
import sys, anyio
from pinnace.request import RunRequest
from pinnace.sdk.process import launched
from pinnace_core.host import HostFacts

async def main():
    async with launched(RunRequest(tuple(sys.argv[1:])), HostFacts.detect()) as process:
        await process.send(b"word-0005")
        await process.close_stdin()
        while b"0005.0" not in await process.stdout.receive():
            pass
        print(process.name, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.usefixtures("api")
def test_a_program_that_is_killed_leaves_no_container(isolated: Launcher) -> None:
    isolated.argv()
    command = [sys.executable, "-c", _PROGRAM, *_REQUEST.claude_arguments]
    child = subprocess.Popen(
        command,
        cwd=isolated.project,
        env=isolated.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    isolated.children.append(child)
    assert child.stdout
    name = child.stdout.readline().strip()
    assert docker("inspect", "--format={{.State.Running}}", name) == "true"

    child.kill()
    deadline = time.monotonic() + _GONE_SECONDS

    wait_until(lambda: not containers_of(isolated.project), "the container goes on")
    assert time.monotonic() < deadline


@pytest.mark.soak
def test_calls_at_once_are_told_apart_and_some_killed_harm_no_other(
    isolated: Launcher, facts: HostFacts, api: EchoApi
) -> None:
    calls = [Call(f"{number:04}") for number in range(1, _AT_ONCE + 1)]
    killed, others = calls[:_KILLED], calls[_KILLED:]

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for call in calls:
                group.start_soon(call.run, facts)
            for call in calls:
                await call.said.wait()
            await anyio.to_thread.run_sync(docker, "kill", *(call.name for call in killed))
            api.gate.set()

    with _nothing_left(isolated, facts, api):
        anyio.run(main)
        assert {call.code for call in killed} == {128 + signal.SIGKILL}
        for call in others:
            call.require_whole()
    assert api.asked == {"0000", *(call.word for call in calls)}


@pytest.mark.soak
@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_that_end_at_any_moment_leave_nothing(
    isolated: Launcher, facts: HostFacts, api: EchoApi, backend: str
) -> None:
    async def main() -> None:
        for number in range(rounds(60)):
            # Beyond the time that an answer takes to begin.
            with anyio.move_on_after(random.random() * 4):  # noqa: S311 (any)
                await Call(f"{number:04}").run(facts)

    with _nothing_left(isolated, facts, api):
        anyio.run(main, backend=backend)
