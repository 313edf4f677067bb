"""Which files are gone, by the names that there were: all are walked before and after a launch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace.workspace.names import MOST_KEPT, UNREAD
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.workspace.names import Names


class Gone(NamedTuple):
    """Files that are gone, or have another name.

    Attributes:
        paths: theirs, as they were.
        whole: all was looked at, before and after.
    """

    paths: tuple[str, ...]
    whole: bool


def between(before: Names, after: Names) -> Gone:
    """Return what went from one walk to the other."""
    unread = [path for path, one in after.directories.items() if one.found.get(path) == UNREAD]
    paths = tuple(path for path in _gone(before, after) if not path.startswith(_below(unread)))
    whole = before.whole and after.whole and not unread and before.total <= MOST_KEPT
    return Gone(paths, whole)


def _below(directories: list[str]) -> tuple[str, ...]:
    return tuple(f"{path}/" for path in directories)


def _gone(before: Names, after: Names) -> Iterator[str]:
    for place, old in before.directories.items():
        new = after.directories.get(place)
        # It holds the same names, or was not looked into.
        if new is old or (new is None and not after.whole):
            continue
        for name in old.files - (new.files if new else frozenset()):
            yield f"{place}/{name}"
