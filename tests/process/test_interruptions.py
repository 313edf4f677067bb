"""Signals at inconvenient moments: while a command loads, and while it tidies up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_core.signals import unwinding
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

_INTERRUPTED: Final = 130
_MOMENTS: Final = 12
_IMPORTED: Final = re.compile(r"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)
# As the installed script does it. Ctrl-C comes when a certain module is about to be imported.
_COMMAND: Final = """
import os, signal, sys

def note(event, arguments):
    if event == "import" and arguments[0] == moment:
        os.kill(os.getpid(), signal.SIGINT)

moment = sys.argv.pop(1)
sys.addaudithook(note)
if sys.argv[1] == "pinnace":
    from pinnace.__main__ import main
else:
    from pinnace_builder.__main__ import main
sys.argv.pop(0)
main()
"""


def _run(moment: str, *arguments: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run a command that somebody interrupts; return its exit code, and what it says on stderr."""
    argv = [sys.executable, *options, "-c", _COMMAND, moment, *arguments]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("pinnace-build", "--version"), ("pinnace", "--version"), ("pinnace", "run", "--help")],
    ids=" ".join,
)
def test_a_command_that_is_interrupted_while_it_loads_ends_quietly(
    arguments: tuple[str, ...],
) -> None:
    code, said = _run("nothing", *arguments, options=("-X", "importtime"))
    assert code == 0
    modules = _IMPORTED.findall(said)
    # Before that, there is only the interpreter, and it has its own way to end.
    entry = "pinnace.__main__" if arguments[0] == "pinnace" else "pinnace_builder.__main__"
    modules = modules[modules.index(entry) + 1 :]
    assert len(modules) > _MOMENTS

    ends = {name: _run(name, *arguments) for name in modules[:: len(modules) // _MOMENTS]}

    interrupted = {name: end for name, end in ends.items() if end != (0, "")}
    # C code imports, too, and nobody is told.
    assert len(interrupted) > len(ends) // 2
    assert {code for code, _ in interrupted.values()} == {_INTERRUPTED}
    # A command line that has begun ends the line with ^C in it.
    assert {said.strip() for _, said in interrupted.values()} == {""}


_TIDIES: Final = """
import subprocess, sys, time
from pathlib import Path
from pinnace_core.locks import exclusive
from pinnace_core.signals import unwinding
from pinnace_core.console import run_main

place = Path(sys.argv[1])

def tidy():
    (place / "tidies").touch()
    # A program that tidies up gets the terminal's Ctrl-C, too.
    subprocess.run(["sh", "-c", f"while [ ! -e '{place}/go' ]; do sleep 0.05; done"], check=True)
    (place / "tidied").touch()

def work():
    with exclusive("x"):
        try:
            (place / "works").touch()
            time.sleep(60)
        finally:
            tidy()

with unwinding():
    sys.exit(run_main("x", work))
"""
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _start(tmp_path: Path, *before: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*before, sys.executable, "-c", _TIDIES, str(tmp_path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("first", _ENDING)
def test_whatever_comes_while_it_tidies_up_is_ignored(tmp_path: Path, first: int) -> None:
    with _start(tmp_path) as process:
        wait_until((tmp_path / "works").exists, "work")
        os.killpg(process.pid, first)
        wait_until((tmp_path / "tidies").exists, "that it tidies up")
        for number in (*_ENDING, *_ENDING):
            os.killpg(process.pid, number)
        (tmp_path / "go").touch()
        _, said = process.communicate(timeout=60)

    assert (tmp_path / "tidied").exists()
    assert process.returncode == 128 + first
    assert said == ""


def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    with _start(tmp_path, "nohup") as process:
        wait_until((tmp_path / "works").exists, "work")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        wait_until((tmp_path / "tidies").exists, "that it tidies up")
        (tmp_path / "go").touch()
        process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGTERM


def test_a_program_that_goes_on_afterwards_is_interrupted_again() -> None:
    handlers = [signal.getsignal(number) for number in _ENDING]

    with pytest.raises(KeyboardInterrupt), unwinding():
        signal.raise_signal(signal.SIGINT)

    assert [signal.getsignal(number) for number in _ENDING] == handlers
    with pytest.raises(SystemExit), unwinding():
        signal.raise_signal(signal.SIGTERM)
