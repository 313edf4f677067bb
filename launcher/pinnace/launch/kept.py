"""What a detached launch prints, in files that do not grow without end."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pinnace.launch import jobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinnace.launch.jobs import Job

_CHUNK: Final = 1 << 16
_PAUSE_SECONDS: Final = 0.1
_BEFORE: Final = ".1"
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Kept:
    """A file that is written to; a full one becomes the earlier part, and a new one begins."""

    def __init__(self, path: Path, most: int = jobs.MOST_OUTPUT) -> None:
        """Begin it.

        Args:
            path: of the file; the earlier part has `.1` behind its name.
            most: bytes of each of the two.
        """
        self._path, self._most, self._size = path, most, 0
        self._descriptor = os.open(path, _FLAGS, 0o600)

    def write(self, data: bytes) -> None:
        """Add to it; a full disk ends nothing."""
        if self._size >= self._most:
            self._begin_anew()
        self._size += len(data)
        with suppress(OSError):
            while data:
                data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        """Leave it."""
        os.close(self._descriptor)

    def _begin_anew(self) -> None:
        os.close(self._descriptor)
        with suppress(OSError):
            self._path.replace(f"{self._path}{_BEFORE}")
        self._descriptor = os.open(self._path, _FLAGS, 0o600)
        self._size = 0


def read(job: Job, stream: str) -> Iterator[bytes]:
    """Yield what was printed so far, in pieces.

    Args:
        job: by whom.
        stream: `output` or `errors`.
    """
    path = job.place / stream
    for one in (path.with_name(f"{stream}{_BEFORE}"), path):
        with suppress(OSError), one.open("rb") as source:
            while data := source.read(_CHUNK):
                yield data


def follow(job: Job, stream: str) -> Iterator[bytes]:
    """Yield what is printed, from the beginning to the end, as it comes; nothing: there is no more.

    A file that is full is read to its end before the next one is begun.
    """
    path = job.place / stream
    with suppress(OSError), path.with_name(f"{stream}{_BEFORE}").open("rb") as source:
        while data := source.read(_CHUNK):
            yield data
    is_over = False
    while not is_over:
        # Asked before it is read: what comes until then is in the file.
        is_over = jobs.state_of(job) != "running"
        with suppress(OSError), path.open("rb", buffering=0) as source:
            while True:
                while data := source.read(_CHUNK):
                    yield data
                if is_over or _is_replaced(path, source.fileno()):
                    break
                yield b""
                time.sleep(_PAUSE_SECONDS)
                is_over = jobs.state_of(job) != "running"


def _is_replaced(path: Path, source: int) -> bool:
    try:
        return path.stat().st_ino != os.fstat(source).st_ino
    except OSError:
        return True
