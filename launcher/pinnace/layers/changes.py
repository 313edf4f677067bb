"""What a layer would change in its project, and what of that may not be.

Only files and links count: directories are made and removed with what is in them. Of git's own
directories nothing is a change; what was committed comes by `commits`.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, Literal

from pinnace.layers import marks, repository, snapshot
from pinnace.layers.tree import CHUNK, MARKS, Tree, is_git
from pinnace_core.errors import TooManyChangesError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pinnace.layers import Layer
    from pinnace.layers.tree import Entry

What = Literal["added", "changed", "deleted", "mode", "type", "special"]
MOST: Final = 200_000
_SET_ID: Final = stat.S_ISUID | stat.S_ISGID
OWN: Final = "own"
"""Name of the marks of a clone's own files, as they were made."""


class Change(NamedTuple):
    """A file or link that differs.

    Attributes:
        path: relative to the project.
        what: became of it.
        size: in the layer, in bytes.
        conflict: it was changed here, too, since the layer was begun.
        refused: why it never comes over; or empty.
        runs: who on this machine would run it, or do what it says, unasked; or empty.
        ignored: the project's git ignores it.
    """

    path: str
    what: What
    size: int = 0
    conflict: bool = False
    refused: str = ""
    runs: str = ""
    ignored: bool = False


class Sides(NamedTuple):
    """What is compared.

    Attributes:
        theirs: what the launch has written.
        ours: the project.
        base: marks of the project, as it was at the beginning; None: not known.
        begun: that moment.
        others: names that directories of the project have by links.
    """

    theirs: Tree
    ours: Tree
    base: Mapping[str, str] | None
    begun: float
    others: Mapping[str, str]

    @classmethod
    def of(cls, layer: Layer, theirs: Tree, ours: Tree) -> Sides:
        """Return what is to be compared of a layer."""
        base = snapshot.read(layer.place)
        return cls(theirs, ours, base, layer.begun, marks.other_names(ours))

    def is_conflict(self, path: str, ours: os.stat_result | None) -> bool:
        """Return whether the project's own file is another one than at the beginning."""
        if self.base is not None:
            return snapshot.mark(ours) != self.base.get(path, "")
        return ours is not None and ours.st_ctime >= self.begun


def differences(layer: Layer) -> list[Change]:
    """Return all changes, by path.

    Raises:
        OSError: the layer or the project is not there.
        TooManyChangesError: nobody could look through them.
    """
    found: dict[str, Change] = {}
    with Tree(layer.root) as theirs, Tree(layer.workspace) as ours:
        sides = Sides.of(layer, theirs, ours)
        for path, status in _candidates(layer, sides):
            try:
                change = _judged(path, status, sides)
            except OSError:
                # Whoever works in the layer may go on.
                change = Change(path, "special", refused="it changes just now")
            if change is not None:
                found[path] = change
            if len(found) > MOST:
                raise TooManyChangesError(
                    f"'{layer.name}' changes more than {MOST} files",
                    hint="take what you need from its directory by hand: "
                    f"{layer.root}; then: pinnace review drop",
                )
    ignored = repository.ignored(layer, found) if layer.git and found else set()
    return [found[path]._replace(ignored=path in ignored) for path in sorted(found)]


def _candidates(layer: Layer, sides: Sides) -> Iterator[tuple[str, os.stat_result | None]]:
    """Give paths that may differ, and what the layer has there; None: nothing any more."""
    if layer.kind == "review":
        yield from _of_upper(sides)
        return
    known = snapshot.read(layer.place, name=OWN) or {}
    there = set()
    for path, status in sides.theirs.files():
        there.add(path)
        if snapshot.mark(status) != known.get(path):
            yield path, status
    for path in known.keys() - there:
        yield path, None


def _of_upper(sides: Sides) -> Iterator[tuple[str, os.stat_result | None]]:
    stack = [""]
    while stack:
        here = stack.pop()
        if here and sides.theirs.is_opaque(here):
            yield from ((path, None) for path in _hidden(here, sides))
        for entry in sides.theirs.entries(here):
            name = entry.path.rpartition("/")[2]
            if is_git(name) or name in MARKS:
                continue
            if entry.is_directory:
                stack.append(entry.path)
            if entry.is_directory or entry.is_whiteout:
                yield from ((path, None) for path in _replaced(entry, sides))
            else:
                yield from ((file.path, None) for file in _inside(entry.path, sides.ours))
                yield entry


def _hidden(path: str, sides: Sides) -> Iterator[str]:
    for file in sides.ours.files(path):
        with suppress(OSError):
            if sides.theirs.status(file.path) is None:
                yield file.path


def _replaced(entry: Entry, sides: Sides) -> Iterator[str]:
    """Give what the project has where the layer has a directory instead, or nothing."""
    ours = sides.ours.status(entry.path)
    if ours is not None and not stat.S_ISDIR(ours.st_mode):
        yield entry.path
    elif entry.is_whiteout:
        yield from (file.path for file in _inside(entry.path, sides.ours))


def _inside(path: str, tree: Tree) -> Iterator[Entry]:
    status = tree.status(path)
    if status is not None and stat.S_ISDIR(status.st_mode):
        yield from tree.files(path)


def _judged(path: str, theirs: os.stat_result | None, sides: Sides) -> Change | None:
    """Return what a path's change is; None: there is none."""
    ours = sides.ours.status(path)
    if ours is not None and stat.S_ISDIR(ours.st_mode):
        ours = None
    what = _what(path, theirs, ours, sides)
    if what is None:
        return None
    return Change(
        path,
        what,
        size=theirs.st_size if theirs is not None else 0,
        conflict=sides.is_conflict(path, ours),
        refused=refusal(path, theirs, sides.theirs),
        runs="" if theirs is None else marks.runs(path, sides.theirs, sides.ours, sides.others),
    )


def _what(
    path: str, theirs: os.stat_result | None, ours: os.stat_result | None, sides: Sides
) -> What | None:
    if theirs is None:
        return None if ours is None else "deleted"
    kind = stat.S_IFMT(theirs.st_mode)
    if kind not in {stat.S_IFREG, stat.S_IFLNK}:
        return "special"
    if ours is None:
        return "added"
    if kind != stat.S_IFMT(ours.st_mode):
        return "type"
    if not _is_same(path, theirs, ours, sides):
        return "changed"
    rights = kind == stat.S_IFREG and (theirs.st_mode ^ ours.st_mode) & 0o7777
    return "mode" if rights else None


def _is_same(path: str, theirs: os.stat_result, ours: os.stat_result, sides: Sides) -> bool:
    if stat.S_ISLNK(theirs.st_mode):
        return sides.theirs.link(path) == sides.ours.link(path)
    if theirs.st_size != ours.st_size:
        return False
    with ExitStack() as stack:
        try:
            first = stack.enter_context(os.fdopen(sides.theirs.open(path), "rb"))
            second = stack.enter_context(os.fdopen(sides.ours.open(path), "rb"))
        except OSError:
            return False
        while (part := first.read(CHUNK)) == second.read(CHUNK):
            if not part:
                return True
    return False


def refusal(path: str, theirs: os.stat_result | None, tree: Tree) -> str:
    """Return why something never comes out of a layer; empty: it may."""
    if theirs is None:
        return ""
    if stat.S_ISLNK(theirs.st_mode):
        return "" if stays_within(path, tree.link(path)) else "it is a link that leads out"
    if not stat.S_ISREG(theirs.st_mode):
        return "it is a device, a pipe or a socket"
    return "it has a set-id bit" if theirs.st_mode & _SET_ID else ""


def stays_within(path: str, link: str) -> bool:
    """Return whether a link leads to the project's own files, whatever other links there are.

    So `..` may only stand at its beginning: behind a link's name, it could lead anywhere.
    """
    names = link.split("/")
    up = next((i for i, name in enumerate(names) if name != ".."), len(names))
    plain = not link.startswith("/") and ".." not in names[up:]
    return plain and up <= path.count("/") and not any(map(is_git, names))
