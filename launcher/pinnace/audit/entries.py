"""Read the entries, from the oldest that is kept to the newest; what is damaged is passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace.audit import paths, rotate
from pinnace.audit.entry import MOST_BYTES, parsed
from pinnace_core.errors import CannotReadError
from pinnace_core.files import open_untrusted
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinnace.audit.entry import Entry, Position

_READ: Final = 2 * MOST_BYTES


class Line(NamedTuple):
    """A line of a file.

    Attributes:
        path: of the file.
        row: counted from 1.
        entry: that it is; None: none.
    """

    path: Path
    row: int
    entry: Entry | None

    def __str__(self) -> str:
        """Return where it stands."""
        return f"{self.path.name}, line {self.row}"


def lines() -> Iterator[Line]:
    """Yield all lines, in the order of the files.

    Raises:
        CannotReadError: a file cannot be read.
    """
    for path in (*rotate.full(), paths.log_path()):
        try:
            with open_untrusted(path) as stream:
                row = 0
                while raw := stream.readline(_READ):
                    row += 1
                    whole = raw.endswith(b"\n")
                    # Half a line at the end was promised to nobody.
                    if whole or len(raw) == _READ:
                        yield Line(path, row, parsed(raw[:-1]) if whole else None)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise CannotReadError(
                f"'{path}' of the audit record cannot be read: {error.strerror}",
                hint="see whose it is, and what it is",
            ) from error


def read() -> Iterator[Entry]:
    """Yield the entries that are what they say.

    Raises:
        CannotReadError: a file cannot be read.
    """
    for line in lines():
        if line.entry is not None and line.entry.genuine:
            yield line.entry


def holds(place: Position) -> bool:
    """Return whether an entry stands at its place, from where on it is looked for backwards.

    Raises:
        CannotReadError: a file cannot be read.
    """
    return any(entry.position == place for entry in read())
