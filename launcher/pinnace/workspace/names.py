"""Walk a workspace's names: once while a container starts, and once more for what changed since.

Nothing here follows a link, opens a file or waits. A directory whose own times are as before holds
the same names as before: nobody can set the time of its last change. The agent may be at work
meanwhile, so what is gone or cannot be read is no error.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from pinnace.workspace import executes, links, listed
from pinnace.workspace.executes import folded
from pinnace.workspace.listed import ENDINGS, FILES, GIT, MADE, TELLING
from pinnace.workspace.rules import Rule
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_NAMES: Final = 1_000_000
_MORE_NAMES: Final = 200_000
MOST_KEPT: Final = 200_000
"""Names that are kept, to tell which are gone; some 15 MB."""
_MOST_NEAR: Final = 4_000
# Coarser than any file system's clock: within it, two changes may look like one.
_JUST_NOW_NS: Final = 2_000_000_000
_PACKAGES: Final = frozenset({"node_modules", "site-packages"})
_BEGINNINGS: Final = tuple(listed.BEGINNINGS)
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
SPECIAL: Final = Rule("any tool", "waits or acts when it opens it")
SET_ID: Final = Rule("anybody", "runs it with the rights of its owner")
UNREAD: Final = Rule("git and others", "read what Pinnace cannot: look at it yourself")


# Of HEAD and refs, objects, commondir.
_LENGTHS_OF_GIT: Final = (4, 7, 9)
_NO_STATE: Final = (0, 0, 0, 0)


class Visit(NamedTuple):
    """A directory that is to be looked into.

    Attributes:
        path: of it.
        parts: below the workspace, folded; in a git directory, below that.
        git: it is a git directory, or lies in one.
        telling: a part of it is a name that tells.
        foreign: it is of an installed package, whose files are not taken for a project's.
        made: it is of what was built or installed, whose build files are not.
    """

    path: str
    parts: tuple[str, ...] = ()
    git: bool = False
    telling: bool = False
    foreign: bool = False
    made: bool = False


class Directory(NamedTuple):
    """A directory, as it was read.

    Attributes:
        state: what tells whether its names have changed.
        below: directories in it that are looked into.
        found: paths in it that are in scope, with why.
        size: number of its names.
        files: names of what is no directory.
        visit: how it was looked into: what is around it may make another of it.
    """

    state: tuple[int, int, int, int]
    below: tuple[Visit, ...]
    found: dict[str, Rule]
    size: int
    files: frozenset[str] = frozenset()
    visit: Visit | None = None


class Names(NamedTuple):
    """What a walk found.

    Attributes:
        directories: by their paths.
        whole: all was looked at; else there was too much.
        moment: when it began, in nanoseconds.
        total: number of all names.
    """

    directories: dict[str, Directory]
    whole: bool
    moment: int
    total: int

    def found(self) -> dict[str, Rule]:
        """Return all paths in scope, with why."""
        return {p: rule for one in self.directories.values() for p, rule in one.found.items()}


def walk(
    root: str, *, moment: int, known: Names | None = None, modes: bool = False, git: bool = False
) -> Names:
    """Walk all names below a directory.

    Args:
        root: absolute, real.
        moment: now, by the clock of the file system.
        known: of an earlier walk: what has not changed since is taken from there.
        modes: look at files' modes, too: nothing else keeps set-id bits away.
        git: it is a git directory itself.
    """
    most = min(MOST_NAMES, known.total + _MORE_NAMES) if known else MOST_NAMES
    seen: dict[str, Directory] = {}
    waiting, count = [Visit(root, git=git)], 0
    old = {} if known is None or modes or os.name == "nt" else known.directories
    before = known.moment - _JUST_NOW_NS if known else 0
    while waiting and count < most:
        visit = waiting.pop()
        found = _visited(visit, root, old.get(visit.path), before, modes=modes)
        count += found.size
        seen[visit.path] = found if count <= MOST_KEPT else found._replace(files=frozenset())
        waiting.extend(found.below)
    return Names(seen, not waiting, moment, count)


def near(root: str, telling: frozenset[str]) -> dict[str, Rule]:
    """Return what is in scope at the top, in directories there that tell, and in git's own.

    Of a few thousand names: whoever waits for it has not started anything yet.
    """
    found: dict[str, Rule] = {}
    waiting, top, left = [Visit(root)], True, _MOST_NEAR
    while waiting and left > 0:
        visit = waiting.pop(0)
        one = _visited(visit, root, None, 0, modes=False)
        found |= one.found
        left -= one.size
        waiting.extend(v for v in one.below if v.git or v.parts[-1] in telling or not top)
        top = False
    return found


def shallow(root: str, *, most: int) -> Iterator[str]:
    """Name git directories that lie near the top, the nearest first; a few names are read."""
    waiting = [root]
    while waiting and most > 0:
        following: list[str] = []
        for path in waiting:
            names = _listed(path)
            most -= len(names)
            following += [f"{path}/{n}" for n, is_dir in names if is_dir and n != GIT]
            if path != root and (GIT, True) in names:
                yield f"{path}/{GIT}"
            if most <= 0:
                return
        waiting = following


def _listed(path: str) -> list[tuple[str, bool]]:
    try:
        with os.scandir(path) as entries:
            return [(e.name, e.is_dir(follow_symlinks=False)) for e in entries]
    except OSError:
        return []


def _next(visit: Visit, name: str, *, repository: bool) -> Visit:
    path, name = f"{visit.path}/{name}", folded(name)
    if visit.git:
        return Visit(path, (*visit.parts, name), git=True)
    if name == GIT:
        return Visit(path, git=True)
    if repository:
        return Visit(path, (name,), git=True)
    telling, foreign = visit.telling or name in TELLING, visit.foreign or name in _PACKAGES
    made, parts = visit.made or name in MADE, (*visit.parts, name)
    # In their order: that is quicker, and there are many.
    return Visit(path, parts, False, telling, foreign, made)  # noqa: FBT003


def _visited(
    visit: Visit, root: str, known: Directory | None, before: int, *, modes: bool
) -> Directory:
    """Look into a directory; what it was is taken from `known` if that is still so."""
    try:
        same = known is not None and known.visit == visit
        if known is not None and same and _is_as_before(os.lstat(visit.path), known, before):
            return known
        descriptor = _opened(visit.path)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        return Directory(_NO_STATE, (), {} if gone else {visit.path: UNREAD}, 1)
    try:
        state = _state(os.stat(descriptor))  # noqa: PTH116 (of a descriptor)
        with os.scandir(descriptor) as entries:
            return _read(visit, root, state, entries, modes=modes)
    except OSError:
        return Directory(_NO_STATE, (), {visit.path: UNREAD}, 1)
    finally:
        if isinstance(descriptor, int):
            os.close(descriptor)


def _opened(path: str) -> int | str:
    """Open a directory that is no link; Windows opens none."""
    return path if os.name == "nt" else os.open(path, _FLAGS)


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


def _is_as_before(status: os.stat_result, known: Directory, before: int) -> bool:
    return status.st_ctime_ns < before and _state(status) == known.state


def _read(
    visit: Visit,
    root: str,
    state: tuple[int, int, int, int],
    entries: Iterable[os.DirEntry[str]],
    *,
    modes: bool,
) -> Directory:
    found: dict[str, Rule] = {}
    below: list[str] = []
    names: set[str] = set()
    for entry in entries:
        name = entry.name
        names.add(name)
        if entry.is_dir(follow_symlinks=False):
            below.append(name)
            continue
        rule = _rule(visit, folded(name))
        if (rule is None or rule.level) and entry.is_symlink():
            rule = links.rule(visit, name, root) or rule
        elif not entry.is_file(follow_symlinks=False) and not entry.is_symlink():
            rule = SPECIAL
        elif modes and (rule is None or rule.level) and _is_set_id(entry):
            rule = SET_ID
        if rule is not None:
            found[f"{visit.path}/{name}"] = rule
    files = frozenset(names.difference(below))
    repository = _is_repository(names)
    if repository:
        below = _of_repository(visit, names, below, found)
    visits = tuple(_next(visit, name, repository=repository) for name in below)
    return Directory(state, visits, found, len(names) + 1, files, visit)


def _of_repository(
    visit: Visit, names: set[str], below: list[str], found: dict[str, Rule]
) -> list[str]:
    """See to what git takes for a git directory, whatever it is called."""
    for name in names:
        rule = executes.of_git_directory((folded(name),))
        if rule is not None and name not in below:
            found.setdefault(f"{visit.path}/{name}", rule)
    return [name for name in below if folded(name) not in listed.NO_CONFIGURATION]


def _is_repository(names: set[str]) -> bool:
    known = {name.casefold() for name in names if len(name) in _LENGTHS_OF_GIT}
    return "head" in known and ({"objects", "refs"} <= known or "commondir" in known)


def _rule(visit: Visit, name: str) -> Rule | None:
    """Return why a file counts, by its name, folded."""
    if visit.git:
        return executes.of_git_directory((*visit.parts, name))
    if name == GIT:
        return listed.REPOSITORY
    if visit.foreign:
        return (
            executes.rule((*visit.parts, name)) if name.endswith((".pth", "customize.py")) else None
        )
    rule = FILES.get(name)
    if (rule is None or rule.level) and (
        visit.telling or executes.ending(name) in ENDINGS or name.startswith(_BEGINNINGS)
    ):
        rule = executes.rule((*visit.parts, name)) or rule
    if rule is not None and rule.level and visit.made:
        return None
    # A link in place of such a directory.
    return rule or listed.DIRECTORIES.get(name)


def _is_set_id(entry: os.DirEntry[str]) -> bool:
    try:
        return bool(entry.stat(follow_symlinks=False).st_mode & (stat.S_ISUID | stat.S_ISGID))
    except OSError:
        return False
