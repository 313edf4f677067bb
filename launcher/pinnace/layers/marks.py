"""Changes of what this machine runs, or goes by, without being asked."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pinnace.workspace import contents, executes, links, listed
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pinnace.layers.tree import Entry, Tree
    from pinnace.workspace.rules import Rule

_NONE: Final[Mapping[str, str]] = MappingProxyType({})

_REFERS: Final = re.compile(rb"ref:|[0-9a-f]{40}")
_REPOSITORY: Final = "git takes its directory for a repository, and runs what that names"
_OF_REPOSITORIES: Final = frozenset({"config", "config.worktree", "commondir"})
# More than any of them judges: such a file counts as a whole.
MOST_BYTES: Final = 2 << 20


def runs(path: str, theirs: Tree, ours: Tree, others: Mapping[str, str] = _NONE) -> str:
    """Return who would run a file, or do what it says, and when; empty: nobody unasked.

    Args:
        path: of it.
        theirs: the tree that has it.
        ours: one that may have it already: what counts of it may be the same.
        others: names that directories have by links, see `other_names`.
    """
    status = theirs.status(path)
    is_link = status is not None and stat.S_ISLNK(status.st_mode)
    return judged(path, None if is_link else _content(theirs, path), Sides(theirs, ours, others))


class Sides(NamedTuple):
    """What a change is judged by.

    Attributes:
        theirs: the tree that has it.
        ours: one that may have it already: what counts of it may be the same.
        others: names that directories have by links, see `other_names`.
    """

    theirs: Tree
    ours: Tree
    others: Mapping[str, str]


def judged(path: str, content: bytes | None, sides: Sides) -> str:
    """Return who would run it, likewise, by its content; None: it is a link."""
    is_link = content is None
    for name in (path, *_by_links(path, sides.others)):
        rule = executes.rule_of(name) or (links.by_path(name) if is_link else None)
        # What a link leads to may be another one tomorrow: there is nothing to be judged.
        alone = rule is not None and not rule.level
        if (
            rule is not None
            and alone
            and (content is None or _counts(rule, path, content, sides.ours))
        ):
            return f"{rule.by} {rule.why}"
    is_one = _makes_repository(executes.folded(path), path, content or b"", sides)
    return _REPOSITORY if is_one else ""


def _counts(rule: Rule, path: str, content: bytes, ours: Tree) -> bool:
    if not rule.judge:
        return True
    counts = contents.counting(rule, content)
    return bool(counts) and counts != contents.counting(rule, _content(ours, path))


def other_names(tree: Tree) -> dict[str, str]:
    """Return which directories have another name by a link: it, by what it leads to.

    Of links at the top, and in directories there whose names tell.
    """
    found: dict[str, str] = {}
    top = tree.entries("")
    for entry in top:
        inside = entry.is_directory and executes.folded(entry.path) in listed.TELLING
        for one in (entry, *(tree.entries(entry.path) if inside else ())):
            with suppress(OSError):
                found |= _named(tree, one)
    return found


def _named(tree: Tree, entry: Entry) -> dict[str, str]:
    if not stat.S_ISLNK(entry.status.st_mode) or links.by_path(entry.path) is None:
        return {}
    around = entry.path.rpartition("/")[0]
    return {posixpath.normpath(posixpath.join(around, tree.link(entry.path))): entry.path}


def _by_links(path: str, others: Mapping[str, str]) -> Iterator[str]:
    for target, name in others.items():
        if path.startswith(f"{target}/"):
            yield f"{name}{path[len(target) :]}"


def _makes_repository(lowered: str, path: str, content: bytes, sides: Sides) -> bool:
    """Return whether git would take the directory around a file for a repository, and go by it.

    Its own rule is: HEAD, and beside it objects and refs, or where these are.
    """
    around, _, name = lowered.rpartition("/")
    if name == "head":
        return _REFERS.match(content) is not None or not content
    place = path[: len(around)]
    if around.rpartition("/")[2] == "hooks" and not name.endswith(".sample"):
        place = place.rpartition("/")[0]
    elif name not in _OF_REPOSITORIES:
        return False
    beside = f"{place}/HEAD" if place else "HEAD"
    return any(tree.status(beside) is not None for tree in (sides.theirs, sides.ours))


def _content(tree: Tree, path: str) -> bytes:
    try:
        with os.fdopen(tree.open(path), "rb") as stream:
            return stream.read(MOST_BYTES)
    except OSError:
        return b""
