"""A line of JSON to a mapping, with what JavaScript writes and strict decoders refuse.

Strings of JavaScript may hold half of a surrogate pair, as when text is cut within an emoji, and
numbers may be beyond what a float holds. Neither is a reason to lose an event.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pinnace.sdk.errors import MalformedEventError

if TYPE_CHECKING:
    from typing import NoReturn

_EXCERPT: Final = 120
# Longer integers are refused by `int`, for the time that they take.
_MOST_DIGITS: Final = 4300
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def loads(line: bytes) -> dict[str, Any]:
    """Return the object in a line of JSON.

    What cannot be a character is U+FFFD; a number that no float can hold is infinite.

    Raises:
        MalformedEventError: it is no JSON, or no object.
        RecursionError: it is nested too deeply.
    """
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError):
        value = _leniently(line)
    if not isinstance(value, dict):
        raise malformed(line, f"holds {_shown(value)}, not an object")
    return value


def mended(line: bytes) -> bytes:
    """Return the line with U+FFFD for bytes and escapes that are no characters."""
    whole = line.decode(errors="replace").encode()
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], whole)


def malformed(line: bytes, what: str) -> MalformedEventError:
    """Return the error about a line that is no event."""
    excerpt = line[:_EXCERPT].decode(errors="replace")
    more = "..." if len(line) > _EXCERPT else ""
    return MalformedEventError(
        f"a line that Claude wrote {what}: {excerpt!r}{more}",
        hint="see what else writes to Claude's standard output: a hook, a wrapper",
        line=line,
    )


def too_deep(line: bytes) -> MalformedEventError:
    """Return the error about an event that no decoder follows to its bottom."""
    return malformed(line, "is nested too deeply")


def _leniently(line: bytes) -> object:
    try:
        # In Python's own decoder, integers have no size, and 1e999 is infinite.
        return json.loads(mended(line), parse_int=_integer, parse_constant=_refuse)
    except ValueError:
        raise malformed(line, "is no JSON") from None


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _shown(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
