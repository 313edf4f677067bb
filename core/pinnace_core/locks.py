"""Locks between processes."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pinnace_core import console, host, signals
from pinnace_core.errors import BusyError
from pinnace_core.files import cannot_write, give, make_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from filelock import BaseFileLock

_SHORT_SECONDS: Final = 0.5
_LONG_SECONDS: Final = 1800


def file_lock(path: Path, *, timeout: float = -1) -> BaseFileLock:
    """Return a lock, not taken yet, on a file that is made if it is not there.

    Args:
        path: of the file; its directory is made.
        timeout: in seconds; negative: none. After it, taking the lock raises `filelock.Timeout`.

    Raises:
        CannotWriteError: it cannot be made.
    """
    # A launch finds this module, and takes no lock.
    from filelock import FileLock

    make_directory(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        give(descriptor, path.parent)
        os.close(descriptor)
    except FileExistsError:
        pass
    except OSError as error:
        raise cannot_write(path, error) from error
    return FileLock(path, timeout=timeout)


def locked(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file until it is closed by all who have it; return whether it is free for that.

    Args:
        descriptor: of the file.
        shared: others may lock it so, too.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        if shared:
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Be alone among processes in what has this name, after a wait, which is said if it is long.

    Signals end it tidily, see `signals.unwinding`.

    Raises:
        BusyError: another process holds it for half an hour.
    """
    from filelock import Timeout

    lock = file_lock(host.directory("cache") / f"{name}.lock")
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
