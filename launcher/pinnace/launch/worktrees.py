"""Worktrees of a repository, one for each branch that is worked on beside the project.

Git is started here with what a repository names turned off, and writes nothing but its own records:
a worktree's files are checked out inside, see `branches`. Where a worktree lies is never taken from
the repository, which agents write to: the place follows from the branch's name, and what lies there
has to be a worktree of this repository's, as seen from both sides.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pinnace.config import project as workspace
from pinnace.plan.contributors import git_worktree
from pinnace.workspace import git
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
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pinnace.config.project import Workspace
    from pinnace_core.host import HostFacts

_SECONDS: Final = 120.0
_MOST_BYTES: Final = 1 << 16
_BRANCHES: Final = "refs/heads/"
# Nothing is fetched, not even what a partial clone lacks.
_OFFLINE: Final = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
# What git says is read here.
_IN_ENGLISH: Final = {"LC_ALL": "C"}
# What has names of its own, and what turns one off; hooks since git 2.54, of which an early one has
# no `enabled`: https://git-scm.com/docs/git-config
_NAMED: Final = {
    "filter": (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")),
    "hook": (("command", "true"), ("enabled", "false")),
}
# Paths from the root, which any git knows; and it is the user's wish that root works here.
_PLAIN: Final = ("-c", "worktree.useRelativePaths=false", "-c", "safe.directory=*")


class Repository(NamedTuple):
    """A repository, as a project has it.

    Attributes:
        git: the project's git directory, which knows where it stands.
        common: what all worktrees share.
        owner: uid and gid of the project's root.
    """

    git: Path
    common: Path
    owner: tuple[int, int]

    @property
    def place(self) -> Path:
        """The directory that holds its worktrees: beside the project."""
        around = self.common.parent if self.common.name == ".git" else self.common
        return around.with_name(f"{around.name.removesuffix('.git')}{workspace.WORKTREES}")


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
    return repository.place / branch.replace("/", "-")


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
        for path in sorted(repository.place.iterdir()):
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
    known = run(repository, facts, "rev-parse", "--verify", "--quiet", f"{_BRANCHES}{branch}")
    new = () if known.returncode == 0 else ("--no-track", "-b", branch)
    what = "HEAD" if new else branch
    argv = ("worktree", "add", "--quiet", "--no-checkout", *new, "--", str(path), what)
    done = run(repository, facts, *argv)
    found = find(repository, branch, facts) if done.returncode == 0 else None
    if found is None:
        raise failed(done, f"'{branch}' gets no worktree")
    return found


def _make_place(repository: Repository, facts: HostFacts) -> None:
    """Make the directory of worktrees; nobody else may have made it.

    Raises:
        CannotWriteError: it cannot be made, or is somebody else's.
    """
    place = repository.place
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


def remove(repository: Repository, one: Worktree, facts: HostFacts) -> None:
    """Remove a worktree with all that is in it; the branch stays.

    Raises:
        WorktreeFailedError: git cannot do it.
    """
    done = run(repository, facts, "worktree", "remove", "--force", "--", str(one.path))
    if done.returncode != 0:
        raise failed(done, f"'{one.path}' is not removed")
    with suppress(OSError):
        repository.place.rmdir()


def run(
    repository: Repository, facts: HostFacts, *words: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run git on a repository's records, as its owner.

    Args:
        repository: whose.
        facts: the host.
        words: for git.
        given: on standard input.

    Raises:
        WorktreeFailedError: there is no git, or it takes too long.
    """
    as_owner = {}
    environment = {**git.environment(facts.environment), **_OFFLINE, **_IN_ENGLISH}
    if facts.uid == 0 and repository.owner[0] != 0 and os.name == "posix":
        as_owner = {"user": repository.owner[0], "group": repository.owner[1], "extra_groups": []}
        # Of root's own configuration, nothing can be read.
        environment |= {"HOME": os.devnull, "GIT_CONFIG_GLOBAL": os.devnull}
    base = [*git.COMMAND, *_PLAIN, f"--git-dir={repository.git}"]
    environment |= _without_programs(base, environment, as_owner)
    return _done([*base, *words], environment, {**as_owner, "input": given})


def _without_programs(
    base: Sequence[str], environment: Mapping[str, str], options: Mapping[str, object]
) -> dict[str, str]:
    """Return variables that turn off what a configuration names by names of its own."""
    made: dict[str, str] = {}
    off = [(key, value) for kind in _NAMED for key, value in _off(kind, base, environment, options)]
    for number, (key, value) in enumerate(off):
        made |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**made, "GIT_CONFIG_COUNT": str(len(off))}


def _off(
    kind: str, base: Sequence[str], environment: Mapping[str, str], options: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    words = ("config", "--includes", "--null", "--name-only", "--get-regexp", rf"^{kind}\.")
    found = _done([*base, *words], environment, options).stdout.split("\0")
    for one in sorted({name.rpartition(".")[0] for name in found if name.count(".") > 1}):
        yield from ((f"{one}.{key}", value) for key, value in _NAMED[kind])


def _done(
    argv: Sequence[str], environment: Mapping[str, str], options: Mapping[str, object]
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            argv,
            check=False,
            capture_output=True,
            cwd=os.sep,
            encoding="utf-8",
            env=environment,
            errors="surrogateescape",
            timeout=_SECONDS,
            **{"input": "", **options},
        )
    except subprocess.TimeoutExpired:
        raise WorktreeFailedError("git takes too long", hint="see what holds it up") from None
    except FileNotFoundError:
        raise WorktreeFailedError(
            "a branch of its own needs git on this machine", hint="install git; or use --clone"
        ) from None
    except OSError as error:
        # As where root has no right to become the repository's owner.
        raise WorktreeFailedError(
            f"git cannot be run: {error.strerror or error}", hint="run it as the repository's owner"
        ) from error


def failed(done: subprocess.CompletedProcess[str], what: str) -> WorktreeFailedError:
    """Return the error of a git that did not do something."""
    said = next(iter(done.stderr.strip().splitlines()), f"git ended with {done.returncode}")
    reason = said.removeprefix("fatal: ").removeprefix("error: ")
    return WorktreeFailedError(f"{what}: {reason}", hint="see: git worktree list, git branch")
