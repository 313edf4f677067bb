"""The chain: lines of JSON, each with the digest of the one before; appended to under a lock.

An entry is on the disk before its number is known to anybody. The head is written after it, in
place and not synced: it may lag behind, and never runs ahead. So what is missing was taken away.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from pinnace.audit import paths
from pinnace.audit.entry import BEFORE, DIGITS, MOST_BYTES, Position, encoded, parsed
from pinnace_core.errors import BusyError
from pinnace_core.files import cannot_write, open_own, sync_directory
from pinnace_core.locks import locked
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pinnace.audit.rotate import Limits

_USUAL_BYTES: Final = 16 << 10
_PATIENCE_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.002


class Appended(NamedTuple):
    """What became of an entry.

    Attributes:
        number: its own.
        sound: the chain was as it was left; False: the entry says what was found.
    """

    number: int
    sound: bool


def append(kind: str, content: Mapping[str, Any], limits: Limits | None = None) -> Appended:
    """Append an entry; when this returns, it is on the disk.

    Args:
        kind: what it is about.
        content: plain data; what is too long is cut.
        limits: when the file is full, and what goes then; None: it just grows.

    Raises:
        CannotWriteError: there is no place for it, or the place is not ours alone.
        BusyError: another process appends for too long.
    """
    with _alone(), open_own(paths.log_path(), append=True) as stream:
        last, torn = _end_of(stream)
        if torn:
            stream.truncate(stream.seek(0, os.SEEK_END) - torn)
        problem = _problem(last)
        found: dict[str, Any] = {"torn": torn} if torn else {}
        if problem is not None:
            found["broken"] = problem
            last = Position(max(last.number, problem["head"]["number"]), last.digest)
        if limits is not None and stream.seek(0, os.SEEK_END) >= limits.size:
            from pinnace.audit import rotate

            with open_own(rotate.fresh(last), append=True) as fresh:
                old = rotate.expired(limits)
                if old is not None:
                    last = _append(fresh, last, "removed", old.said)
                    rotate.remove(old)
                last = _append(fresh, last, kind, {**content, **found})
        else:
            last = _append(stream, last, kind, {**content, **found})
        _write_head(last)
        return Appended(last.number, problem is None)


def look() -> tuple[Position | None, int]:
    """Return the head, and the number of the last entry, at one moment.

    Raises:
        CannotWriteError: the files are not ours.
        BusyError: another process appends for too long.
    """
    with _alone(), open_own(paths.log_path(), append=True) as stream:
        last, _ = _end_of(stream)
        return read_head(), last.number


def read_head() -> Position | None:
    """Return the head; None if there is none that can be read."""
    try:
        with paths.head_path().open("rb") as stream:
            number, _, digest = stream.read(MOST_BYTES).decode("ascii").strip().partition(":")
        return Position(int(number), digest) if len(digest) == DIGITS else None
    except (OSError, ValueError):
        return None


def _append(stream: BinaryIO, last: Position, kind: str, content: Mapping[str, Any]) -> Position:
    """Write an entry behind the last one, and see that it is on the disk; only under the lock.

    Raises:
        CannotWriteError: there is no place for it.
    """
    line, position = encoded(last, kind, content)
    size = stream.seek(0, os.SEEK_END)
    try:
        _write(stream, line, size)
        os.fsync(stream.fileno())
        if not size:
            sync_directory(paths.directory())
    except OSError as error:
        raise cannot_write(paths.log_path(), error) from error
    return position


def _write(stream: BinaryIO, line: bytes, size: int) -> None:
    """Write a whole line, or nothing.

    Raises:
        OSError: there is no place for it.
    """
    try:
        written = stream.write(line)
    except OSError:
        written = 0
    if written != len(line):
        stream.truncate(size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _alone() -> Iterator[None]:
    """Be the only one who appends.

    Raises:
        BusyError: somebody else is, for too long.
    """
    with open_own(paths.directory() / "lock") as lock:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not locked(lock.fileno()):
            if time.monotonic() > deadline:
                raise BusyError(
                    f"another process holds the audit record, '{paths.directory()}', for too long",
                    hint="see what it does, then run this again",
                )
            time.sleep(_PAUSE_SECONDS)
        yield


def _end_of(stream: BinaryIO) -> tuple[Position, int]:
    """Return the last entry's place, and how many bytes of half a line are behind it.

    Such a line is left by a loss of power: nobody was promised that it is there.
    """
    data, start = _tail(stream, _USUAL_BYTES)
    if data.count(b"\n") < 2:  # noqa: PLR2004 (the end of a line, and of the one before)
        data, start = _tail(stream, 2 * MOST_BYTES)
    end = data.rfind(b"\n") + 1
    torn = len(data) - end if end or not start else 0
    if not data[:end].strip():
        from pinnace.audit import rotate

        return rotate.last_of_full(), torn
    entry = parsed(data[data.rfind(b"\n", 0, end - 1) + 1 : end - 1])
    # What is no entry of ours is told from the head.
    return (entry.position if entry and entry.genuine else Position(-1, BEFORE.digest)), torn


def _tail(stream: BinaryIO, most: int) -> tuple[bytes, int]:
    """Return the last bytes, and where they begin."""
    size = stream.seek(0, os.SEEK_END)
    start = stream.seek(max(0, size - most))
    return stream.read(size - start), start


def _problem(last: Position) -> dict[str, Any] | None:
    """Return how the end of the chain differs from the head; None if all is well."""
    head = read_head()
    if (head or BEFORE) == last:
        return None
    if head is not None and head.number < last.number:
        # It lags behind, if what it names is there.
        from pinnace.audit import entries

        if entries.holds(head):
            return None
    known = head or BEFORE
    return {"head": known._asdict(), "log": last._asdict()}


def _write_head(last: Position) -> None:
    """Write it in place: after a loss of power, it is the old one or the new one."""
    text = f"{last.number:0{paths.NUMBER_WIDTH}}:{last.digest}\n".encode()
    with open_own(paths.head_path()) as stream:
        is_new = not stream.seek(0, os.SEEK_END)
        stream.seek(0)
        try:
            stream.write(text)
            if is_new:
                os.fsync(stream.fileno())
                sync_directory(paths.head_path().parent)
        except OSError as error:
            raise cannot_write(paths.head_path(), error) from error
