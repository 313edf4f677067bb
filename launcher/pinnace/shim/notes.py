"""What a launch says, where nobody may hear a word before Claude's own: in a file.

Clients read the streams of the `claude` that they start. `pinnace shim status` shows the last ones.
"""

from __future__ import annotations

import io
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pinnace_core import host
from pinnace_core.errors import CannotWriteError
from pinnace_core.files import open_own

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_BYTES: Final = 1 << 18
_PREFIX: Final = "pinnace: "


def path() -> Path:
    """Return the file's path; one that is full has another name, ending in `.1`."""
    return host.directory("state") / "shim" / "notes.log"


@contextmanager
def withheld(directory: str, *first: str) -> Iterator[None]:
    """Keep what is said on stderr by this process; what it starts has its own stderr.

    Args:
        directory: where the launch is.
        first: what there is to say already; empty: nothing.
    """
    kept, before = _Notes(directory), sys.stderr
    for text in filter(None, first):
        kept.write(f"{text}\n")
    sys.stderr = kept
    try:
        yield
    finally:
        sys.stderr = before


def last(count: int) -> list[str]:
    """Return the last lines of the file."""
    try:
        with path().open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_MOST_BYTES * 2).splitlines()[-count:]
    except OSError:
        return []


class _Notes(io.TextIOBase):
    """A stream whose lines go to the file, each with its time, process and directory."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def write(self, text: str) -> int:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        lines = (line.removeprefix(_PREFIX) for line in text.splitlines() if line.strip())
        written = "".join(f"{moment} {os.getpid()} {self._directory}: {line}\n" for line in lines)
        if written:
            _append(written.encode(errors="backslashreplace"))
        return len(text)


def _append(data: bytes) -> None:
    """Write to the end of the file; no launch fails for it."""
    try:
        with open_own(path(), append=True) as stream:
            stream.write(data)
            full = stream.tell() > _MOST_BYTES
        if full:
            path().replace(path().with_suffix(".log.1"))
    except (CannotWriteError, OSError):
        return
