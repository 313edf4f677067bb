"""What of a git repository lies outside of the project: of worktrees, of submodules.

A `.git` file is content of the project, so whoever wrote the project may have written it. What it
names is mounted only if it names this project in return, in a place that is not the project's.
"""

from __future__ import annotations

import os
import posixpath
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.config.project import inside
from pinnace.plan import Contribution
from pinnace_core.container import Mount
from pinnace_core.errors import UnsafeRequestError
from pinnace_core.files import read_untrusted, resolved
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from pinnace.config import Settings
    from pinnace.config.project import Workspace
    from pinnace.plan import Inputs
    from pinnace_core.host import HostFacts

_MOST_BYTES: Final = 64 << 10
# https://git-scm.com/docs/git-config: extensions.relativeWorktrees, of git 2.48; Debian has 2.47.
_RELATIVE: Final = (
    "git does not work inside: the repository has extensions.relativeWorktrees, which the image's "
    "git does not know; to undo it: git worktree repair --no-relative-paths, then "
    "git config --unset extensions.relativeWorktrees"
)
_SHARES: Final = (
    "git does not commit inside: the repository has core.sharedRepository, which takes a set-id "
    "bit on directories; to undo it: git config --unset core.sharedRepository"
)
_OPTIONS: Final = (b"relativeworktrees", b"sharedrepository")
# Of the values, those that share nothing.
_SHARED: Final = rb"^\s*sharedrepository\s*+(?!=\s*+(?:umask|false|no|off|0)\s*+$)"
HERE: Final = "./"
"""Of a `commondir` of Pinnace's own, see `protect`; without the slash, libgit2 finds nothing."""
_LENT: Final = "objects/info/alternates"


class _Pointer(NamedTuple):
    """A name of a directory in a file of git's, and the directory.

    Attributes:
        text: as it is written.
        real: what it is on the host, without links.
    """

    text: str
    real: Path


def is_needed(project: Workspace) -> bool:
    """Return whether anything is to be looked at; few questions to the file system."""
    place = f"{project.source}/.git"
    if not os.path.isdir(place) or os.path.islink(place):  # noqa: PTH112, PTH114 (every launch)
        return os.path.lexists(place)
    data = _configuration(Path(place))
    if any(option in data for option in _OPTIONS):
        return True
    return any(os.path.exists(f"{place}/{name}") for name in ("commondir", _LENT))  # noqa: PTH110


def contribute(inputs: Inputs) -> Contribution:
    """Mount the common directory of a repository whose `.git` is a file.

    Raises:
        UnsafeRequestError: the `.git` file names a directory that is not this project's.
    """
    settings, project = inputs.settings, inputs.project
    dot_git = Path(project.source, ".git")
    if dot_git.is_symlink() and not resolved(dot_git).is_relative_to(project.source):
        return _note("'.git' is a link that leads out of the project: git does not work inside")
    if dot_git.is_dir() and _OPTIONS[0] in _configuration(dot_git):
        return _note(_RELATIVE)
    if dot_git.is_dir():
        if _line(dot_git / "commondir") not in {"", HERE}:
            return _note("'.git/commondir' names another directory: git may not work inside")
        notes = (*_unfit(dot_git), *lenders(dot_git, settings, project))
        return Contribution(notes=notes)
    return _elsewhere(settings, inputs.facts, project)


def directories(facts: HostFacts, project: Workspace) -> tuple[Path, Path] | None:
    """Return the project's git directory, and what it shares with other worktrees.

    None: there is none, or none to go by.

    Raises:
        UnsafeRequestError: the `.git` file names a directory that is not this project's.
    """
    dot_git = Path(project.source, ".git")
    if dot_git.is_dir():
        plain = not dot_git.is_symlink() and _line(dot_git / "commondir") in {"", HERE}
        return (dot_git, dot_git) if plain and looks_like_git(dot_git) else None
    pointer = _git_directory(project)
    if pointer is None:
        return None
    if pointer.real.is_relative_to(project.source):
        return (pointer.real, pointer.real) if looks_like_git(pointer.real) else None
    return pointer.real, _verified(pointer, facts, project)


def _elsewhere(settings: Settings, facts: HostFacts, project: Workspace) -> Contribution:
    pointer = _git_directory(project)
    if pointer is None:
        return _note("what the file '.git' names is not there: git does not work inside")
    if pointer.real.is_relative_to(project.source):
        return Contribution()
    if facts.os == "windows" and not pointer.text.startswith("."):
        return _note(
            "git does not work inside: the file '.git' holds a path of Windows; "
            "a clone of its own works"
        )
    common = _verified(pointer, facts, project)
    return Contribution(
        _mounts(pointer, common, project),
        notes=(*_unfit(common), *lenders(common, settings, project)),
    )


def _unfit(git_directory: Path) -> tuple[str, ...]:
    """Say what of a repository's configuration keeps git from working inside."""
    import re

    data = _configuration(git_directory)
    # Only a git from 2.48 on opens a repository with the first one; older ones refuse all of it.
    relative = _OPTIONS[0] in data
    shared = re.search(_SHARED, data, re.MULTILINE) is not None
    return ((_RELATIVE,) if relative else ()) + ((_SHARES,) if shared else ())


def _configuration(git_directory: Path) -> bytes:
    """Return a repository's configuration in lower case; nothing if it cannot be read."""
    try:
        return read_untrusted(git_directory / "config", most=_MOST_BYTES).lower()
    except OSError:
        return b""


def git_directory(project: Workspace) -> Path | None:
    """Return the git directory, unverified: good for a look at the age of files in it."""
    dot_git = Path(project.source, ".git")
    if dot_git.is_dir():
        return dot_git
    pointer = _git_directory(project)
    return pointer.real if pointer else None


def _note(text: str) -> Contribution:
    return Contribution(notes=(text,))


def _git_directory(project: Workspace) -> _Pointer | None:
    text = _line(Path(project.source, ".git"), "gitdir: ")
    return _pointer(text, Path(project.source)) if text else None


def _pointer(text: str, base: Path) -> _Pointer | None:
    try:
        real = Path(base, text).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return None
    return _Pointer(text, real) if real.is_dir() else None


def _line(path: Path, prefix: str = "") -> str:
    """Return the one line of a file of git's; empty if it holds anything else."""
    try:
        text = os.fsdecode(read_untrusted(path, most=_MOST_BYTES))
    except OSError:
        return ""
    text = text.rstrip("\r\n")
    return text.removeprefix(prefix) if text.startswith(prefix) and "\0" not in text else ""


def _verified(pointer: _Pointer, facts: HostFacts, project: Workspace) -> Path:
    """Return the common directory, if it is one and knows this project."""
    named = _line(pointer.real / "commondir")
    common = resolved(pointer.real / named) if named else pointer.real
    # Git itself always makes it so. Elsewhere, a `commondir` may be the work of a project.
    placed = not named or pointer.real.parent == common / "worktrees"
    if not _is_plainly(pointer, project.source, project):
        raise _refused(pointer, "is reached through a link in the project")
    if named and not _is_plainly(_Pointer(named, common), str(pointer.real), project):
        raise _refused(pointer, "names its repository through a link in the project")
    known = _worktree_of(pointer.real) if named else _configured_worktree(common, facts)
    if not placed or known is None or known != Path(project.source):
        raise _refused(pointer, "does not name this directory as its worktree")
    if not looks_like_git(common):
        raise _refused(pointer, "is not a git directory")
    owners = {facts.uid, project.owner[0]}
    if {common.stat().st_uid, pointer.real.stat().st_uid} - owners:
        raise _refused(pointer, "belongs to somebody else")
    home = Path(facts.home).resolve()
    if common == home or common in home.parents:
        raise _refused(pointer, "is around your home directory")
    return common


def _is_plainly(pointer: _Pointer, base: str, project: Workspace) -> bool:
    """See that a name means the same with and without links: inside, it is a place to mount at.

    Through a link in the project, it could be any place of the image's.
    """
    plain = Path(os.path.normpath(Path(base, pointer.text)))
    in_project = any(plain.is_relative_to(root) for root in (project.source, project.target))
    return not in_project and resolved(plain) == pointer.real


def _refused(pointer: _Pointer, why: str) -> UnsafeRequestError:
    return UnsafeRequestError(
        f"the project's '.git' file names '{pointer.real}', which {why}: it is not mounted",
        hint="if it is a worktree that was moved: git worktree repair; else remove the file",
    )


def _worktree_of(git_directory: Path) -> Path | None:
    """Follow a worktree's back pointer to the directory that holds the `.git` file."""
    text = _line(git_directory / "gitdir")
    if not text or Path(text).name != ".git":
        return None
    return resolved(Path(git_directory, text).parent)


def _configured_worktree(git_directory: Path, facts: HostFacts) -> Path | None:
    """Ask a submodule's git directory where its files are."""
    from pinnace.plan.contributors import git

    text = git.value(git_directory / "config", "core.worktree", facts)
    return resolved(Path(git_directory, text)) if text else None


def looks_like_git(directory: Path) -> bool:
    """See that a directory is what git calls one (its own rule: HEAD, objects and refs)."""
    head = _line(directory / "HEAD")
    named = head.startswith("ref: refs/") or (len(head) >= 40 and head.isalnum())  # noqa: PLR2004 (a SHA-1)
    return named and _is_plain(directory / "objects") and _is_plain(directory / "refs")


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _mounts(pointer: _Pointer, common: Path, project: Workspace) -> tuple[Mount, ...]:
    """Mount it where the worktree's files say it is: on the host, a link may have led there."""
    git_directory = _seen(pointer.text, project.target)
    named = _line(pointer.real / "commondir")
    places = {_seen(named, git_directory) if named else git_directory}
    if named and posixpath.isabs(named):
        places.add(posixpath.dirname(posixpath.dirname(git_directory)))
    return tuple(Mount(str(common), inside(place, "linux")) for place in sorted(places))


def _seen(text: str, base: str) -> str:
    """Follow a name as git does inside, where there are no links on the way."""
    return posixpath.normpath(posixpath.join(base, text))


def lenders(common: Path, settings: Settings, project: Workspace) -> tuple[str, ...]:
    """Name the object directories elsewhere that the repository borrows from.

    The list is content of the project, and nothing in a lender names its borrowers. So they are
    never mounted by themselves: whoever works inside could read any repository of the user's.
    """
    asked = [Path(mount.source).resolve() for mount in settings.mounts]
    notes = []
    for line in _lines(common / _LENT):
        pointer = _pointer(line, common / "objects")
        known = (Path(project.source), common, *asked)
        if pointer and not any(pointer.real.is_relative_to(place) for place in known):
            notes.append(
                f"git will miss objects inside: the repository borrows from '{line}'; "
                "if you want Claude to read all of that, mount it read-only at the same path"
            )
    return tuple(notes)


def _lines(path: Path) -> list[str]:
    try:
        text = os.fsdecode(read_untrusted(path, most=_MOST_BYTES))
    except OSError:
        return []
    lines = (line.rstrip("\r") for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith("#") and "\0" not in line]
