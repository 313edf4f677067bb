"""Worktrees of a repository, one for each branch that is worked on beside the project.

Git sees nothing of what a repository names (`repositories`), and writes nothing but its records:
a worktree's files are checked out inside, see `branches`. Where a worktree lies is never taken from
the repository, which agents write to: the place follows from the branch's name, and what lies there
has to be a worktree of this repository's, as seen from both sides.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pinnace.config import project as workspace
from pinnace.launch import repositories
from pinnace.launch.repositories import Repository
from pinnace.plan.contributors import git_worktree
from pinnace_core.errors import (
    CannotWriteError,
    PinnaceError,
    UnsafeRequestError,
    UsageError,
    WorktreeFailedError,
)
from pinnace_core.files import cannot_write, read_untrusted
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinnace.config.project import Workspace
    from pinnace_core.host import HostFacts

_MOST_BYTES: Final = 1 << 16
_BRANCHES: Final = "refs/heads/"
_POINTER: Final = "gitdir: "


class Worktree(NamedTuple):
    """A branch's worktree.

    Attributes:
        branch: that is checked out there; empty: none is.
        path: of its files.
        git: its own part of the git directory.
    """

    branch: str
    path: Path
    git: Path

    @property
    def is_filled(self) -> bool:
        """Its files were checked out, once."""
        return os.path.lexists(self.git / "index")


def place_of(repository: Repository) -> Path:
    """Return the directory that holds a repository's worktrees: beside the project."""
    around = repository.common.parent if repository.common.name == ".git" else repository.common
    return around.with_name(f"{around.name.removesuffix('.git')}{workspace.WORKTREES}")


def of_project(facts: HostFacts, project: Workspace) -> Repository:
    """Return a project's repository.

    Raises:
        UsageError: it has none that has worktrees.
        UnsafeRequestError: what it names as its git directory is not its own.
    """
    found = git_worktree.directories(facts, project)
    if found is None:
        raise UsageError(
            f"'{project.source}' is no git repository that can have worktrees",
            hint="leave --branch out; or: git init",
        )
    return Repository(*found, project.owner)


def path_of(repository: Repository, branch: str) -> Path:
    """Return where a branch's worktree lies."""
    return place_of(repository) / branch.replace("/", "-")


def find(repository: Repository, branch: str, facts: HostFacts) -> Worktree | None:
    """Return a branch's worktree; None: there is none.

    Raises:
        UnsafeRequestError: what lies there is no worktree of this repository.
        WorktreeFailedError: another branch is checked out there.
    """
    path = path_of(repository, branch)
    if not os.path.lexists(path):
        return None
    found = at(repository, path, facts)
    if found is None:
        raise UnsafeRequestError(
            f"'{path}' is no worktree of this repository",
            hint="move it away, or name the branch otherwise",
        )
    if found.branch != branch:
        what = f"branch '{found.branch}'" if found.branch else "no branch"
        raise WorktreeFailedError(
            f"in '{path}', where '{branch}' belongs, {what} is checked out",
            hint=f"there: git switch {branch}",
        )
    return found


def at(repository: Repository, path: Path, facts: HostFacts) -> Worktree | None:
    """Return the worktree at a place, if it is one of this repository's."""
    if path.is_symlink() or not path.is_dir():
        return None
    try:
        project = workspace.locate(facts._replace(cwd=str(path)))
        found = git_worktree.directories(facts, project)
    except (OSError, PinnaceError):
        return None
    if project.source != str(path) or found is None or found[1] != repository.common:
        return None
    head = _head(found[0])
    return Worktree(head.removeprefix(_BRANCHES), path, found[0])


def _head(directory: Path) -> str:
    """Return the branch that is checked out, by its whole name; empty: none."""
    try:
        text = read_untrusted(directory / "HEAD", most=_MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""
    name = text.strip().removeprefix("ref: ")
    return name if name.startswith(_BRANCHES) and name.isprintable() else ""


def all_of(repository: Repository, facts: HostFacts) -> Iterator[Worktree]:
    """Yield the worktrees that were made here, by their paths."""
    with suppress(OSError):
        for path in sorted(place_of(repository).iterdir()):
            found = at(repository, path, facts)
            if found is not None:
                yield found


def make(repository: Repository, branch: str, facts: HostFacts) -> Worktree:
    """Make a branch's worktree, without files; and the branch, where the project stands.

    Raises:
        CannotWriteError: its place cannot be made, or is somebody else's.
        WorktreeFailedError: git cannot do it.
    """
    path = path_of(repository, branch)
    _make_place(repository, facts)
    known = repositories.run(
        repository, facts, "rev-parse", "--verify", "--quiet", f"{_BRANCHES}{branch}"
    )
    new = () if known.returncode == 0 else ("--no-track", "-b", branch)
    what = "HEAD" if new else branch
    argv = ("worktree", "add", "--quiet", "--no-checkout", *new, "--", str(path), what)
    done = repositories.run(repository, facts, *argv)
    if done.returncode == 0:
        _point(path, repository)
    found = find(repository, branch, facts) if done.returncode == 0 else None
    if found is None:
        raise repositories.failed(done, f"'{branch}' gets no worktree")
    return found


def _point(path: Path, repository: Repository) -> None:
    """Have a new worktree's `.git` file lead to the repository, not to what git was given for it.

    Raises:
        CannotWriteError: it cannot be written.
    """
    file = path / ".git"
    try:
        name = read_untrusted(file, most=_MOST_BYTES).decode().strip().rpartition("/")[2]
        flags = os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(file, flags), "wb") as stream:
            stream.write(os.fsencode(f"{_POINTER}{repository.common}/worktrees/{name}\n"))
    except OSError as error:
        raise cannot_write(file, error) from error


def _make_place(repository: Repository, facts: HostFacts) -> None:
    """Make the directory of worktrees; nobody else may have made it.

    Raises:
        CannotWriteError: it cannot be made, or is somebody else's.
    """
    place = place_of(repository)
    try:
        with suppress(FileExistsError):
            place.mkdir(mode=0o755)
            if facts.uid == 0:
                os.chown(place, *repository.owner)
        status = place.lstat()
    except OSError as error:
        raise cannot_write(place, error) from error
    if place.is_symlink() or status.st_uid not in {facts.uid, repository.owner[0]}:
        raise CannotWriteError(
            f"'{place}' is a link, or somebody else's: no worktree is put there",
            hint="move it away",
        )


def remove(repository: Repository, one: Worktree) -> None:
    """Remove a worktree with all that is in it; the branch stays.

    Raises:
        WorktreeFailedError: it is locked, or cannot be removed.
    """
    if os.path.lexists(one.git / "locked"):
        raise WorktreeFailedError(
            f"'{one.path}' is locked", hint=f"git worktree unlock '{one.path}'"
        )
    try:
        # No link is followed on the way.
        shutil.rmtree(one.path)
        shutil.rmtree(one.git)
    except OSError as error:
        raise WorktreeFailedError(
            f"'{one.path}' is not removed: {error.strerror or error}",
            hint="see whose it is: ls -l; then: git worktree prune",
        ) from error
    with suppress(OSError):
        place_of(repository).rmdir()
