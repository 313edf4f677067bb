"""What ends the launches of a process that was killed: a process of its own, while there are any.

It costs little: a script waits (`watchdog`), and this is loaded once there is something to do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.launch import owner, records, watchdog
from pinnace.launch.owner import Launcher
from pinnace_core.engine import named
from pinnace_core.errors import PinnaceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pinnace.launch.records import Record

_GRACE_SECONDS: Final = 2
_PAUSE_SECONDS: Final = 0.2
# Whoever was killed may have had a container made, that is not there yet.
_FRESH_SECONDS: Final = 20.0
_PATIENCE_SECONDS: Final = 60.0
_DISMISSED: Final = b"."
# Where launches and engines are looked for.
_DECIDING: Final = ("HOME", "PATH", "XDG_", "DOCKER_", "CONTAINER")


class _Guardian:
    """One of this process's, and how many launches it is there for."""

    def __init__(self) -> None:
        self.launches = 0
        # -P: the working directory is a project; nothing may be imported from there.
        act = [sys.executable, "-P", "-m", __name__, *_owner()]
        argv = [sys.executable, "-I", "-S", str(Path(watchdog.__file__)), str(os.getpid()), *act]
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd=os.sep,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """End it, and wait for that."""
        assert self._process.stdin is not None  # noqa: S101 (a pipe)
        with suppress(OSError):
            self._process.stdin.write(_DISMISSED)
        self.let_go()
        self._process.wait()

    def let_go(self) -> None:
        """Close the pipe to it."""
        assert self._process.stdin is not None  # noqa: S101 (a pipe)
        self._process.stdin.close()


_guardians: dict[tuple[tuple[str, str], ...], _Guardian] = {}
_lock = threading.Lock()


@contextmanager
def present() -> Iterator[None]:
    """Have a guardian while a launch runs; all that run at once, and look alike, share it."""
    found = tuple(sorted(_deciding(os.environ)))
    with _lock:
        if found not in _guardians:
            _guardians[found] = _Guardian()
        guardian = _guardians[found]
        guardian.launches += 1
    try:
        yield
    finally:
        with _lock:
            guardian.launches -= 1
            if not guardian.launches:
                del _guardians[found]
        if not guardian.launches:
            guardian.dismiss()


def _deciding(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return (pair for pair in environment.items() if pair[0].startswith(_DECIDING))


def _owner() -> list[str]:
    launcher = owner.current()
    return [str(launcher.pid), launcher.started]


def _let_go() -> None:
    """In a copy of this process: it has no launches."""
    global _lock  # noqa: PLW0603 (another thread of the parent's may hold it, for ever)
    _lock = threading.Lock()
    for guardian in _guardians.values():
        guardian.let_go()
    _guardians.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def main(said: Sequence[str]) -> int:
    """End the launches of a process that is gone, without a word: nobody listens."""
    launcher = owner.current()._replace(pid=int(said[0]), started=said[1])
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (left := _left(launcher)) and time.monotonic() < deadline:
        for program in {record.program for record in left}:
            with suppress(PinnaceError):
                _stop(program, {r.name: r for r in left if r.program == program})
        with suppress(PinnaceError):
            records.reap([record.name for record in left], patience=_FRESH_SECONDS)
        time.sleep(_PAUSE_SECONDS)
    with suppress(PinnaceError):
        records.close_audit()
    return 0


def _left(launcher: Launcher) -> list[Record]:
    """Return the launches of a process."""
    return [r for r in records.recorded() if Launcher.from_labels(r.labels) == launcher]


def _stop(program: str, left: Mapping[str, Record]) -> None:
    """Let what runs end by itself, all at once; a record alone says nothing: see `records.reap`."""
    engine = named(program)
    found = [(left[c.name], c) for c in engine.containers() if c.name in left and c.is_running]
    ours = [c.id for record, c in found if record.is_of(c.labels)]
    if ours:
        engine.stop(ours, grace=_GRACE_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
