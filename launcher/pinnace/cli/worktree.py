"""`pinnace worktree`: the worktrees of branches that launches work on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace.cli import group
from pinnace.config import project
from pinnace.launch import owner, records, worktrees
from pinnace.launch.unsaved import unsaved
from pinnace_core import console, output
from pinnace_core.errors import (
    BusyError,
    ConflictError,
    PinnaceError,
    UsageError,
    WorktreeMissingError,
)
from pinnace_core.host import HostFacts
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.launch.repositories import Repository
    from pinnace.launch.worktrees import Worktree

_COLUMNS: Final = ("branch", "state", "unsaved", "path")
_SEE: Final = "see: pinnace worktree list"


def _names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    try:
        found = [one.branch for one in worktrees.all_of(*_here())]
    except PinnaceError:
        return []
    return [name for name in found if incomplete in name]


@group.cli.group("worktree", cls=output.Group)
def worktree_group() -> None:
    """List and remove worktrees of branches; one is made by: pinnace run --branch NAME."""


@worktree_group.command("list")
@output.json_option
def list_command(*, as_json: bool) -> int:
    """List this repository's worktrees of branches, and what is not committed there."""
    repository, facts = _here()
    rows = [_row(repository, one, facts) for one in worktrees.all_of(repository, facts)]
    if as_json:
        return output.print_result(rows)
    if not rows:
        console.stderr(
            "pinnace: there is no worktree; a launch makes one: pinnace run --branch NAME"
        )
        return 0
    lines = [tuple(column.upper() for column in _COLUMNS)]
    lines += [tuple(str(row[column] or "-") for column in _COLUMNS) for row in rows]
    for line in output.aligned(lines):
        output.say(line)
    return 0


@worktree_group.command("rm")
@click.argument("names", nargs=-1, metavar="[BRANCH...]", shell_complete=_names)
@click.option("--all", "everything", is_flag=True, help="All of this repository.")
@click.option("--force", is_flag=True, help="With all that is not committed there: it is lost.")
def rm_command(*, names: tuple[str, ...], everything: bool, force: bool) -> int:
    """Remove worktrees; branches, with all commits, stay.

    One with work that is nowhere else is left, unless it is forced: what is not committed,
    repositories of its own. What git ignores there is removed.
    """
    if bool(names) == everything:
        raise UsageError("name branches, or --all", hint=_SEE)
    repository, facts = _here()
    found = list(worktrees.all_of(repository, facts))
    chosen = found if everything else [_named(found, name) for name in names]
    left = [text for one in chosen if (text := _removed(repository, one, facts, force=force))]
    if left:
        raise ConflictError(
            f"{len(left)} of {len(chosen)} worktrees are left: {'; '.join(left)}",
            hint="commit it there, or say that it may go: --force",
        )
    return 0


def _removed(repository: Repository, one: Worktree, facts: HostFacts, *, force: bool) -> str:
    """Remove one; return why it is left, or nothing.

    Raises:
        BusyError: a launch works in it.
    """
    launch = _launch_in(one)
    if launch:
        raise BusyError(f"a launch works in '{one.path}'", hint=f"first: pinnace stop {launch}")
    why = "" if force else unsaved(repository, one, facts)
    if why:
        return f"{one.branch or one.path.name} has {why}"
    worktrees.remove(repository, one)
    output.say(f"removed {one.path}")
    return ""


def _launch_in(one: Worktree) -> str:
    """Return the name of a launch that works in one, as far as it is known; empty: none."""
    for record in records.recorded():
        there = record.labels.get(contract.LABEL_RUN_WORKSPACE) == str(one.path)
        if there and owner.state_of(owner.Launcher.from_labels(record.labels)) != "gone":
            return record.name
    return ""


def _named(found: Sequence[Worktree], name: str) -> Worktree:
    for one in found:
        if name in {one.branch, one.path.name, str(one.path)}:
            return one
    raise WorktreeMissingError(f"no worktree is of branch '{name}'", hint=_SEE)


def _here() -> tuple[Repository, HostFacts]:
    facts = HostFacts.detect()
    return worktrees.of_project(facts, project.locate(facts)), facts


def _row(repository: Repository, one: Worktree, facts: HostFacts) -> dict[str, Any]:
    launch = _launch_in(one)
    return {
        "branch": one.branch,
        "path": os.fspath(one.path),
        "state": "running" if launch else "idle",
        "launch": launch,
        "unsaved": unsaved(repository, one, facts),
    }
