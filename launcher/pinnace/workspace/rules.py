"""What a table of what this machine runs is made of: rows, each a program and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BUILD: Final = "build"
"""Level of what is run by the next build, or by an editor that evaluates a project's build."""


class Rule(NamedTuple):
    """Why a file is one of these.

    Attributes:
        by: who runs it, or what it names.
        why: when.
        judge: name of a function in `contents`, that says which part of it counts; empty: all.
        level: empty: it is run without being asked for, or fetches from where it says.
    """

    by: str
    why: str
    judge: str = ""
    level: str = ""


class Row(NamedTuple):
    """A program, and the files that have it run something: words with spaces between.

    Attributes:
        by: who runs them, or what they name.
        why: when.
        files: by their names, wherever they lie.
        directories: by their names, or by two: all that is in them.
        endings: of names, from their last dot on.
        placed: the last two or three parts of a path.
        beginnings: of names; with `*` between, how they end.
        judge: as a rule's.
        source: where it is told.
        level: as a rule's.
    """

    by: str
    why: str
    files: str = ""
    directories: str = ""
    endings: str = ""
    placed: str = ""
    beginnings: str = ""
    judge: str = ""
    source: str = ""
    level: str = ""

    @property
    def rule(self) -> Rule:
        """What it says of each of its files."""
        return Rule(self.by, self.why, self.judge, self.level)


def by_name(rows: Iterable[Row], kind: str) -> dict[str, Rule]:
    """Return the rules of rows by the names of one kind, folded; a later row wins."""
    found: dict[str, Rule] = {}
    for row in rows:
        names = getattr(row, kind)
        if names:
            found |= dict.fromkeys(names.casefold().split(), row.rule)
    return found


def beginnings(rows: Iterable[Row]) -> dict[str, tuple[str, Rule]]:
    """Return how names begin, with how they end, and the rule."""
    pairs = ((row, one) for row in rows for one in row.beginnings.casefold().split())
    return {begins: (ends, row.rule) for row, (begins, ends) in _halves(pairs)}


def _halves(pairs: Iterable[tuple[Row, str]]) -> Iterator[tuple[Row, tuple[str, str]]]:
    for row, one in pairs:
        begins, _, ends = one.partition("*")
        yield row, (begins, ends)


def with_endings(names: str, endings: str) -> str:
    """Return names as they are, and with each ending."""
    return "".join(f"{n} {' '.join(f'{n}.{e}' for e in endings.split())} " for n in names.split())
