"""An entry of the chain: one line of JSON, with the digest of the one before and its own."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from pinnace_core import host
from pinnace_core.digest import hexdigest
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: Final = 1
MOST_BYTES: Final = 256 << 10
"""Of an entry."""
_HASH: Final = b',"hash":"'
DIGITS: Final = 64
# Longest text and list in an entry; tighter ones if all of it is too large.
_BOUNDS: Final = ((4096, 256), (512, 64), (128, 16))
# Who writes: nothing of it is to be taken for the content's.
_OWN: Final = ("schema", "number", "kind", "time", "boot", "uptime", "previous", "hash")


class Position(NamedTuple):
    """A place in the chain.

    Attributes:
        number: of an entry, from 1 on; 0: before the first.
        digest: of that entry, hexadecimal.
    """

    number: int
    digest: str

    def __str__(self) -> str:
        """Return it as users note it."""
        return f"{self.number}:{self.digest}"


BEFORE: Final = Position(0, "0" * DIGITS)


class Entry(NamedTuple):
    """An entry as it was read.

    Attributes:
        position: its number, and the digest that it should have.
        document: all of it.
        genuine: it has that digest.
    """

    position: Position
    document: Mapping[str, Any]
    genuine: bool

    @property
    def kind(self) -> str:
        """What it is about."""
        return str(self.document.get("kind", ""))


def parsed(line: bytes) -> Entry | None:
    """Read a line, without its end; None if it is no entry at all."""
    try:
        document = json.loads(line)
        number, digest = document["number"], document["hash"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if type(number) is not int or not isinstance(digest, str):
        return None
    body, mark, rest = line.rpartition(_HASH)
    genuine = bool(mark) and rest == f'{digest}"}}'.encode() and hexdigest(body + b"}") == digest
    return Entry(Position(number, digest), document, genuine)


def encoded(last: Position, kind: str, content: Mapping[str, Any]) -> tuple[bytes, Position]:
    """Return the line of an entry that follows another one, and where it then stands.

    Args:
        last: the one before.
        kind: what it is about.
        content: of it; what is too long is cut.
    """
    number = last.number + 1
    own = {
        "schema": SCHEMA,
        "number": number,
        "kind": kind,
        "time": _wall(),
        "boot": host.boot_id(),
        "uptime": round(_uptime(), 6),
        "previous": last.digest,
    }
    kept = {name: value for name, value in content.items() if name not in _OWN}
    body = _body(own, kept, _BOUNDS[0])
    for bounds in _BOUNDS[1:]:
        if len(body) > MOST_BYTES // 2:
            body = _body({**own, "cut": True}, kept, bounds)
    digest = hexdigest(body)
    return body[:-1] + _HASH + digest.encode() + b'"}\n', Position(number, digest)


def _body(own: Mapping[str, Any], content: Mapping[str, Any], bounds: tuple[int, int]) -> bytes:
    cut = {name: _cut(value, *bounds) for name, value in content.items()}
    return json.dumps({**own, **cut}, separators=(",", ":")).encode()


def _cut(value: Any, text: int, items: int) -> Any:  # noqa: ANN401 (JSON)
    """Return plain data without what is too long."""
    if isinstance(value, str):
        return value if len(value) <= text else f"{value[:text]}..."
    if isinstance(value, dict):
        kept = list(value.items())[:items]
        return {_cut(str(name), text, items): _cut(one, text, items) for name, one in kept}
    if isinstance(value, list | tuple):
        return [_cut(one, text, items) for one in value[:items]]
    return value


def _wall() -> str:
    """Return the time as ISO 8601 has it; not by `datetime`, whose import costs a launch 1 ms."""
    seconds, rest = divmod(time.time_ns(), 10**9)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{rest // 1000:06}+00:00"


def _uptime() -> float:
    """Return the seconds since the machine was started, asleep or not, where that is known."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
