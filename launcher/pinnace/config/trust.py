"""Which project files the user approved: by path and content, as they were when approved.

A record that is not exactly what we would write counts as none, and so does one that somebody else
owns or can write to.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from pinnace_core import host
from pinnace_core.errors import UnsafeRequestError
from pinnace_core.files import is_own, make_directory, read_own, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SCHEMA: Final = 1
_MOST_BYTES: Final = 1 << 16


class Approval(NamedTuple):
    """An approved file: its path, and the digest of its content (hexadecimal)."""

    path: str
    sha256: str


def is_approved(path: str, data: bytes) -> bool:
    """Return whether this content was approved for a path."""
    return _read(_place(path)) == Approval(path, _digest(data))


def approve(path: str, data: bytes) -> None:
    """Approve a content; what was approved for the path before no longer is.

    Raises:
        CannotWriteError: the record cannot be written.
        UnsafeRequestError: the directory of records belongs to somebody else.
    """
    make_directory(directory(), mode=0o700)
    if not is_own(directory().lstat()):
        raise UnsafeRequestError(
            f"'{directory()}' belongs to somebody else, or others can write to it",
            hint="remove it, or make it yours: chmod go-w",
        )
    write_atomic(_place(path), _record(Approval(path, _digest(data))), mode=0o600)


def revoke(path: str) -> bool:
    """Take an approval back; tell whether there was one."""
    try:
        _place(path).unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def approvals() -> Iterator[Approval]:
    """List what is approved, by path."""
    try:
        places_ = sorted(directory().iterdir())
    except OSError:
        return
    found = (_read(place) for place in places_ if place.suffix == ".json")
    yield from sorted(approval for approval in found if approval is not None)


def directory() -> Path:
    """Return the directory of records."""
    return host.directory("state") / "trusted"


def _place(path: str) -> Path:
    return directory() / f"{_digest(os.fsencode(path))}.json"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _record(approval: Approval) -> bytes:
    return json.dumps({"schema": _SCHEMA, **approval._asdict()}, sort_keys=True).encode()


def _read(place: Path) -> Approval | None:
    try:
        if not is_own(place.parent.lstat()):
            return None
        data = read_own(place, most=_MOST_BYTES)
        document = json.loads(data)
        approval = Approval(document["path"], document["sha256"])
        genuine = _record(approval) == data and _place(approval.path) == place
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return approval if genuine else None
