"""The homes that are kept: a directory for each plan, with a lock, and what it belongs to.

While a launch is in one, its name stands beside it, and stays there if its launcher is killed.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pinnace.launch import records
from pinnace.layers.make import remove
from pinnace_core import host, locks
from pinnace_core.engine import NAMES, named
from pinnace_core.errors import BusyError, PinnaceError
from pinnace_core.files import cannot_write, make_directory, write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinnace_core.engine import Engine

HOME: Final = "home"
UNUSED_SECONDS: Final = 7 * 86_400.0
"""For how long one stays, if no launch comes."""
_LOCK, _ABOUT, _LAUNCH = "lock", "about.json", "launch"
# Of what is being removed.
_GOING: Final = ".going-"
_MOST_BYTES: Final = 1 << 16
_BLOCK: Final = 512
_PAUSE_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 20.0
# A killed launcher's client may be about to make the container.
_FRESH_SECONDS: Final = 60.0


class About(NamedTuple):
    """What a kept home belongs to.

    Attributes:
        project: path of the workspace.
        asked: what the launch was asked for, see `make.asked`.
        session: that it is of alone; empty: of any.
        program: the engine's client.
    """

    project: str
    asked: str
    session: str
    program: str


def directory() -> Path:
    """Return the directory of all of them."""
    return host.directory("state") / "homes"


def note(place: Path, about: About) -> None:
    """Note what a home belongs to, and that it is used now.

    Raises:
        CannotWriteError: it cannot be noted.
    """
    write_atomic(place / _ABOUT, json.dumps(about._asdict()).encode(), mode=0o600)


def enter(place: Path, name: str) -> None:
    """Note that a launch is in a home.

    Raises:
        CannotWriteError: it cannot be noted.
    """
    write_atomic(place / _LAUNCH, name.encode(), mode=0o600)


def leave(place: Path) -> None:
    """Note that none is any more."""
    with suppress(OSError):
        (place / _LAUNCH).unlink()


def taken(place: Path) -> int:
    """Take a home's lock, which goes with this process; -1: a launch has it.

    Whoever makes a container ahead, or removes something, has it for a moment: that is waited for.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        make_directory(place, mode=0o700)
        descriptor = _locked(place)
        if descriptor >= 0:
            return descriptor
        if (place / _LAUNCH).exists():
            break
        time.sleep(_PAUSE_SECONDS)
    return -1


def _locked(place: Path) -> int:
    try:
        descriptor = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return -1
    except OSError as error:
        raise cannot_write(place, error) from error
    if locks.locked(descriptor) and _is_there(place, descriptor):
        return descriptor
    os.close(descriptor)
    return -1


def _is_there(place: Path, descriptor: int) -> bool:
    """Return whether nobody has removed the place meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), (place / _LOCK).stat())
    except OSError:
        return False


def goes_on(engine: Engine, place: Path) -> bool:
    """Return whether a launch may still be in, though its launcher is gone: in doubt, it is."""
    try:
        name = (place / _LAUNCH).read_text("utf-8")
        is_fresh = time.time() - (place / _LAUNCH).stat().st_mtime < _FRESH_SECONDS
    except OSError:
        return False
    try:
        found = engine.container(name)
    except PinnaceError:
        return True
    # Of what has been removed, there is no record.
    return is_fresh and records.is_recorded(name) if found is None else found.is_running


def has_ended(engine: Engine, name: str) -> bool:
    """See that nothing runs any more in a launch's container, which is about to be gone."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            found = engine.container(name)
        except PinnaceError:
            return False
        if found is None or not found.is_running:
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def all_kept() -> Iterator[tuple[Path, About]]:
    """Yield the directories of all homes that are kept, and what they belong to."""
    for place in _places():
        about = _about_of(place)
        if about is not None:
            yield place, about


def _places() -> list[Path]:
    try:
        return sorted(place for place in directory().iterdir() if place.is_dir())
    except OSError:
        return []


def _about_of(place: Path) -> About | None:
    if place.name.startswith(_GOING):
        return None
    try:
        document = json.loads((place / _ABOUT).read_bytes()[:_MOST_BYTES])
        about = About(*(str(document[name]) for name in About._fields))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return about if about.program in NAMES else None


def size(place: Path) -> int:
    """Return the bytes that a home takes."""
    total = 0
    for around, _, names in os.walk(place):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(around, name)).st_blocks * _BLOCK  # noqa: PTH118 (many)
    return total


def drop(project: str = "") -> int:
    """Remove what is kept for launches of a project, or of all; return of how many.

    Raises:
        BusyError: a launch is in one of them, which stays.
        CannotWriteError: something cannot be removed.
    """
    chosen = [place for place, about in all_kept() if project in {"", about.project}]
    removed = sum(map(discard, chosen))
    if removed < len(chosen):
        raise BusyError(
            f"{len(chosen) - removed} of {len(chosen)} homes that are kept are in use: they stay",
            hint="end what runs there (pinnace stop), then drop them again",
        )
    return removed


def unused() -> list[Path]:
    """Return those that no launch has come back to for long, and none is in."""
    return [p for p in _places() if _is_unused(p) and not (p / _LAUNCH).exists()]


def _is_unused(place: Path) -> bool:
    """Return whether no launch has come for long; or it was about to be removed."""
    if place.name.startswith(_GOING):
        return True
    used = place / _ABOUT
    try:
        return time.time() - (used if used.exists() else place).stat().st_mtime > UNUSED_SECONDS
    except OSError:
        return False


def discard(place: Path) -> bool:
    """Remove one, unless a launch is in it; return whether it is gone.

    Raises:
        CannotWriteError: something cannot be removed.
    """
    descriptor = _locked(place)
    if descriptor < 0:
        return False
    try:
        about = _about_of(place)
        if about is not None and goes_on(named(about.program), place):
            return False
        # Under another name first: who waits for the lock makes a new one.
        going = place.with_name(f"{_GOING}{os.urandom(8).hex()}")
        place.rename(going)
        remove(going)
    except OSError as error:
        raise cannot_write(place, error) from error
    else:
        return True
    finally:
        os.close(descriptor)
