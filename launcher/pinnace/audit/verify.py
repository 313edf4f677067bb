"""Verify the chain: what was changed, taken away, put in or moved, and when the clock was set.

Who writes as the user can make a new chain, head and all. So the head may be noted elsewhere, and a
chain held against it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pinnace.audit import chain, entries, paths
from pinnace.audit.entry import BEFORE, Position
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pinnace.audit.entries import Line
    from pinnace.audit.entry import Entry

_SLACK_SECONDS: Final = 5.0
"""Clocks are set right, a little, all the time."""
CLOCK: Final = "clock"
BEHIND: Final = "behind"
_ATTEMPTS: Final = 2


class Finding(NamedTuple):
    """Something that is not as it was left.

    Attributes:
        kind: `changed`, `missing`, `order`, `head`, `noted`; `clock`, `behind`.
        where: it was found.
        text: what it is.
    """

    kind: str
    where: str
    text: str

    @property
    def is_grave(self) -> bool:
        """Whether the record was changed; clocks are also set by who may."""
        return self.kind not in {CLOCK, BEHIND}


class Verdict(NamedTuple):
    """What a verification found.

    Attributes:
        entries: how many there are.
        first: the oldest one's number; 0: there is none.
        last: place of the newest one, to be noted elsewhere.
        findings: in the order of the chain.
    """

    entries: int
    first: int
    last: Position
    findings: tuple[Finding, ...]


def verify(against: Position | None = None) -> Verdict:
    """Verify all that is kept.

    Args:
        against: a place that was noted elsewhere: it has to be in the chain.

    Raises:
        CannotReadError: a file cannot be read.
        PinnaceError: nobody else can be kept from appending meanwhile.
    """
    head, walk = _walked()
    for _ in range(_ATTEMPTS):
        if not walk.findings:
            break
        # A file may have become full meanwhile.
        head, walk = _walked()
    findings = [*walk.settle(), *walk.findings, *_of_head(head, walk)]
    if against is not None and against not in walk.places:
        text = f"entry {against.number} is not there as it was noted elsewhere"
        findings.append(Finding("head", "the given head", text))
    return Verdict(walk.count, walk.first, walk.last, tuple(findings))


def _walked() -> tuple[Position | None, _Walk]:
    head, last = _now()
    walk = _Walk(last)
    for line in entries.lines():
        if not walk.take(line):
            break
    return head, walk


def _now() -> tuple[Position | None, int]:
    """Return the head, and the number of the last entry; others may append meanwhile."""
    if not paths.log_path().exists():
        return chain.read_head(), 0
    return chain.look()


def _of_head(head: Position | None, walk: _Walk) -> Iterator[Finding]:
    if head is None:
        if walk.count:
            yield Finding("head", str(paths.head_path()), "the head is gone, or is none")
    elif head.number > walk.last.number:
        text = f"entries after {walk.last.number} are missing: the head names {head.number}"
        yield Finding("missing", "the end", text)
    elif head not in walk.places:
        text = f"entry {head.number} is another one than the head names"
        yield Finding("head", str(paths.head_path()), text)
    elif head != walk.last:
        text = f"the head names {head.number}: what follows was written as a launch was killed"
        yield Finding(BEHIND, str(paths.head_path()), text)


class _Walk:
    """Goes along the chain."""

    def __init__(self, last: int) -> None:
        self._until = last
        self._before: Entry | None = None
        self._removed: set[Position] = set()
        self._start: tuple[Position, str] | None = None
        self._broken = False
        self.findings: list[Finding] = []
        self.places: set[Position] = {BEFORE}
        self.count = 0

    @property
    def first(self) -> int:
        """The number of the oldest entry."""
        return self._start[0].number + 1 if self._start else 0

    @property
    def last(self) -> Position:
        """The place of the newest entry."""
        return self._before.position if self._before else BEFORE

    def take(self, line: Line) -> bool:
        """Look at a line; return False behind the last one that counts."""
        entry = line.entry
        if entry is not None and entry.genuine and entry.position.number > self._until > 0:
            return False
        if entry is None or not entry.genuine:
            text = "it is no entry" if entry is None else "it is not what was written"
            self._find("changed", line, text)
            self._broken = True
            return True
        self._order(entry, line)
        self._clock(entry, line)
        if entry.kind == "removed":
            self._removed.add(_position(entry.document.get("through")))
        if "broken" in entry.document:
            self._find("noted", line, f"here the record was found changed: {_told(entry)}")
        self.places.add(entry.position)
        self.count += 1
        self._before, self._broken = entry, False
        return True

    def _order(self, entry: Entry, line: Line) -> None:
        previous = Position(entry.position.number - 1, str(entry.document.get("previous")))
        if self._before is None:
            self._start = (previous, str(line))
            return
        before = self._before.position
        if previous == before or self._broken or "broken" in entry.document:
            return
        number = entry.position.number
        if number > before.number + 1:
            text = f"entries {before.number + 1} to {number - 1} are missing"
            self._find("missing", line, text)
        elif number <= before.number:
            self._find("order", line, f"entry {number} stands behind {before.number}")
        else:
            self._find("changed", line, f"entry {number} does not follow {before.number}")

    def _clock(self, entry: Entry, line: Line) -> None:
        if self._before is None:
            return
        old, new = self._before.document, entry.document
        try:
            passed = (_moment(new) - _moment(old)).total_seconds()
            awake = float(new["uptime"]) - float(old["uptime"])
        except (ValueError, KeyError, TypeError):
            self._find("changed", line, "its times are none")
            return
        same = bool(new.get("boot")) and new.get("boot") == old.get("boot")
        if same and awake < 0:
            self._find("order", line, f"it was written {-awake:.0f} s before the one above it")
        elif same and abs(passed - awake) > _SLACK_SECONDS:
            way = "forward" if passed > awake else "back"
            self._find(CLOCK, line, f"the clock was set {way} by {abs(passed - awake):.0f} s")
        elif not same and passed < -_SLACK_SECONDS:
            self._find(CLOCK, line, f"the clock was set back by {-passed:.0f} s, or more")

    def _find(self, kind: str, line: Line, text: str) -> None:
        number = f"entry {line.entry.position.number} ({line})" if line.entry else str(line)
        self.findings.append(Finding(kind, number, text))

    def settle(self) -> Iterable[Finding]:
        """Say whether what is before the oldest entry went when its time was over."""
        if self._start is None:
            return ()
        previous, where = self._start
        if previous == BEFORE or previous in self._removed:
            return ()
        return (Finding("missing", where, f"entries up to {previous.number} are missing"),)


def _moment(document: Any) -> datetime:  # noqa: ANN401 (JSON)
    return datetime.fromisoformat(str(document["time"]))


def _position(found: object) -> Position:
    if isinstance(found, dict):
        number, digest = found.get("number"), found.get("digest")
        if isinstance(number, int) and isinstance(digest, str):
            return Position(number, digest)
    return BEFORE


def _told(entry: Entry) -> str:
    broken = entry.document["broken"]
    head, log = _position(broken.get("head")), _position(broken.get("log"))
    last = "no entry at its end" if log.number < 0 else f"entry {log.number} at its end"
    return f"the head named {head.number}, and there was {last}"
