"""Children of a process that a signal ends, whenever it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pinnace_core import signals
from tests.support.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAM = textwrap.dedent(
    """
    import os, signal, subprocess, sys
    from pinnace_core import signals

    real = subprocess.Popen.__init__

    def slow(self, *arguments, **options):
        real(self, *arguments, **options)
        # As if the signal came before the caller knew of its child.
        print(self.pid, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

    subprocess.Popen.__init__ = slow
    with signals.unwinding(), signals.child(["sleep", "600"]) as child:
        child.wait()
    """
)


def test_a_child_that_is_just_being_started_is_ended_too(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, program], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert _ends(int(done.stdout))


def test_a_program_that_is_not_there_leaves_the_signals_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with signals.unwinding():
        during = signal.getsignal(signal.SIGTERM)
        with pytest.raises(FileNotFoundError), signals.child(["/nowhere/program"]):
            pass
        assert signal.getsignal(signal.SIGTERM) is during
    assert signal.getsignal(signal.SIGTERM) is before


def _ends(pid: int) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    return False


def test_a_child_of_another_thread_is_none_of_the_signals_business() -> None:
    with ThreadPoolExecutor() as pool, signals.unwinding():
        assert pool.submit(_answer).result() == "yes\n"


def _answer() -> str:
    with signals.child(["echo", "yes"], stdout=subprocess.PIPE, text=True) as child:
        return child.communicate()[0]
