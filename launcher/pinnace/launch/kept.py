"""What a detached launch prints, in files that do not grow without end."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from pinnace.launch import jobs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from io import FileIO
    from pathlib import Path

    from pinnace.launch.jobs import Job

_CHUNK: Final = 1 << 16
_PAUSE_SECONDS: Final = 0.1
_BEFORE: Final = ".1"
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Kept:
    """A file that is written to; a full one becomes the earlier part, and a new one begins.

    Each part begins with a whole line, so that events can be read without those before.
    """

    def __init__(self, path: Path, most: int = jobs.MOST_OUTPUT) -> None:
        """Begin it.

        Args:
            path: of the file; the earlier part has `.1` behind its name.
            most: bytes of each of the two; only a line that is not over may make it more.
        """
        self._path, self._most, self._size = path, most, 0
        self._is_between_lines = True
        self._descriptor = os.open(path, _FLAGS, 0o600)

    def write(self, data: bytes) -> None:
        """Add to it; a full disk ends nothing."""
        if self._size and self._size + len(data) > self._most:
            data = self._begin_anew(data)
        self._add(data)

    def close(self) -> None:
        """Leave it."""
        os.close(self._descriptor)

    def _add(self, data: bytes) -> None:
        if not data:
            return
        self._size += len(data)
        self._is_between_lines = data.endswith(b"\n")
        with suppress(OSError):
            while data:
                data = data[os.write(self._descriptor, data) :]

    def _begin_anew(self, data: bytes) -> bytes:
        """Begin a new file, once the line is over; return what belongs there."""
        if not self._is_between_lines:
            line, end, data = data.partition(b"\n")
            self._add(line + end)
            if not end and self._size < 2 * self._most:
                return b""
        with suppress(OSError):
            self._path.replace(f"{self._path}{_BEFORE}")
        # Where none can be made now, the old one goes on, and it is tried again.
        with suppress(OSError):
            made = os.open(self._path, _FLAGS, 0o600)
            os.close(self._descriptor)
            self._descriptor, self._size, self._is_between_lines = made, 0, True
        return data


def read(job: Job, stream: str) -> Iterator[bytes]:
    """Yield what was printed so far, in pieces.

    Args:
        job: by whom.
        stream: `output` or `errors`.
    """
    with _parts(job.place / stream) as parts:
        for one in parts:
            yield from _rest(one)


def follow(job: Job, stream: str) -> Iterator[bytes]:
    """Yield what is printed, from the beginning to the end, as it comes; nothing: there is no more.

    An empty piece means that nothing has come for a moment.
    """
    path = job.place / stream
    is_over = False
    with _parts(path) as parts:
        for one in parts[:-1]:
            yield from _rest(one)
        for one in parts[-1:]:
            is_over = yield from _followed(job, path, one)
    while not is_over:
        try:
            source = path.open("rb", buffering=0)
        except OSError:
            # It is not there yet; or not any more.
            is_over = jobs.state_of(job) != "running"
            yield from _paused()
            continue
        with source:
            is_over = yield from _followed(job, path, source)


@contextmanager
def _parts(path: Path) -> Iterator[list[FileIO]]:
    """Open the parts that there are, the earlier one first."""
    found: list[FileIO] = []
    with ExitStack() as stack:
        # In this order, a file that just becomes the earlier part is found twice, not never.
        for one in (path, path.with_name(f"{path.name}{_BEFORE}")):
            with suppress(OSError):
                found.append(stack.enter_context(one.open("rb", buffering=0)))
        if len(found) > 1 and os.path.sameopenfile(found[0].fileno(), found[1].fileno()):
            del found[1]
        yield found[::-1]


def _followed(job: Job, path: Path, source: FileIO) -> Generator[bytes, None, bool]:
    """Yield what comes to a file until it is replaced, or the launch is over.

    Returns:
        Whether nothing more can come.
    """
    while True:
        # Both are asked before it is read: what had come by then is read.
        is_over = jobs.state_of(job) != "running"
        is_replaced = _is_replaced(path, source.fileno())
        yield from _rest(source)
        if is_over or is_replaced:
            return not is_replaced
        yield from _paused()


def _rest(source: FileIO) -> Iterator[bytes]:
    with suppress(OSError):
        while data := source.read(_CHUNK):
            yield data


def _paused() -> Iterator[bytes]:
    yield b""
    time.sleep(_PAUSE_SECONDS)


def _is_replaced(path: Path, source: int) -> bool:
    try:
        return path.stat().st_ino != os.fstat(source).st_ino
    except OSError:
        return True
