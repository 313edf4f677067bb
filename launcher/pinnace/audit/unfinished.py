"""What has begun and has no end in the record: its launcher was killed, or goes on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pinnace.audit import entries, paths, record
from pinnace.audit.watch import noted
from pinnace_core.locks import file_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pinnace.audit.entry import Entry


def unfinished(known: Iterable[Entry]) -> list[Entry]:
    """Return the entries of what has begun and has not ended, the oldest first."""
    begun: dict[object, Entry] = {}
    for entry in known:
        if entry.kind == record.STARTED:
            begun[entry.position.number] = entry
        elif entry.kind == record.ENDED:
            begun.pop(entry.document.get("of"), None)
    return list(begun.values())


def close(is_gone: Callable[[Mapping[str, str]], bool]) -> int:
    """Note the end of what nobody else will note; return how many there were.

    Args:
        is_gone: tells, by a launcher's labels, whether it is gone.

    Raises:
        PinnaceError: the record cannot be read, or written.
    """
    if not paths.log_path().exists():
        return 0
    count = 0
    # Of two at once, one.
    with file_lock(paths.directory() / "close.lock"):
        for entry in unfinished(entries.read()):
            launcher = entry.document.get("launcher")
            if isinstance(launcher, dict) and is_gone(launcher):
                noted(record.ENDED, {**_end_of(entry), "found_later": True})
                count += 1
    return count


def _end_of(entry: Entry) -> dict[str, Any]:
    return record.of_end(entry.document, since=moment(entry.document))


def moment(document: Mapping[str, Any]) -> float:
    """Return when an entry was written, in seconds since 1970."""
    return datetime.fromisoformat(str(document["time"])).timestamp()
