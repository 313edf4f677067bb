"""Handing over to the client: exit codes, signals, terminal and streams are its own."""

from __future__ import annotations

import json
import os
import pty
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.fake_docker import FakeDocker

_LAUNCHER = """
import sys
from pinnace.launch.handover import hand_over
from pinnace_core.console import run_main
sys.exit(run_main("launcher", lambda: hand_over(sys.argv[1:])))
"""
_ENDING = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")


def _argv(*argv: str) -> list[str]:
    return [sys.executable, "-c", _LAUNCHER, *argv]


def _run(*argv: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(_argv(*argv), check=False, capture_output=True, input=stdin, timeout=60)


@pytest.fixture
def waiting(
    docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """A launcher whose child logs the signals that reach it."""
    for name, value in docker.environment.items():
        monkeypatch.setenv(name, value)
    docker.will("run", wait=True)
    with subprocess.Popen(_argv(str(docker.program), "run")) as launcher:
        wait_until(lambda: docker.log("ready"), "the child does not start")
        yield launcher
        docker.finish()


@pytest.mark.parametrize("code", [0, 1, 3, 64, 66, 125, 126, 127, 130, 143, 255])
def test_the_exit_code_is_the_childs(code: int) -> None:
    assert _run("sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV", "SIGPIPE", "SIGHUP"])
def test_a_child_that_was_killed_gives_128_and_the_number(name: str) -> None:
    number = signal.Signals[name].value

    assert _run("sh", "-c", f"kill -{number} $$; exit 7").returncode == 128 + number


def test_a_missing_program_is_a_clear_error() -> None:
    done = _run("no-such-program-anywhere")

    assert done.returncode == 69
    assert b"no docker client" in done.stderr
    assert b"hint: " in done.stderr


def test_a_program_that_cannot_be_run_is_the_clients_fault_not_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "docker").touch(mode=0o644)

    assert _run(str(tmp_path / "docker")).returncode == 69


@pytest.mark.parametrize("name", [*_ENDING, "SIGUSR1", "SIGUSR2"])
def test_a_signal_to_the_launcher_alone_is_passed_on_once(
    waiting: subprocess.Popen[bytes], docker: FakeDocker, name: str
) -> None:
    marker = "SIGUSR2" if name == "SIGUSR1" else "SIGUSR1"

    waiting.send_signal(signal.Signals[name])
    wait_until(docker.signals, f"{name} does not reach the child")
    # Whatever the launcher would send again, it would send before this.
    waiting.send_signal(signal.Signals[marker])
    wait_until(lambda: marker in docker.signals(), f"{marker} does not reach the child")

    assert docker.signals() == [name, marker]


def test_signals_are_passed_on_in_any_number(
    waiting: subprocess.Popen[bytes], docker: FakeDocker
) -> None:
    for count in range(1, 6):
        waiting.send_signal(signal.SIGTERM)
        wait_until(lambda n=count: len(docker.signals()) == n, "a signal got lost")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "code"), [("SIGINT", 130), ("SIGTERM", 0), ("SIGHUP", 0), ("SIGUSR1", 0)]
)
def test_interrupted_is_never_a_success(
    waiting: subprocess.Popen[bytes], docker: FakeDocker, name: str, code: int
) -> None:
    waiting.send_signal(signal.Signals[name])
    wait_until(docker.signals, f"{name} does not reach the child")
    docker.finish()

    assert waiting.wait(60) == code


def test_interrupted_with_a_code_of_its_own_keeps_it(
    docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in docker.environment.items():
        monkeypatch.setenv(name, value)
    docker.will("run", wait=True, code=3)
    with subprocess.Popen(_argv(str(docker.program), "run")) as launcher:
        wait_until(lambda: docker.log("ready"), "the child does not start")
        launcher.send_signal(signal.SIGINT)
        wait_until(docker.signals, "SIGINT does not reach the child")
        docker.finish()

        assert launcher.wait(60) == 3


@pytest.mark.usefixtures("waiting")
def test_the_child_blocks_no_signal(docker: FakeDocker) -> None:
    assert docker.log("ready")[0]["blocked"] == []


def test_the_child_shares_the_process_group() -> None:
    code = "import os, json; print(json.dumps([os.getpgrp(), os.getsid(0)]))"

    done = _run(sys.executable, "-c", code)

    assert json.loads(done.stdout) == [os.getpgrp(), os.getsid(0)]


def test_a_childs_stop_is_not_its_end(waiting: subprocess.Popen[bytes], docker: FakeDocker) -> None:
    child = docker.log("ready")[0]["pid"]
    os.kill(child, signal.SIGSTOP)
    os.kill(child, signal.SIGCONT)
    waiting.send_signal(signal.SIGUSR1)
    wait_until(docker.signals, "SIGUSR1 does not reach the child")

    assert waiting.poll() is None


@pytest.mark.parametrize("size", [0, 1, 1_000_003])
def test_bytes_in_and_out_are_untouched(size: int) -> None:
    data = random.Random(size).randbytes(size)  # noqa: S311 (any bytes)

    done = _run("cat", stdin=data)

    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")


def test_what_the_child_complains_about_goes_to_stderr() -> None:
    done = _run("sh", "-c", r"printf '\377out'; printf '\376err' >&2")

    assert (done.stdout, done.stderr) == (b"\xffout", b"\xfeerr")


class _Terminal:
    """A launcher that leads a session on a terminal of its own, as below `xterm -e`."""

    def __init__(self, argv: list[str]) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execv(argv[0], argv)  # noqa: S606 (in the child, there is nothing else to do)

    def ends_with(self) -> int:
        wait_until(self._ended, "the launcher does not end")
        return os.waitstatus_to_exitcode(self._status)

    def _ended(self) -> bool:
        ended, self._status = os.waitpid(self.pid, os.WNOHANG)
        return bool(ended)


@pytest.fixture
def terminal(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Terminal]:
    """One whose child logs signals."""
    for name, value in docker.environment.items():
        monkeypatch.setenv(name, value)
    docker.will("run", wait=True)
    started = _Terminal(_argv(str(docker.program), "run"))
    wait_until(lambda: docker.log("ready"), "the child does not start")
    yield started
    docker.finish()


@pytest.mark.parametrize(("key", "name"), [(b"\x03", "SIGINT"), (b"\x1c", "SIGQUIT")])
def test_a_terminals_key_reaches_the_child_once(
    terminal: _Terminal, docker: FakeDocker, key: bytes, name: str
) -> None:
    os.write(terminal.master, key)
    wait_until(docker.signals, f"{name} does not reach the child")
    os.kill(terminal.pid, signal.SIGUSR1)
    wait_until(lambda: "SIGUSR1" in docker.signals(), "SIGUSR1 does not reach the child")
    docker.finish()

    assert terminal.ends_with() == (130 if name == "SIGINT" else 0)
    assert docker.signals() == [name, "SIGUSR1"]
    os.close(terminal.master)


def test_a_terminal_that_is_closed_hangs_up_on_the_child(
    terminal: _Terminal, docker: FakeDocker
) -> None:
    # The kernel tells the leader of the session only: that is the launcher.
    os.close(terminal.master)
    wait_until(docker.signals, "SIGHUP does not reach the child")
    os.kill(terminal.pid, signal.SIGUSR1)
    wait_until(lambda: "SIGUSR1" in docker.signals(), "SIGUSR1 does not reach the child")
    docker.finish()
    terminal.ends_with()

    assert docker.signals() == ["SIGHUP", "SIGUSR1"]


def test_the_child_has_the_terminal() -> None:
    code = """
import os, sys
sys.exit(3 if all(map(os.isatty, range(3))) and os.tcgetpgrp(0) == os.getpgrp() else 4)
"""

    started = _Terminal(_argv(sys.executable, "-c", code))

    assert started.ends_with() == 3
    os.close(started.master)
