"""What all events have in common, and the one that stands for what is not known."""

from __future__ import annotations

from typing import Any

import msgspec

from pinnace.sdk.json_text import loads, too_deep


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A line that Claude wrote, decoded. Fields that it lacks are empty.

    Attributes:
        type: as on the wire.
        subtype: the same; empty where the type has none.
        uuid: the event's own.
        session_id: the session that it is of.
    """

    # No field of an event is called so. Both are set after decoding, whatever a line says.
    _line: bytes = msgspec.field(default=b"", name="pinnace: line")
    _misfits: tuple[str, ...] = msgspec.field(default=(), name="pinnace: misfits")
    type: str = ""
    subtype: str | None = None
    uuid: str | None = None
    session_id: str = ""

    @property
    def line(self) -> bytes:
        """The line as Claude wrote it, without its end."""
        return self._line

    @property
    def raw(self) -> dict[str, Any]:
        """All that the event holds, also what has no field here. Decoded anew at each access.

        Raises:
            MalformedEventError: the event is nested too deeply to be decoded.
        """
        try:
            return loads(self._line)
        except RecursionError:
            raise too_deep(self._line) from None

    @property
    def misfits(self) -> tuple[str, ...]:
        """The fields that are empty because what came does not fit their type; `raw` has it."""
        return self._misfits

    @property
    def name(self) -> str:
        """Type and subtype, as in `system/init`."""
        return f"{self.type}/{self.subtype}" if self.subtype else self.type

    def __repr__(self) -> str:
        """Return the name and the line's beginning: an event may be megabytes."""
        shown = self._line[:_SHOWN].decode(errors="replace")
        more = "..." if len(self._line) > _SHOWN else ""
        return f"<{type(self).__name__} {shown}{more}>"


class UnknownEvent(Event, frozen=True, kw_only=True):
    """An event of a type that this version of Pinnace does not know, or that does not fit it.

    Attributes:
        reason: why it has no type of its own.
    """

    reason: str = msgspec.field(default="", name="pinnace: reason")


_SHOWN = 120


def unknown(line: bytes, kind: object, subtype: object, reason: str) -> UnknownEvent:
    """Return a line as an event that has only its name."""
    return UnknownEvent(
        _line=line,
        type=kind if isinstance(kind, str) else "",
        subtype=subtype if isinstance(subtype, str) else None,
        reason=reason,
    )
