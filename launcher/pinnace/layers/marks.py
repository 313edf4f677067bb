"""Changes of what this machine runs, or goes by, without being asked."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from pinnace.workspace import contents, executes

if TYPE_CHECKING:
    from pinnace.layers.tree import Tree

_REFERS: Final = re.compile(rb"ref:|[0-9a-f]{40}")
_REPOSITORY: Final = "git takes its directory for a repository, and runs what that names"
_OF_REPOSITORIES: Final = frozenset({"config", "config.worktree", "commondir"})
# More than any of them judges: such a file counts as a whole.
_MOST_BYTES: Final = 2 << 20


def runs(path: str, theirs: Tree, ours: Tree) -> str:
    """Return who would run a file, or do what it says, and when; empty: nobody unasked.

    Args:
        path: of it.
        theirs: the tree that has it.
        ours: one that may have it already: what counts of it may be the same.
    """
    # Some file systems take names for each other that differ in their letters' case.
    rule = executes.rule_of(path) or executes.rule_of(path.lower())
    if rule is None:
        return _REPOSITORY if _makes_repository(path.lower(), path, theirs, ours) else ""
    if rule.judge:
        counts = contents.counting(rule, _content(theirs, path))
        if not counts or counts == contents.counting(rule, _content(ours, path)):
            return ""
    return f"{rule.by} {rule.why}"


def _makes_repository(lowered: str, path: str, theirs: Tree, ours: Tree) -> bool:
    """Return whether git would take the directory around a file for a repository, and go by it.

    Its own rule is: HEAD, and beside it objects and refs, or where these are.
    """
    around, _, name = lowered.rpartition("/")
    if name == "head":
        content = _content(theirs, path)
        return _REFERS.match(content) is not None or not content
    place = path[: len(around)]
    if around.rpartition("/")[2] == "hooks" and not name.endswith(".sample"):
        place = place.rpartition("/")[0]
    elif name not in _OF_REPOSITORIES:
        return False
    beside = f"{place}/HEAD" if place else "HEAD"
    return any(tree.status(beside) is not None for tree in (theirs, ours))


def _content(tree: Tree, path: str) -> bytes:
    try:
        with os.fdopen(tree.open(path), "rb") as stream:
            return stream.read(_MOST_BYTES)
    except OSError:
        return b""
