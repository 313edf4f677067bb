"""When something is noted: before it starts, and after it ended, however that was."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pinnace.audit import chain, record
from pinnace.audit.rotate import Limits
from pinnace.config.types import in_bytes
from pinnace_core import console, signals
from pinnace_core.errors import PinnaceError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pinnace.audit.record import Seen
    from pinnace.config import Settings


def recorded(content: Mapping[str, Any], run: Callable[[], int], limits: Limits) -> int:
    """Run something that has an entry before and after; return its exit code.

    Args:
        content: what is known before.
        run: gives the exit code.
        limits: of the record's files.

    Raises:
        CannotWriteError: it cannot be noted, so it is not run.
        BusyError: likewise.
    """
    codes: list[int] = []
    with around(content, limits, lambda: record.Seen(codes[0] if codes else None)):
        codes.append(run())
    return codes[0]


@contextmanager
def around(content: Mapping[str, Any], limits: Limits, seen: Callable[[], Seen]) -> Iterator[None]:
    """Note something before it runs, and that it has ended, however that was.

    Args:
        content: what is known before.
        limits: of the record's files.
        seen: gives, in the end, what was seen of it.

    Raises:
        CannotWriteError: it cannot be noted, so it is not run.
        BusyError: likewise.
    """
    clock = _Clock(time.time(), time.monotonic())
    with signals.held():
        number = noted(record.STARTED, content, limits)
    try:
        yield
    finally:
        with signals.held():
            _end({**content, "number": number}, limits, clock, seen())


def noted(kind: str, content: Mapping[str, Any], limits: Limits | None = None) -> int:
    """Append an entry; return its number. That the record was changed is said, and noted there.

    Raises:
        CannotWriteError: it cannot be noted.
        BusyError: likewise.
    """
    appended = chain.append(kind, content, limits)
    if not appended.sound:
        console.stderr("pinnace: the audit record is not as it was left: pinnace audit verify")
    return appended.number


class _Clock(NamedTuple):
    """When something began: by the wall, in seconds since 1970; and by what nobody sets."""

    wall: float
    steady: float


def _end(started: Mapping[str, Any], limits: Limits, clock: _Clock, seen: Seen) -> None:
    """Note the end; what was run has run, so that nothing is refused here."""
    try:
        if seen.seconds is None:
            seen = seen._replace(seconds=time.monotonic() - clock.steady)
        end = record.of_end(started, since=clock.wall, seen=seen)
        noted(record.ENDED, end, limits)
    except (PinnaceError, OSError, ValueError) as error:
        console.stderr(f"pinnace: the end is not in the audit record: {error}")


def limits_of(settings: Settings) -> Limits:
    """Return the limits of the record's files, as the settings say."""
    return Limits(in_bytes(settings.audit_size), settings.audit_days)


def decided(kind: str, content: Mapping[str, Any], settings: Settings) -> None:
    """Note what the user decided, unless the record is off.

    Raises:
        CannotWriteError: it cannot be noted.
        BusyError: likewise.
    """
    if settings.audit:
        noted(kind, content, limits_of(settings))
