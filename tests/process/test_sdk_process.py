"""A launch that a program holds: whatever ends the program's interest in it ends all of it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest

from pinnace import Pinnace
from pinnace.launch import living, records
from pinnace.launch.prepare import prepared, read
from pinnace.launch.running import Running
from pinnace.request import RunRequest
from pinnace.sdk.process import launched
from pinnace_core.errors import (
    CannotReadError,
    ImageMissingError,
    PlatformUnsupportedError,
    UsageError,
)
from pinnace_core.host import HostFacts
from tests.support import fake_docker, leftovers
from tests.support.soak import rounds
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pinnace.sdk.process import Process
    from tests.process.conftest import Machine

BACKENDS: Final = ("asyncio", "trio")
_REQUEST: Final = RunRequest(("-p",))
_AT_ONCE: Final = 4
_LONGEST: Final = 0.4
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture
def facts(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> HostFacts:
    """Of a machine whose containers live until their input ends."""
    for name, value in machine.environment.items():
        monkeypatch.setenv(name, value)
    machine.docker.will("run", lives=True)
    return HostFacts.detect()._replace(cwd=str(machine.project))


def _alive(machine: Machine) -> list[str]:
    return [one["Id"] for one in fake_docker.alive(machine.docker.place)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_is_written_to_and_read_and_its_end_is_told(
    machine: Machine, facts: HostFacts, backend: str
) -> None:
    big = os.urandom(1 << 20)

    async def main() -> tuple[bytes, int]:
        async with launched(_REQUEST, facts) as process, anyio.create_task_group() as group:

            async def write() -> None:
                await process.send(big)
                await process.close_stdin()

            group.start_soon(write)
            all_of_it = b"".join([chunk async for chunk in process.stdout])
            code = await process.wait()
            assert (process.returncode, process.cli_version) == (code, "9.9.9")
            assert process.name.startswith("pinnace-my-project-")
        return all_of_it, code

    assert anyio.run(main, backend=backend) == (big, 0)
    assert _alive(machine) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_read_that_nobody_asked_for(facts: HostFacts, backend: str) -> None:
    async def main() -> bool:
        async with launched(_REQUEST, facts) as process:
            with anyio.move_on_after(1) as scope:
                # More than all buffers between here and there, and back.
                await process.send(bytes(16 << 20))
            return scope.cancelled_caught

    assert anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_true_exit_code_and_the_end_of_stderr_are_told(
    machine: Machine, facts: HostFacts, backend: str
) -> None:
    machine.docker.will("run", stderr="x" * 100_000 + "the end\n", code=7)

    async def main() -> None:
        async with launched(_REQUEST, facts) as process:
            assert await process.wait() == 7
            assert process.stderr_tail.endswith(b"xthe end\n")
            assert len(process.stderr_tail) == 1 << 16
            with pytest.raises(anyio.BrokenResourceError):
                await process.send(bytes(1 << 20))

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_lines_of_stderr_are_told_as_they_come_in_the_loop(
    machine: Machine, facts: HostFacts, backend: str
) -> None:
    said = "first\r\n\nthird \N{SNOWMAN}\n" + "x" * 100_000 + "\nno end"
    machine.docker.will("run", stderr=said)
    heard: list[str] = []
    threads = set[int]()

    async def main() -> None:
        done = anyio.Event()

        def hear(line: str) -> None:
            threads.add(threading.get_ident())
            heard.append(line)
            if line == "no end":
                done.set()
            raise _OwnError(line)

        async with launched(_REQUEST, facts, stderr=hear) as process:
            assert await process.wait() == 0
            await done.wait()

    anyio.run(main, backend=backend)

    assert heard[:3] == ["first", "", "third \N{SNOWMAN}"]
    assert "".join(heard[3:]) == "x" * 100_000 + "no end"
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_is_stopped_by_the_end_of_its_input_or_else_by_sigterm(
    machine: Machine, facts: HostFacts, backend: str
) -> None:
    async def main() -> list[int]:
        async with launched(_REQUEST, facts) as willing:
            codes = [await willing.stop(60)]
        machine.docker.will("run", wait=True)
        async with launched(_REQUEST, facts) as deaf:
            wait_until(lambda: machine.docker.log("ready"), "it does not start")
            machine.docker.will("container kill", code=1)
            machine.docker.will("container rm", code=0)
            with anyio.CancelScope() as scope:
                scope.deadline = anyio.current_time() + 0.5
                await deaf.stop(0)
            machine.docker.finish()
            codes.append(await deaf.stop(0))
        return codes

    # Ended though the work was not done: that is no success.
    assert anyio.run(main, backend=backend) == [0, 128 + signal.SIGTERM]


def test_what_cannot_be_launched_is_an_error_of_its_kind(
    machine: Machine, facts: HostFacts
) -> None:
    machine.engine.images = []
    machine.docker.knows([])
    before = leftovers.holdings()

    async def main(request: RunRequest) -> None:
        async with launched(request, facts):
            pass

    with pytest.raises(ImageMissingError):
        anyio.run(main, RunRequest(flags={"run.provision": False}))
    with pytest.raises(UsageError):
        anyio.run(main, RunRequest(dry_run=True))
    leftovers.wait_for(before)


def test_a_call_that_makes_no_sense_starts_nothing(machine: Machine) -> None:
    box, nowhere = Pinnace(machine.project), Pinnace(machine.project / "nowhere")

    with pytest.raises(CannotReadError, match="nowhere"):
        anyio.run(nowhere.claude, "x")
    with pytest.raises(UsageError, match="timeout=-1"):
        anyio.run(partial(box.claude, "x", timeout=-1))
    assert machine.docker.calls("run") == []


def test_windows_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = HostFacts.detect()
    before = leftovers.holdings()
    monkeypatch.setattr(sys, "platform", "win32")

    async def main() -> None:
        with pytest.raises(PlatformUnsupportedError, match="Windows"):
            async with launched(_REQUEST, facts):
                pass

    coroutine = main()
    with pytest.raises(StopIteration):
        coroutine.send(None)
    monkeypatch.undo()
    leftovers.wait_for(before)


def test_the_program_has_its_own_path_again(
    machine: Machine, facts: HostFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{machine.project}/.venv/bin{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    facts = facts._replace(environment={**facts.environment, "PATH": path})

    async def main() -> None:
        async with launched(_REQUEST, facts), launched(_REQUEST, facts):
            # What ends it is not taken from the project either.
            assert str(machine.project) not in os.environ["PATH"]

    for _ in range(2):
        anyio.run(main)
        assert os.environ["PATH"] == path


def test_notes_are_told_and_logged_and_not_printed(
    machine: Machine,
    facts: HostFacts,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (machine.project / ".claude-version").unlink()
    machine.docker.will("run")
    asked = RunRequest(claude_version="9.9.9")
    facts = facts._replace(environment={**facts.environment, "PINNACE_AUDIT": "false"})

    async def main() -> tuple[str, ...]:
        async with launched(asked, facts) as process:
            await process.wait()
        return process.notes

    with caplog.at_level("INFO", logger="pinnace"):
        notes = anyio.run(main)

    assert any(note.startswith("the audit record is off") for note in notes)
    assert list(notes) == [record.message for record in caplog.records if record.name == "pinnace"]
    assert capfd.readouterr() == ("", "")


class _OwnError(Exception):
    pass


async def _held(facts: HostFacts, process: list[Process]) -> None:
    async with launched(_REQUEST, facts) as one:
        process.append(one)
        await anyio.sleep_forever()


async def _scope(facts: HostFacts, moment: float) -> None:
    with anyio.move_on_after(moment):
        await _held(facts, [])


async def _raw(facts: HostFacts, moment: float) -> None:
    task = asyncio.create_task(_held(facts, []))
    await asyncio.sleep(moment)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(moment / 10)
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def _timeout(facts: HostFacts, moment: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(_held(facts, []), moment)


async def _error(facts: HostFacts, moment: float) -> None:
    with suppress(_OwnError):
        async with launched(_REQUEST, facts):
            await anyio.sleep(moment)
            raise _OwnError


async def _left(facts: HostFacts, moment: float) -> None:
    async with launched(_REQUEST, facts) as process:
        await process.send(b"hello")
        await anyio.sleep(moment)


async def _stopped(facts: HostFacts, moment: float) -> None:
    async with launched(_REQUEST, facts) as process:
        await anyio.sleep(moment)
        await process.stop(moment)


async def _generator(facts: HostFacts, moment: float) -> None:
    async def chunks() -> Any:
        async with launched(_REQUEST, facts) as process:
            await process.send(b"hello")
            async for chunk in process.stdout:
                yield chunk

    made = chunks()
    async for _ in made:
        await anyio.sleep(moment)
        break
    await made.aclose()


_WAYS: Final = (_scope, _error, _left, _stopped, _generator)


@pytest.mark.soak
@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_that_end_at_any_moment_in_any_way_leave_nothing(
    machine: Machine, facts: HostFacts, backend: str
) -> None:
    ways: tuple[Callable[[HostFacts, float], Awaitable[None]], ...] = _WAYS
    if backend == "asyncio":
        ways += (_raw, _timeout)

    async def call(limit: anyio.CapacityLimiter) -> None:
        async with limit:
            way, moment = random.choice(ways), random.random() * _LONGEST  # noqa: S311 (any)
            await way(facts, moment)

    async def main(calls: int) -> None:
        limit = anyio.CapacityLimiter(_AT_ONCE)
        async with anyio.create_task_group() as group:
            for _ in range(calls):
                group.start_soon(call, limit)
        if backend == "asyncio":
            assert asyncio.all_tasks() == {asyncio.current_task()}

    anyio.run(main, 1, backend=backend)
    before = leftovers.holdings()

    anyio.run(main, rounds(500), backend=backend)

    leftovers.wait_for(before)
    assert _alive(machine) == []
    assert list(records.recorded()) == []


def test_a_loop_that_never_runs_again_leaves_nothing(machine: Machine, facts: HostFacts) -> None:
    before = leftovers.holdings()
    loop, processes = asyncio.new_event_loop(), list[Any]()
    task = loop.create_task(_held(facts, processes))
    task.add_done_callback(lambda _: None)
    while not processes:
        loop.run_until_complete(asyncio.sleep(0.01))
    wait_until(lambda: _alive(machine), "no container")
    coroutine = task.get_coro()
    assert coroutine is not None

    with suppress(RuntimeError):
        coroutine.close()

    wait_until(lambda: not _alive(machine), "the container goes on")
    wait_until(lambda: not living._living, "the launch is still known")  # noqa: SLF001
    task.cancel()
    with suppress(BaseException):
        loop.run_until_complete(task)
    loop.close()
    processes[0]._running.stream.close()  # noqa: SLF001
    del coroutine, task
    leftovers.wait_for(before)


_PROGRAM: Final = """
import os, sys, time
import anyio
from pinnace.launch.prepare import prepared, read
from pinnace.launch.prepare import prepared, read
from pinnace.launch.running import Running
from pinnace.request import RunRequest
from pinnace.sdk.process import launched
from pinnace_core.host import HostFacts

request, facts = RunRequest(("-p",)), HostFacts.detect()

async def main():
    async with launched(request, facts) as process:
        print(process.pid, flush=True)
        {inside}

{main}
"""
_MAIN: Final = 'anyio.run(main, backend="{}")'


def _program(machine: Machine, main: str, inside: str = "pass") -> subprocess.Popen[str]:
    machine.docker.will("run", lives=True)
    code = _PROGRAM.format(main=main, inside=inside)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=machine.project,
        env=machine.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _runs(machine: Machine) -> Path:
    return Path(machine.environment["HOME"], ".local/state/pinnace/runs")


@pytest.fixture
def own(machine: Machine) -> Machine:
    """A machine whose programs keep their state below its home."""
    home = machine.environment["HOME"]
    machine.environment["XDG_STATE_HOME"] = f"{home}/.local/state"
    machine.environment["XDG_DATA_HOME"] = f"{home}/.local/share"
    return machine


def _nothing_is_left(machine: Machine) -> None:
    wait_until(lambda: not _alive(machine), "the container goes on")
    wait_until(lambda: not list(_runs(machine).glob("*")), "the record stays")


@pytest.mark.parametrize("forks", [False, True])
def test_a_program_that_is_killed_leaves_no_container(own: Machine, *, forks: bool) -> None:
    # A copy has all that it has, and goes on.
    fork = "os.fork() or (sys.stdin.close(), os.close(1), os.close(2), time.sleep(600)); "
    inside = f"{fork if forks else ''}await anyio.sleep_forever()"
    with _program(own, _MAIN.format("asyncio"), inside) as program:
        assert program.stdout
        assert program.stdout.readline()
        wait_until(lambda: _alive(own), "no container")
        program.kill()
        try:
            _nothing_is_left(own)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "main",
    [
        """
running = Running(lambda: prepared(read(request, facts)), print)
running.started.result()
sys.exit(3)
""",
        # As in a notebook.
        """
import asyncio
loop = asyncio.new_event_loop()
task = loop.create_task(main())
loop.run_until_complete(asyncio.sleep(2))
sys.exit(3)
""",
    ],
    ids=["held", "in a loop that stands"],
)
def test_an_interpreter_that_exits_leaves_no_container(own: Machine, main: str) -> None:
    facts = "facts = facts._replace(stdin_tty=False, stdout_tty=False)\n"
    with _program(own, facts + main, "await anyio.sleep_forever()") as program:
        program.communicate(timeout=60)

    assert program.returncode == 3
    assert _alive(own) == []
    _nothing_is_left(own)


@pytest.mark.parametrize("backend", BACKENDS)
def test_ctrl_c_once_or_again_ends_the_container_and_does_not_hit_the_client(
    own: Machine, backend: str
) -> None:
    with _program(own, _MAIN.format(backend), "await anyio.sleep_forever()") as program:
        assert program.stdout
        client = int(program.stdout.readline())
        wait_until(lambda: _alive(own), "no container")
        assert os.getsid(client) == client != os.getsid(program.pid)
        for _ in range(2):
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGINT)
        program.communicate(timeout=60)

    assert program.returncode
    _nothing_is_left(own)


def test_a_launch_can_be_held_without_a_loop(machine: Machine, facts: HostFacts) -> None:
    before = leftovers.holdings()
    alone = facts._replace(stdin_tty=False, stdout_tty=False)
    running = Running(lambda: prepared(read(_REQUEST, alone)), lambda _: None)
    running.started.result(60)

    running.end((60, 60))

    assert running.exited.result(60) == 0
    running.over.result(60)
    running.stream.close()
    leftovers.wait_for(before)
    assert _alive(machine) == []
