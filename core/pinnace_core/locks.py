"""Locks between processes: one build at a time, one writer of a file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pinnace_core import console, host, signals
from pinnace_core.errors import BusyError
from pinnace_core.files import make_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filelock import BaseFileLock

_SHORT_SECONDS: Final = 0.5
_LONG_SECONDS: Final = 1800


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Be alone among processes in what has this name, after a wait, which is said if it is long.

    Signals end it tidily, see `signals.unwinding`.

    Raises:
        BusyError: another process holds it for half an hour.
    """
    # A launch finds this module, and takes no lock.
    from filelock import FileLock, Timeout

    lock = FileLock(make_directory(host.directory("cache")) / f"{name}.lock")
    with signals.unwinding():
        try:
            lock.acquire(timeout=_SHORT_SECONDS)
        except Timeout:
            console.say("another process is at work on this: waiting for it")
            _wait(lock)
        try:
            yield
        finally:
            lock.release()


def _wait(lock: BaseFileLock) -> None:
    from filelock import Timeout

    try:
        lock.acquire(timeout=_LONG_SECONDS)
    except Timeout as error:
        raise BusyError(
            "another process has been at work on this for too long",
            hint="see what it does, then run this again",
        ) from error
