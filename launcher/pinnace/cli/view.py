"""What Claude printed as events, as a person reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pinnace.sdk.conversation import AssistantEvent, InitEvent, ResultEvent, UserEvent
from pinnace.sdk.decode import EventDecoder
from pinnace.sdk.errors import MalformedEventError
from pinnace_core import console

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pinnace.sdk.event import Event

_LONGEST: Final = 200
_MOST_LINES: Final = 3
# Of a tool's input, what says most about it.
_TELLING: Final = ("command", "file_path", "pattern", "url", "query", "description", "prompt")


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield events as lines for people, as soon as they come; nothing in them is a command.

    Args:
        pieces: of what Claude printed, cut anywhere; of much output, the beginning may be gone.
    """
    for event in events(pieces):
        yield from shown(event)


def events(pieces: Iterable[bytes]) -> Iterator[Event]:
    """Yield events; a line that is none, such as one that was cut, is passed over."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield from _decoded(line)
    yield from _decoded(rest)


def _decoded(line: bytes) -> Iterator[Event]:
    if line.strip():
        decoder = EventDecoder()
        try:
            decoder.feed(line + b"\n")
            yield from decoder
        except MalformedEventError:
            return


def shown(event: Event) -> Iterator[str]:
    """Yield what there is to say of an event."""
    match event:
        case InitEvent():
            yield f"session {_line(event.session_id)}, {_line(event.model)}"
        case AssistantEvent():
            yield from (console.without_commands(line) for line in event.text.splitlines())
            for use in event.tool_uses:
                yield f"> {_line(use.name)}: {_line(_telling(use.input))}"
        case UserEvent():
            for result in event.tool_results:
                yield from _result(result.content)
        case ResultEvent():
            cost = "" if event.cost_usd is None else f", ${event.cost_usd:.2f}"
            said = "" if event.subtype == "success" and not event.is_error else f": {event.result}"
            kind = _line(event.subtype or "")
            yield f"= {kind}, {event.num_turns} turns{cost}{_line(said)}"
        case _:
            return


def last_result(pieces: Iterable[bytes]) -> ResultEvent | None:
    """Return the last result that Claude told of."""
    found = None
    for event in events(pieces):
        if isinstance(event, ResultEvent):
            found = event
    return found


def session(pieces: Iterable[bytes]) -> str | None:
    """Return the session that Claude told of first."""
    found = (event for event in events(pieces) if isinstance(event, InitEvent))
    return next((_line(event.session_id) for event in found), None)


def _telling(given: object) -> str:
    if not isinstance(given, dict):
        return str(given)
    key = next((key for key in _TELLING if key in given), "")
    return str(given[key]) if key else json.dumps(given)


def _result(content: Any) -> Iterator[str]:  # noqa: ANN401 (text, or blocks)
    if isinstance(content, str):
        text = content
    else:
        text = "\n".join(str(getattr(one, "text", "")) for one in content or ())
    found = text.splitlines()
    yield from (f"  {_line(line)}" for line in found[:_MOST_LINES])
    if len(found) > _MOST_LINES:
        yield f"  ... {len(found) - _MOST_LINES} more lines"


def _line(text: str) -> str:
    line = console.without_commands(" ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
