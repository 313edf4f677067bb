"""What stands at the top of a directory, and its git directories: read once, for decisions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.workspace import git, index, listed, names, store
from pinnace_core.files import read_untrusted
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pinnace_core.host import HostFacts

_MOST_NEAR: Final = 3_000
_MOST_BYTES: Final = 1 << 16
_MOST_MODULES: Final = 12
_MOST_NESTED: Final = 8
_GITDIR: Final = b"gitdir: "
_CLAUDE: Final = ".claude"


class GitDirectory(NamedTuple):
    """A git directory.

    Attributes:
        place: absolute, real.
        names: of what is in it that is a plain file or directory, and no link.
        links: of the links in it.
        attributes: it has `info/attributes`.
        modules: git directories of its submodules.
        per_worktree: its configuration says that worktrees have their own.
    """

    place: str
    names: frozenset[str]
    links: frozenset[str] = frozenset()
    attributes: bool = False
    modules: tuple[GitDirectory, ...] = ()
    per_worktree: bool = False


class Tree(NamedTuple):
    """A directory that is mounted writable.

    Attributes:
        root: absolute, real.
        git: its own git directory, if it has one, or is one.
        elsewhere: what its `.git` file names; empty: it has none.
        nested: git directories further down.
        guarded: paths below it that are there, are not tracked, and no links.
        tracked: likewise, but tracked: git has to be able to change them.
    """

    root: str
    git: GitDirectory | None = None
    elsewhere: str = ""
    nested: tuple[GitDirectory, ...] = ()
    guarded: tuple[str, ...] = ()
    tracked: tuple[str, ...] = ()


def read(root: str, facts: HostFacts) -> Tree:
    """Read what there is; what cannot be read is not there.

    Args:
        root: absolute, real.
        facts: the host.
    """
    top = _kinds(root)
    if "HEAD" in top and {"objects", "refs"} <= top.keys():
        return Tree(root, _git(root))
    own, elsewhere = None, ""
    if top.get(listed.GIT) == "directory":
        own = _git(f"{root}/{listed.GIT}")
    elif top.get(listed.GIT) == "file":
        elsewhere = _named(root)
    elif top.get(listed.GIT) == "link":
        real = os.path.realpath(f"{root}/{listed.GIT}")
        own = _git(real) if real.startswith(f"{root}/") else None
    candidates = list(_candidates(root, top))
    index_of = own.place if own else elsewhere
    held = index.tracked(index_of, candidates, lambda n: _asked(n, root, facts)) if index_of else ()
    return Tree(
        root,
        own,
        elsewhere,
        nested=tuple(map(_git, _nested(root))),
        guarded=tuple(name for name in candidates if name not in held),
        tracked=tuple(name for name in candidates if name in held),
    )


def _candidates(root: str, top: dict[str, str]) -> Iterator[str]:
    for name in sorted(listed.GUARDED & top.keys()):
        if top[name] in {"file", "directory"}:
            yield name
    if top.get(_CLAUDE) == "directory":
        kinds = _kinds(f"{root}/{_CLAUDE}")
        for name in listed.GUARDED_OF_CLAUDE:
            if kinds.get(name) in {"file", "directory"}:
                yield f"{_CLAUDE}/{name}"


def _asked(wanted: Iterable[str], root: str, facts: HostFacts) -> str | None:
    return git.answer(("ls-files", "-z", "--cached", "--", *wanted), facts, root)


def _kinds(path: str) -> dict[str, str]:
    """Return what is in a directory, with what it is."""
    found: dict[str, str] = {}
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                is_dir = entry.is_dir(follow_symlinks=False)
                plain = "file" if entry.is_file(follow_symlinks=False) else "other"
                kind = "directory" if is_dir else plain
                found[entry.name] = "link" if entry.is_symlink() else kind
    except OSError:
        return found
    return found


def _git(place: str) -> GitDirectory:
    kinds = _kinds(place)
    links = frozenset(name for name, kind in kinds.items() if kind == "link")
    attributes = os.path.isfile(f"{place}/info/attributes")  # noqa: PTH113 (every launch)
    modules = () if kinds.get("modules") != "directory" else tuple(_modules(f"{place}/modules"))
    plain = frozenset(n for n, kind in kinds.items() if kind in {"file", "directory"})
    return GitDirectory(place, plain, links, attributes, modules, _is_per_worktree(place))


def _is_per_worktree(place: str) -> bool:
    try:
        data = read_untrusted(Path(place, "config"), most=_MOST_BYTES)
    except OSError:
        return False
    return b"worktreeconfig" in data.lower()


def _modules(directory: str) -> Iterator[GitDirectory]:
    """Find the git directories of submodules: names of theirs may have slashes."""
    waiting, found = [directory], 0
    while waiting and found < _MOST_MODULES:
        place = waiting.pop()
        kinds = _kinds(place)
        if "HEAD" in kinds:
            found += 1
            yield _git(place)
        else:
            waiting += [f"{place}/{n}" for n, kind in sorted(kinds.items()) if kind == "directory"]


def _named(root: str) -> str:
    """Return what a `.git` file names, unverified; empty if it names nothing."""
    try:
        data = read_untrusted(Path(root, listed.GIT), most=_MOST_BYTES)
        text = os.fsdecode(data.removeprefix(_GITDIR).rstrip(b"\r\n"))
        return os.path.realpath(os.path.join(root, text)) if data.startswith(_GITDIR) else ""  # noqa: PTH118
    except (OSError, ValueError):
        return ""


def _nested(root: str) -> list[str]:
    """Name git directories further down: those that are known, else those that lie near the top."""
    known = store.Store(root).baseline()
    if known is None or not known.whole:
        found = list(names.shallow(root, most=_MOST_NEAR))
    else:
        ending = f"/{listed.GIT}/config"
        found = [p.removesuffix("/config") for p in known.digests if p.endswith(ending)]
        found = [p for p in found if p.startswith(f"{root}/") and p != f"{root}/{listed.GIT}"]
    plain = [p for p in found if os.path.isdir(p) and os.path.realpath(p) == p]  # noqa: PTH112
    return plain[:_MOST_NESTED]
