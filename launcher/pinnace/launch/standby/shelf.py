"""The records of the containers that wait: a file each, which who takes one takes away."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pinnace.launch.standby import IDLE_SECONDS, Standby
from pinnace_core import host
from pinnace_core.engine import NAMES
from pinnace_core.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_BYTES: Final = 1 << 16
_WAITING: Final = ".json"
_TAKEN: Final = ".taken"
# One that is about to end by itself is not taken any more.
_MARGIN_SECONDS: Final = 60.0


def directory() -> Path:
    """Return the directory of the records."""
    return host.directory("state") / "standby"


def is_stocked() -> bool:
    """Return whether any may wait, as quickly as can be."""
    return os.path.isdir(directory())  # noqa: PTH112 (every launch)


def put(one: Standby) -> None:
    """Let it be taken.

    Raises:
        CannotWriteError: there can be no record.
    """
    path = directory() / f"{one.token}{_WAITING}"
    write_atomic(path, json.dumps(one._asdict()).encode(), mode=0o600)


def all_waiting() -> list[Standby]:
    """Return all that have a record, the oldest first."""
    return sorted(_read(_WAITING), key=lambda one: (one.until, one.token))


def waiting(key: str) -> list[Standby]:
    """Return those of a key that can be taken, the oldest first."""
    soon = time.time() + _MARGIN_SECONDS
    # Made in the future, by a clock that was set back: nobody knows when that one ends.
    late = soon + IDLE_SECONDS
    return [one for one in all_waiting() if one.key == key and soon < one.until < late]


def take(one: Standby) -> bool:
    """Take it; return whether nobody else has."""
    try:
        os.rename(  # noqa: PTH104 (hot)
            directory() / f"{one.token}{_WAITING}", directory() / f"{one.token}{_TAKEN}"
        )
    except OSError:
        return False
    return True


def forget(one: Standby) -> None:
    """Remove what is known of it."""
    for suffix in (_WAITING, _TAKEN):
        with suppress(OSError):
            (directory() / f"{one.token}{suffix}").unlink()


def abandoned() -> list[Standby]:
    """Return those that somebody took who was killed before anything came of it."""
    return [one for one in _read(_TAKEN) if one.until < time.time()]


def is_record(path: Path) -> bool:
    """Return whether a file in the directory is a record."""
    return path.suffix in {_WAITING, _TAKEN}


def _read(suffix: str) -> Iterator[Standby]:
    try:
        names = os.listdir(directory())  # noqa: PTH208 (names are what is wanted)
    except OSError:
        return
    for name in names:
        if name.endswith(suffix) and not name.startswith("."):
            found = _one(directory() / name)
            if found is not None and f"{found.token}{suffix}" == name:
                yield found


def _one(path: Path) -> Standby | None:
    """Read a record; None: it is none, or it is gone."""
    try:
        with path.open("rb") as stream:
            found = Standby(**json.loads(stream.read(_MOST_BYTES)))
    except (OSError, ValueError, RecursionError, TypeError):
        return None
    texts = found._replace(until=0.0)
    sound = all(isinstance(text, str) and text for text in texts if text != 0.0)
    return found if sound and found.program in NAMES and isinstance(found.until, float) else None
