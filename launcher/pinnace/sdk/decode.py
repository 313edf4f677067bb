"""Bytes as they come, in whatever pieces, to events. Pieces are not lines.

What is kept is the last piece, as far as its events were not taken, and the line that has not ended
yet: whoever reads slowly holds nothing up but Claude.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from pinnace.sdk.errors import LineTooLongError, MalformedEventError
from pinnace.sdk.events import decode_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterator

    from pinnace.sdk.event import Event

_EXCERPT: Final = 120


class EventDecoder:
    """Turns pieces of Claude's standard output into events.

        decoder = EventDecoder()
        for piece in pieces:
            decoder.feed(piece)
            for event in decoder: ...
        decoder.finish()
        for event in decoder: ...

    An error stands for one line: whoever goes on gets the events after it.
    """

    def __init__(self, limit: int | None = None) -> None:
        """Start before the first line.

        Args:
            limit: the most bytes that a line may have; None: any number.
        """
        self._limit = limit
        self._begun = bytearray()
        self._lines: deque[bytes] = deque()
        self._number = 0
        self._before = ""

    def __iter__(self) -> Iterator[Event]:
        """Yield the events that are there.

        Raises:
            MalformedEventError: a line is not JSON, or no object, or longer than the limit.
        """
        while self._lines:
            line = self._lines.popleft()
            self._number += 1
            if line and not line.isspace():
                yield self._decoded(line)

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        first, *others = piece.split(b"\n")
        if not others:
            self._begin(first)
            return
        if self._begun:
            self._begin(first)
            first = bytes(self._begun)
        self._lines.append(first)
        self._lines.extend(others[:-1])
        self._begun = bytearray(others[-1])

    def finish(self) -> None:
        """Take it that the last line has ended, too."""
        if self._begun:
            self._lines.append(bytes(self._begun))
            self._begun = bytearray()

    def _begin(self, more: bytes) -> None:
        """Add to the line that has not ended; of one that is too long, keep the beginning."""
        room = None if self._limit is None else max(0, self._limit + 1 - len(self._begun))
        self._begun += more[:room]

    def _decoded(self, line: bytes) -> Event:
        if self._limit is not None and len(line.rstrip(b"\r")) > self._limit:
            raise LineTooLongError(
                f"line {self._number} has more than {self._limit} bytes, {self._after()}",
                hint="set a higher limit, or none",
                number=self._number,
                line=line[:_EXCERPT],
            )
        try:
            event = decode_event(line)
        except MalformedEventError as error:
            message = f"{error.message} (line {self._number}, {self._after()})"
            raise MalformedEventError(
                message, hint=error.hint, number=self._number, line=line
            ) from None
        self._before = event.name or "an event without a type"
        return event

    def _after(self) -> str:
        return f"after {self._before}" if self._before else "before any event"


async def events_of(pieces: AsyncIterable[bytes], limit: int | None = None) -> AsyncIterator[Event]:
    """Yield the events in a stream of bytes, such as a process's output; read it as they are taken.

    Raises:
        MalformedEventError: a line is not JSON, or no object, or longer than the limit.
    """
    decoder = EventDecoder(limit)
    async for piece in pieces:
        decoder.feed(piece)
        for event in decoder:
            yield event
    decoder.finish()
    for event in decoder:
        yield event
