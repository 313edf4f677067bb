"""Temporary files among the user's own: noted before they are made, so that a killed one is found.

What Pinnace writes in directories of its own can be told by its name. In a project it cannot: there
anything may be called anything.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace_core import host
from pinnace_core.files import make_directory, read_own, write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDING: Final = ".tmp"
_MOST_BYTES: Final = 1 << 14


class Left(NamedTuple):
    """What a killed process may have left.

    Attributes:
        note: that tells of it.
        path: of the temporary file; None: it was not made yet.
    """

    note: Path
    path: Path | None


def directory() -> Path:
    """Return the directory of notes."""
    return host.directory("state") / "temporaries"


@contextmanager
def name_in(place: Path) -> Iterator[str]:
    """Return a name for a temporary file, noted as long as there may be one.

    Args:
        place: the directory that it is made in.

    Raises:
        CannotWriteError: there is no place for a note.
        OSError: likewise.
    """
    number = os.urandom(8).hex()
    name = f".pinnace-{number}{_ENDING}"
    note = make_directory(directory(), mode=0o700) / number
    # In one write: who is killed before has made nothing yet.
    note.write_bytes(os.fsencode(place / name))
    try:
        yield name
    finally:
        with suppress(OSError):
            note.unlink()


def write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace a file of the user's, whole or not at all.

    Args:
        path: of it.
        data: all of it.
        mode: of the file, less what the umask takes.

    Raises:
        CannotWriteError: the directory is not writable, or the disk is full.
    """
    with name_in(path.parent.resolve()) as temporary:
        write_atomic(path, data, mode=mode, temporary=temporary)


def left() -> Iterator[Left]:
    """Return what is noted: of writes that were interrupted, or go on."""
    try:
        notes = sorted(directory().iterdir())
    except OSError:
        return
    for note in notes:
        path: Path | None = None
        with suppress(OSError, ValueError):
            path = _plain(Path(os.fsdecode(read_own(note, most=_MOST_BYTES))))
        yield Left(note, path)


def _plain(path: Path) -> Path | None:
    """Return a path that leads where it says, to a temporary file; None if it does not."""
    named = path.is_absolute() and path.name.startswith(".") and path.name.endswith(_ENDING)
    there = named and os.path.lexists(path) and not path.is_dir()
    return path if there and path.parent == path.parent.resolve() else None
