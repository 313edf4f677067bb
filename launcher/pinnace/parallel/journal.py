"""Results as lines of JSON: on standard output, or in a file that tells later what is done."""

from __future__ import annotations

import json
import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pinnace_core import locks
from pinnace_core.errors import BusyError, CannotWriteError
from pinnace_core.files import cannot_write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK: Final = 1 << 20
_MODE: Final = 0o644


class Journal:
    """Where results go."""

    def __init__(self, path: Path | None, descriptor: int, done: frozenset[str]) -> None:
        """Take over an open file; without a path, standard output."""
        self.done = done
        self._path, self._descriptor = path, descriptor

    def write(self, row: dict[str, Any]) -> None:
        """Write a result; once this returns, it is kept.

        Raises:
            CannotWriteError: it cannot be written.
        """
        line = json.dumps(row) + "\n"
        if self._path is None:
            sys.stdout.write(line)
            sys.stdout.flush()
            return
        rest = memoryview(line.encode())
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise cannot_write(self._path, error) from error


@contextmanager
def opened(path: Path | None, *, resume: bool) -> Iterator[Journal]:
    """Open the file of results, for this process alone.

    Args:
        path: of it; None: standard output.
        resume: go on with one that is there.

    Raises:
        BusyError: another process writes to it.
        CannotWriteError: it is there already, or cannot be written.
    """
    if path is None:
        yield Journal(None, -1, frozenset())
        return
    descriptor = _open(path, resume=resume)
    try:
        if not locks.locked(descriptor):
            raise BusyError(f"another process writes to '{path}'", hint="wait for its end")
        yield Journal(path, descriptor, _done(descriptor))
    finally:
        os.close(descriptor)


def _open(path: Path, *, resume: bool) -> int:
    # Where an agent may write, a link could lead anywhere.
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags if resume else flags | os.O_EXCL, _MODE)
    except FileExistsError:
        raise CannotWriteError(
            f"'{path}' is there already",
            hint="go on with what it does not have: --resume; or name another file",
        ) from None
    except OSError as error:
        raise cannot_write(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CannotWriteError(f"'{path}' is no plain file", hint="name another one")
    return descriptor


def _done(descriptor: int) -> frozenset[str]:
    """Read what is done; cut off a line that was not written to its end."""
    done: set[str] = set()
    rest, whole = b"", 0
    os.lseek(descriptor, 0, os.SEEK_SET)
    while data := os.read(descriptor, _CHUNK):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            whole += len(line) + 1
            done |= _id(line)
    if rest:
        os.ftruncate(descriptor, whole)
    return frozenset(done)


def _id(line: bytes) -> set[str]:
    try:
        row = json.loads(line)
        return {row["id"]} if row["ok"] is True and isinstance(row["id"], str) else set()
    except (ValueError, KeyError, TypeError, RecursionError):
        return set()
