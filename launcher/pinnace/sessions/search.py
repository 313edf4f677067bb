"""Search transcripts for a text: line by line, whatever their size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pinnace.sessions import entries, transcripts
from pinnace_core.errors import PinnaceError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pinnace.sessions.entries import Message
    from pinnace.sessions.transcripts import Transcript

_AROUND: Final = 60


class Hit(NamedTuple):
    """A message that a text stands in.

    Attributes:
        role: who said it.
        time: when.
        text: the text, with what stands around it, in one line.
    """

    role: str
    time: str
    text: str


def search(transcript: Transcript, wanted: str, counts: entries.Counts) -> Iterator[Hit]:
    """Yield what was said with a text in it, in upper case or lower; none of what is gone."""
    folded = wanted.casefold()
    quick = _quick(wanted)
    try:
        with transcripts.opened(transcript) as stream:
            for line in entries.lines(stream, counts):
                # Of a line that does not hold it, nothing is made.
                if quick and quick not in line.lower():
                    continue
                hit = _hit(line, folded)
                if hit is not None:
                    yield hit
    except (PinnaceError, OSError):
        return


def among(documents: Iterable[dict[str, Any]], wanted: str) -> Iterator[Hit]:
    """Yield what was said with a text in it, of entries that lie in no file."""
    for document in documents:
        said = entries.message(document)
        hit = _found(said, wanted.casefold()) if said else None
        if hit is not None:
            yield hit


def _quick(wanted: str) -> bytes:
    """Return what a line holds in any case that holds a text; empty: that cannot be told.

    JSON may spell all but plain letters, digits and blanks in other ways.
    """
    plain = wanted.isascii() and all(c.isalnum() or c in " .,:;_-()=+*" for c in wanted)
    return wanted.lower().encode() if plain else b""


def _hit(line: bytes, folded: str) -> Hit | None:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    said = entries.message(document) if isinstance(document, dict) else None
    return _found(said, folded) if said else None


def _found(said: Message, folded: str) -> Hit | None:
    for block in said.blocks:
        for text in (block.text, block.name):
            place = text.casefold().find(folded)
            if place >= 0:
                start, end = max(0, place - _AROUND), place + len(folded) + _AROUND
                role = block.kind if block.kind in {"tool", "result"} else said.role
                return Hit(role, said.time, " ".join(text[start:end].split()))
    return None
