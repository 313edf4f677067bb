"""A change as people read it: unified hunks, or a word on what cannot be shown so."""

from __future__ import annotations

import difflib
import os
import stat
from typing import TYPE_CHECKING, Final

from pinnace.layers.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.layers import Layer
    from pinnace.layers.changes import Change

_MOST_BYTES: Final = 1 << 18
_MOST_LINES: Final = 6000
_SHOWN: Final = "\t\n"
# No line of a text that is shown ends so.
_UNENDED: Final = "\0"
_NOTHING: Final = "/dev/null"


def shown(layer: Layer, change: Change) -> Iterator[str]:
    """Give the lines that show a change, without their ends.

    Raises:
        OSError: the layer or the project is not there.
    """
    yield f"diff --pinnace {change.path}"
    yield from notes(change)
    with Tree(layer.root) as theirs, Tree(layer.workspace) as ours:
        if change.what == "mode":
            yield f"old mode {_mode(ours, change.path)}, new mode {_mode(theirs, change.path)}"
            return
        old = b"" if change.what == "added" else _content(ours, change.path)
        new = b"" if change.what in {"deleted", "special"} else _content(theirs, change.path)
    yield from _hunks(change, old, new)


def notes(change: Change) -> Iterator[str]:
    """Give what there is to know of a change, a line each."""
    if change.conflict:
        yield "! it was changed here, too: it is not taken over"
    if change.refused:
        yield f"! {change.refused}: it is not taken over"
    if change.runs:
        yield f"! {change.runs}: it is taken over only by its name"


def _hunks(change: Change, old: bytes | None, new: bytes | None) -> Iterator[str]:
    if old is None or new is None:
        yield f"{change.what}: {change.size} bytes, too large to be shown"
        return
    before, after = _lines(old), _lines(new)
    if before is None or after is None:
        yield f"{change.what}: {change.size} bytes, binary"
        return
    if max(len(before), len(after)) > _MOST_LINES:
        yield f"{change.what}: {len(before)} lines, then {len(after)}: too many to be shown"
        return
    source = _NOTHING if change.what == "added" else f"a/{change.path}"
    target = _NOTHING if change.what == "deleted" else f"b/{change.path}"
    if before == after:
        yield f"{change.what}: empty"
    for line in difflib.unified_diff(before, after, source, target, lineterm=""):
        yield line.removesuffix(_UNENDED)
        if line.endswith(_UNENDED):
            yield "\\ No newline at end of file"


def _content(tree: Tree, path: str) -> bytes | None:
    """Return a file's content, a link's text as git has it; None: it is too large."""
    status = tree.status(path)
    if status is None:
        return b""
    if stat.S_ISLNK(status.st_mode):
        return os.fsencode(f"link to {tree.link(path)}")
    if not stat.S_ISREG(status.st_mode):
        return b""
    with os.fdopen(tree.open(path), "rb") as stream:
        data = stream.read(_MOST_BYTES + 1)
    return data if len(data) <= _MOST_BYTES else None


def _lines(data: bytes) -> list[str] | None:
    """Return a text's lines; None: it is none that can be shown as it is."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    lines = text.replace("\r\n", "\n").split("\n")
    if not all(c.isprintable() or c in _SHOWN for line in lines for c in line):
        return None
    return [*lines[:-1], *([lines[-1] + _UNENDED] if lines[-1] else [])]


def _mode(tree: Tree, path: str) -> str:
    status = tree.status(path)
    return f"{stat.S_IMODE(status.st_mode):o}" if status else "none"
