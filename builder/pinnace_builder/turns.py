"""One build at a time, ended tidily whatever ends it."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from pinnace_builder import progress
from pinnace_images import places
from pinnace_images.errors import BusyError
from pinnace_images.files import make_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_SECONDS: Final = 1800
_KILLED_BY: Final = 128


@contextmanager
def turn(name: str) -> Iterator[None]:
    """Wait for our turn among processes, saying so if it takes a while.

    Raises:
        BusyError: it takes too long.
    """
    lock = FileLock(make_directory(places.directory("cache")) / f"{name}.lock")
    with signals_unwind():
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            progress.say("another process is at work on this: waiting for it")
            _wait(lock)
        try:
            yield
        finally:
            lock.release()


def _wait(lock: FileLock) -> None:
    try:
        lock.acquire(timeout=_PATIENCE_SECONDS)
    except Timeout as error:
        raise BusyError(
            "another process has been at work on this for too long",
            hint="see what it does, then run this again",
        ) from error


@contextmanager
def signals_unwind() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end children and remove temporary files, as Ctrl-C does."""

    def unwind(number: int, _frame: object) -> None:
        raise SystemExit(_KILLED_BY + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Windows has no SIGHUP.
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [(number, signal.signal(number, unwind)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
