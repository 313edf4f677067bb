"""Secrets as files: there while the client runs, gone afterwards, whatever the end was."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace.plan.contributors import secrets
from pinnace.plan.variables import Variable
from pinnace_core.errors import CannotWriteError
from tests.support import contributions, hosts
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.process.conftest import Machine

_CANARY = "canary-22ee"


def _start(machine: Machine, tmp_path: Path, *options: str) -> subprocess.Popen[bytes]:
    """Launch with a file of secrets, and a runtime directory as a login has one."""
    (tmp_path / "runtime").mkdir(exist_ok=True)
    (tmp_path / "env").write_text(f"MY_TOKEN={_CANARY}\n")
    machine.environment["XDG_RUNTIME_DIR"] = str(tmp_path / "runtime")
    return subprocess.Popen(
        [sys.executable, "-m", "pinnace", "run", f"--secrets={tmp_path / 'env'}", *options],
        cwd=machine.project,
        env=machine.environment,
        stdout=subprocess.DEVNULL,
    )


def _files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "runtime").rglob("*") if path.is_file()]


def _mounted(machine: Machine) -> Path:
    (argv,) = machine.docker.calls("run")
    (mount,) = (a for a in argv if a.endswith("target=/run/pinnace/secrets,readonly"))
    return Path(mount.partition("source=")[2].partition(",")[0])


def test_the_files_are_there_as_long_as_the_client_runs(machine: Machine, tmp_path: Path) -> None:
    machine.docker.will("run", wait=True, code=3)
    with _start(machine, tmp_path) as launcher:
        wait_until(lambda: machine.docker.log("ready"), "the child does not start")
        place = _mounted(machine)
        assert {p.name: p.read_text() for p in place.iterdir()} == {"MY_TOKEN": _CANARY}
        modes = [stat.S_IMODE(p.stat().st_mode) for p in (place, place / "MY_TOKEN", place.parent)]
        assert modes == [0o700, 0o600, 0o700]
        machine.docker.finish()
    (call,) = (record for record in machine.docker.log("call") if record["command"] == "run")

    assert launcher.returncode == 3
    assert _files(tmp_path) == []
    assert not place.parent.exists()
    assert _CANARY not in repr(call["argv"])
    assert "MY_TOKEN" not in call["environment"]


def test_what_is_given_a_value_is_in_a_file_as_long_as_the_client_runs(
    machine: Machine, tmp_path: Path
) -> None:
    machine.docker.will("run", wait=True)
    with _start(machine, tmp_path, "--env=PATH=/a", f"--env=MY_TEXT={_CANARY} '") as launcher:
        wait_until(lambda: machine.docker.log("ready"), "the child does not start")
        (argv,) = machine.docker.calls("run")
        (place,) = (Path(a.partition("=")[2]) for a in argv if a.startswith("--env-file="))
        assert place.read_text() == f"PATH=/a\nMY_TEXT={_CANARY} '\n"
        modes = [stat.S_IMODE(p.stat().st_mode) for p in (place, place.parent)]
        assert modes == [0o600, 0o700]
        machine.docker.finish()
    (call,) = (record for record in machine.docker.log("call") if record["command"] == "run")

    assert launcher.returncode == 0
    assert _files(tmp_path) == []
    assert _CANARY not in repr(call["argv"])
    # It is not the client's: that would look for its own programs there.
    assert call["environment"]["PATH"] == machine.environment["PATH"]
    assert "MY_TEXT" not in call["environment"]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"])
def test_a_signal_removes_them(machine: Machine, tmp_path: Path, name: str) -> None:
    machine.docker.will("run", wait=True, code=143)
    with _start(machine, tmp_path) as launcher:
        wait_until(lambda: machine.docker.log("ready"), "the child does not start")
        launcher.send_signal(signal.Signals[name])
        wait_until(machine.docker.signals, "the signal does not reach the child")
        machine.docker.finish()

    assert _files(tmp_path) == []


def test_the_next_launch_removes_what_a_killed_one_left(machine: Machine, tmp_path: Path) -> None:
    machine.docker.will("run", wait=True)
    with _start(machine, tmp_path) as launcher:
        wait_until(lambda: machine.docker.log("ready"), "the child does not start")
        launcher.kill()
    machine.docker.finish()
    assert _files(tmp_path) != []
    machine.docker.will("run")
    machine.pinnace("run")  # without secrets of its own

    assert _files(tmp_path) == []


def test_a_launch_that_still_runs_keeps_its_own(machine: Machine, tmp_path: Path) -> None:
    machine.docker.will("run", wait=True)
    with _start(machine, tmp_path):
        wait_until(lambda: machine.docker.log("ready"), "the child does not start")
        place = _mounted(machine)
        machine.docker.will("run")
        machine.pinnace("run")
        assert (place / "MY_TOKEN").exists()
        machine.docker.finish()

    assert _files(tmp_path) == []


def test_a_client_that_is_missing_leaves_nothing(machine: Machine, tmp_path: Path) -> None:
    machine.pinnace("run")
    machine.docker.program.unlink()
    machine.environment["PATH"] = str(machine.docker.bin)
    with _start(machine, tmp_path) as launcher:
        pass

    assert (launcher.returncode, _files(tmp_path)) == (69, [])


@pytest.mark.parametrize(("mode", "told"), [(0o644, True), (0o640, True), (0o600, False)])
def test_a_file_that_others_can_read_is_told(
    machine: Machine, tmp_path: Path, mode: int, *, told: bool
) -> None:
    path = tmp_path / "env"
    path.write_text(f"MY_TOKEN={_CANARY}\n")
    path.chmod(mode)

    done = machine.pinnace("run", f"--secrets={path}")

    assert done.returncode == 0
    assert (f"others can read '{path}': chmod 600 it" in done.stderr.decode()) is told
    assert _CANARY not in done.stderr.decode()


def test_a_pipe_is_nobody_elses(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o644)
    with subprocess.Popen(["/bin/sh", "-c", f"echo A=1 >'{pipe}'"]):
        found = secrets.contribute(hosts.inputs(secrets=str(pipe)))

    assert (found.variables, found.notes) == ((Variable("A", "secret", "1"),), ())


def test_a_bad_file_starts_nothing(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text(f"A='{_CANARY}")
    done = subprocess.run(
        [sys.executable, "-m", "pinnace", "run", f"--secrets={tmp_path / 'bad'}"],
        check=False,
        capture_output=True,
        cwd=machine.project,
        env=machine.environment,
    )

    assert done.returncode == 65
    assert b"line 1" in done.stderr
    assert _CANARY.encode() not in done.stderr
    assert machine.docker.calls("run") == []


def test_a_place_that_cannot_be_written_to_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "place").touch()
    found = secrets.handed_in({"A": "1"}, tmp_path / "place", owner=None, nonce="n")

    with pytest.raises(CannotWriteError), contributions.held(found):
        pass


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_roots_files_belong_to_whom_claude_runs_as(tmp_path: Path) -> None:
    found = secrets.handed_in({"A": "1"}, tmp_path, owner=(54321, 65000), nonce="n")

    with contributions.held(found):
        owners = {path.stat().st_uid for path in (tmp_path / "n", tmp_path / "n" / "A")}
    assert owners == {54321}


@pytest.mark.parametrize(
    "value", ["", "x", " a b ", "line\n", "a\n\n", "'\"$HOME`id`\\n*", "ü", "-n", "=", "x" * 50_000]
)
def test_the_shell_inside_gives_exactly_the_value(tmp_path: Path, value: str) -> None:
    found = secrets.handed_in({"NAME": value, "B_2": "y"}, tmp_path, owner=None, nonce="n")
    show = "import os; print(ascii([os.environ['NAME'], os.environ['B_2'], len(os.environ)]))"
    wrapper = [w.replace(secrets.INSIDE, str(tmp_path / "n")) for w in found.wrapper]
    with contributions.held(found):
        done = subprocess.run(
            [*wrapper, sys.executable, "-c", show],
            check=True,
            capture_output=True,
            text=True,
            env={"LC_ALL": "C.UTF-8", "PATH": "/bin"},
        )

    shown = done.stdout.strip()
    assert shown.startswith(ascii([value, "y"])[:-1])
    # And nothing of the wrapper's own: bash itself adds PWD, SHLVL and _.
    assert int(shown.rpartition(" ")[2].rstrip("]")) <= 7
