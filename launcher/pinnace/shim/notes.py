"""What a launch says, where nobody may hear a word before Claude's own: in a file.

Clients read the streams of the `claude` that they start. `pinnace shim status` shows the last ones.
What there is to say when Claude has ended, as that it changed what this machine runs, is said on
stderr as well: nobody would look for it.
"""

from __future__ import annotations

import io
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from pinnace_core import console, host
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
def withheld(directory: str, *first: str) -> Iterator[Notes]:
    """Keep what is said on stderr, by this process or a build; Claude has its own stderr.

    Args:
        directory: where the launch is.
        first: what there is to say already; empty: nothing.

    Yields:
        What keeps it.
    """
    before = sys.stderr
    kept = Notes(directory, before)
    for text in filter(None, first):
        kept.write(f"{text}\n")
    sys.stderr = kept
    try:
        # What a build says would be on a stderr of its own.
        with console.collected(kept.line):
            yield kept
    finally:
        sys.stderr = before


def last(count: int) -> list[str]:
    """Return the last lines of the file."""
    try:
        with path().open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_MOST_BYTES * 2).splitlines()[-count:]
    except OSError:
        return []


class Notes(io.TextIOBase):
    """A stream whose lines go to the file, each with its time, process and directory."""

    def __init__(self, directory: str, stderr: TextIO | None) -> None:
        """Begin with the file alone.

        Args:
            directory: where the launch is.
            stderr: this process's own; None: it was closed.
        """
        self._directory = directory
        self._stderr = stderr
        self._also: TextIO | None = None

    def pass_on(self) -> None:
        """Say on stderr, too, what comes from now on."""
        self._also = self._stderr

    def line(self, text: str) -> None:
        """Write a line, which has no end."""
        self.write(f"{text}\n")

    def write(self, text: str) -> int:
        """Write lines; on stderr as they are."""
        if self._also is not None:
            self._also.write(text)
            self._also.flush()
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
