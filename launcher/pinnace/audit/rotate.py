"""Full files: put aside, and gone after their time; the chain says which."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pinnace.audit import paths
from pinnace.audit.entry import BEFORE, MOST_BYTES, Position, parsed
from pinnace_core.files import cannot_write
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


_FULL: Final = re.compile(r"log-([0-9]{12,})\.jsonl")
_DAY_SECONDS: Final = 86_400


class Limits(NamedTuple):
    """When a file is full, and for how long full ones are kept.

    Attributes:
        size: in bytes.
        days: after its last entry.
    """

    size: int
    days: int


def full() -> list[Path]:
    """Return the full files, the oldest first."""
    try:
        names = os.listdir(paths.directory())  # noqa: PTH208 (names are what is wanted)
    except OSError:
        return []
    found = sorted((int(match[1]), match[0]) for name in names if (match := _FULL.fullmatch(name)))
    return [paths.directory() / name for _, name in found]


def last_of_full() -> Position:
    """Return the place of the last entry in the full files."""
    for path in full()[-1:]:
        entry = _last(path)
        return entry if entry is not None else Position(-1, BEFORE.digest)
    return BEFORE


def _last(path: Path) -> Position | None:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - 2 * MOST_BYTES))
            lines = stream.read(2 * MOST_BYTES).splitlines()
    except OSError:
        return None
    entry = parsed(lines[-1]) if lines else None
    return entry.position if entry is not None and entry.genuine else None


def fresh(last: Position) -> Path:
    """Put the full file aside; return the path of the new one; only under the lock.

    Raises:
        CannotWriteError: it cannot be renamed.
    """
    path = paths.log_path()
    try:
        path.rename(paths.full_path(last.number))
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


class Expired(NamedTuple):
    """Files whose time is over.

    Attributes:
        paths: of them, the oldest first.
        through: the last entry in them.
    """

    paths: list[Path]
    through: Position

    @property
    def said(self) -> dict[str, Any]:
        """What the chain says of their removal."""
        files = [path.name for path in self.paths]
        return {"through": self.through._asdict(), "files": files}


def expired(limits: Limits) -> Expired | None:
    """Return the files whose time is over; None: there are none."""
    old = _old(limits)
    through = _last(old[-1]) if old else None
    return None if through is None else Expired(old, through)


def remove(old: Expired) -> None:
    """Remove files, once an entry says so."""
    for path in old.paths:
        with suppress(OSError):
            path.unlink()


def _old(limits: Limits) -> list[Path]:
    """Return the oldest files, as far as their time is over: of the chain, no link is taken out."""
    limit = time.time() - limits.days * _DAY_SECONDS
    found: list[Path] = []
    for path in full():
        try:
            if path.stat().st_mtime >= limit:
                return found
        except OSError:
            return found
        found.append(path)
    return found
