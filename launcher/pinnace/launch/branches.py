"""A launch on a branch of its own: its worktree is made if there is none, and entered.

The files are checked out inside, in a container as the launch's own: what a repository names runs
there (hooks, filters), and objects that it borrows from elsewhere are not seen.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zlib import crc32

from pinnace import image as images
from pinnace.context import load_context
from pinnace.launch import worktrees
from pinnace_core import console, locks, signals
from pinnace_core.errors import UsageError, WorktreeFailedError, WorktreeMissingError
from pinnace_images import contract

if TYPE_CHECKING:
    from pinnace.context import Context
    from pinnace.launch.repositories import Repository
    from pinnace.launch.worktrees import Worktree

# What is there already is never written over: only what is missing is put there.
_FILL: Final = (
    "git read-tree HEAD && GIT_LFS_SKIP_SMUDGE=1 git checkout-index --all --quiet; "
    "git update-index -q --refresh; exit 0"
)
# Settings of the launch itself, which its checkout has not.
_OTHERS: Final = ("run.workspace", "run.layer", "run.ports", "run.session")


def entered(here: Context) -> Context:
    """Return what a launch meets in the worktree of its branch, which is made if there is none.

    Raises:
        UsageError: there is no repository, or a layer is wanted, too.
        WorktreeMissingError: this is a dry run, and it was not made yet.
        PinnaceError: it cannot be made.
    """
    settings = here.config.settings
    branch = settings.branch
    if settings.workspace != "bind" or settings.layer:
        raise UsageError(
            "a branch's worktree is what Claude writes to: no layer or clone is put over it",
            hint="leave out --branch, or --review and --clone",
        )
    repository = worktrees.of_project(here.facts, here.project)
    found = worktrees.find(repository, branch, here.facts)
    if found is None or not found.is_filled:
        if here.request.dry_run:
            raise WorktreeMissingError(
                f"'{branch}' has no worktree yet; a launch would make it: "
                f"{worktrees.path_of(repository, branch)}",
                hint=f"make it: pinnace run --branch {branch} -- --version",
            )
        found = _made(here, repository)
    inner = _in(here, found)
    _tell_of_pin(here, inner)
    return inner


def _tell_of_pin(here: Context, inner: Context) -> None:
    """Say where the project is pinned, and its branch is not: to whoever pinned it just now."""
    pin = images.pin_of(here)
    if pin is not None and images.pin_of(inner) is None:
        console.stderr(
            f"pinnace: the pin {pin.specifier} ({pin.source}) is not in branch "
            f"{here.config.settings.branch}: commit it there"
        )


def _made(here: Context, repository: Repository) -> Worktree:
    branch = here.config.settings.branch
    if here.config.level.read_only:
        raise UsageError(
            f"isolation {here.config.level.name} writes nothing, so it cannot check out '{branch}'",
            hint=f"first: pinnace run --isolation standard --branch {branch} -- --version",
        )
    # Others may be about to make the same one.
    with locks.exclusive(f"worktree-{crc32(os.fsencode(repository.common)):08x}"):
        found = worktrees.find(repository, branch, here.facts)
        found = found or worktrees.make(repository, branch, here.facts)
        if not found.is_filled:
            console.stderr(f"pinnace: checking out branch {branch}")
            _fill(_in(here, found), version=str(images.wanted(here).version))
            console.stderr(f"pinnace: branch {branch} is in {found.path}")
    if not found.is_filled:
        raise WorktreeFailedError(
            f"'{branch}' was not checked out in '{found.path}'",
            hint=f"look at what git says there: git -C {found.path} status",
        )
    return found


def _in(here: Context, one: Worktree) -> Context:
    """Return what is met in a worktree, at the same place below its root."""
    below = os.path.relpath(os.path.realpath(here.facts.cwd), here.project.source)
    inner = one.path / below
    cwd = inner if not below.startswith(os.pardir) and inner.is_dir() else one.path
    return load_context(here.request, here.facts._replace(cwd=str(Path(cwd))))


def _fill(here: Context, version: str) -> None:
    """Check out what is missing, in a container that is made as the launch's.

    Args:
        here: what is met in the worktree.
        version: of the CLI: its own pin is not there yet.
    """
    from pinnace.launch.prepare import prepared
    from pinnace.launch.ready import ready

    flags = {k: v for k, v in here.request.flags.items() if k not in _OTHERS}
    request = here.request._replace(
        program=contract.SHELL,
        claude_arguments=("-c", _FILL),
        flags=flags,
        prompt=None,
        timing=False,
        files={},
        claude_version=version,
    )
    alone = here.facts._replace(stdin_tty=False, stdout_tty=False)
    with console.collected(_told):
        launch = prepared(load_context(request, alone))
    with console.collected(_unheard), signals.unwinding(), ready(launch) as now:
        done = subprocess.run(
            now.argv,
            check=False,
            env=now.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            errors="replace",
        )
        now.outcome.code = done.returncode
    if done.returncode:
        said = console.without_commands(done.stderr.strip().rpartition("\n")[2])
        raise WorktreeFailedError(f"the branch was not checked out: {said}", hint="pinnace doctor")


def _told(text: str) -> None:
    """Pass on what takes long; the launch itself says the rest."""
    if text.startswith("pinnace-build: "):
        console.write(f"{text}\n")


def _unheard(_: str) -> None:
    """Leave it to the launch itself."""
