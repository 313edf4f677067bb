"""Take over what a layer changes: each file whole or not at all, none that was changed here."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pinnace.layers import marks, snapshot
from pinnace.layers.changes import Sides, refusal, stays_within
from pinnace.layers.tree import CHUNK, Entry, Tree, give
from pinnace_core import temporaries
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pinnace.layers import Layer
    from pinnace.layers.changes import Change

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_FILE: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
_RIGHTS: Final = 0o777
_CONFLICT: Final = "it was changed here, too"


class Outcome(NamedTuple):
    """What became of a change.

    Attributes:
        change: it.
        why: it was not taken over; empty: it was.
    """

    change: Change
    why: str = ""


def apply(layer: Layer, changes: Iterable[Change]) -> Iterator[Outcome]:
    """Take changes over one by one: what goes first, so that there is place for what comes.

    Raises:
        OSError: the layer or the project is not there.
    """
    ordered = sorted(changes, key=lambda one: (one.what != "deleted", one.path))
    with Tree(layer.root) as theirs, Tree(layer.workspace) as ours:
        sides = Sides.of(layer, theirs, ours)
        for change in ordered:
            try:
                why = change.refused or _applied(change, sides)
            except OSError as error:
                why = f"it cannot be: {error.strerror or error}"
            yield Outcome(change, why)


def _applied(change: Change, sides: Sides) -> str:
    """Take one over; return why not."""
    path = change.path
    ours = sides.ours.status(path)
    is_directory = ours is not None and stat.S_ISDIR(ours.st_mode)
    if is_directory or sides.is_conflict(path, ours):
        return _CONFLICT
    if change.what == "deleted":
        if _is_there(path, sides.theirs):
            return "it is there again"
        _remove(path, sides)
        return ""
    theirs = sides.theirs.status(path)
    if theirs is None:
        return "it is gone again"
    # What it is was seen a while ago, and whoever works in the layer may go on.
    if why := refusal(path, theirs, sides.theirs):
        return why
    return _put(change, theirs, ours, sides)


def _is_there(path: str, tree: Tree) -> bool:
    """Return whether a layer has a file there, or something else that is no directory."""
    status = tree.status(path)
    return status is not None and not (
        Entry(path, status).is_whiteout or Entry(path, status).is_directory
    )


def _remove(path: str, sides: Sides) -> None:
    """Remove a file, and the directories around it that are empty then and gone in the layer."""
    os.unlink(path.rpartition("/")[2], dir_fd=sides.ours.parent(path))
    above = path.rpartition("/")[0]
    while above and _is_gone(above, sides):
        try:
            os.rmdir(above.rpartition("/")[2], dir_fd=sides.ours.parent(above))
        except OSError:
            return
        above = above.rpartition("/")[0]


def _is_gone(path: str, sides: Sides) -> bool:
    """Return whether the layer has no such directory any more: it, or one around it, is hidden."""
    parts = path.split("/")
    for i in range(1, len(parts) + 1):
        status = sides.theirs.status("/".join(parts[:i]))
        if status is None:
            return any(sides.theirs.is_opaque("/".join(parts[:j])) for j in range(1, i))
        if not stat.S_ISDIR(status.st_mode):
            return True
    return False


def _put(change: Change, theirs: os.stat_result, ours: os.stat_result | None, sides: Sides) -> str:
    path = change.path
    around, _, name = path.rpartition("/")
    parent = sides.ours.parent(path, make=_RIGHTS)
    with temporaries.name_in(sides.ours.place / around) as temporary:
        try:
            if stat.S_ISLNK(theirs.st_mode):
                os.symlink(sides.theirs.link(path), temporary, dir_fd=parent)
            else:
                _copy(path, temporary, parent, sides)
            why = _unlike(change, temporary, parent, sides)
            return why or _move(temporary, name, parent, ours)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=parent)


def _unlike(change: Change, temporary: str, parent: int, sides: Sides) -> str:
    """Return why what has come is not what was looked at: it is judged once nobody changes it."""
    status = os.stat(temporary, dir_fd=parent, follow_symlinks=False)
    content = None
    if stat.S_ISLNK(status.st_mode):
        if not stays_within(change.path, os.readlink(temporary, dir_fd=parent)):
            return "it is a link that leads out"
    else:
        descriptor = os.open(temporary, _FILE, dir_fd=parent)
        with os.fdopen(descriptor, "rb") as stream:
            content = stream.read(marks.MOST_BYTES)
    by = marks.Sides(sides.theirs, sides.ours, sides.others)
    runs = "" if change.runs else marks.judged(change.path, content, by)
    return f"{runs}, as it is now: look at it again" if runs else ""


def _copy(path: str, temporary: str, parent: int, sides: Sides) -> None:
    target = os.open(temporary, _NEW, 0o600, dir_fd=parent)
    with os.fdopen(target, "wb") as stream, os.fdopen(sides.theirs.open(path), "rb") as source:
        mode = os.fstat(source.fileno()).st_mode
        while part := source.read(CHUNK):
            stream.write(part)
        give(target, parent)
        os.fchmod(target, mode & _RIGHTS)


def _move(temporary: str, name: str, parent: int, ours: os.stat_result | None) -> str:
    """Give it its name, if there is still what was there before; return why not."""
    if ours is None:
        with suppress(PermissionError, NotImplementedError):
            try:
                # Unlike a rename, this takes nobody's place; not all file systems have it.
                os.link(
                    temporary, name, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False
                )
            except FileExistsError:
                return _CONFLICT
            return ""
    now: os.stat_result | None = None
    with suppress(FileNotFoundError):
        now = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if snapshot.mark(now) != snapshot.mark(ours):
        return _CONFLICT
    os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    return ""
