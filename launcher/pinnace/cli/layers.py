"""`pinnace review list|diff|apply|drop`: layers and clones, while they are written to or after."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace import layers
from pinnace.cli import changes as shown
from pinnace.cli import decisions, group
from pinnace.cli.review import review_group
from pinnace.config import project
from pinnace.launch.containers import age_text
from pinnace.layers import apply as applying
from pinnace.layers import commits, hunks, make
from pinnace_core import console, output
from pinnace_core.errors import (
    BusyError,
    CannotReadError,
    ConflictError,
    PinnaceError,
)
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pinnace.layers import Layer
    from pinnace.layers.changes import Change

_COLUMNS: Final = ("name", "kind", "age", "state", "changes")
# Of a file that nobody wants by accident: one with holes has any size at no cost.
_LARGE: Final = 1 << 30
_paths = click.argument("paths", nargs=-1, metavar="[PATH...]")


def _names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [one.name for one in layers.all_of() if incomplete in one.name]


_layer = click.option(
    "--layer", "name", default="", metavar="NAME", help="Which, of several.", shell_complete=_names
)


@review_group.command("list")
@click.option("--all", "everywhere", is_flag=True, help="Those of all projects.")
@output.json_option
def list_command(*, everywhere: bool, as_json: bool) -> int:
    """List the layers and clones of this project, running or ended."""
    found = shown.rows("" if everywhere else _workspace())
    if as_json:
        return output.print_result(found)
    if not found:
        console.stderr("pinnace: there is no layer here; a launch makes one: pinnace run --review")
    else:
        _print_table(found)
    return 0


@review_group.command("diff")
@_paths
@_layer
@output.json_option
def diff_command(*, paths: tuple[str, ...], name: str, as_json: bool) -> int:
    """Show what a layer would change: all of it, or PATHs.

    What git ignores is only shown if it is named.
    """
    layer = layers.chosen(name, _workspace())
    changes = _below(shown.differences(layer), paths, layer)
    if as_json:
        return output.print_result([change._asdict() for change in changes])
    for change in changes:
        if not change.ignored or change.runs or paths:
            for line in _shown(layer, change):
                click.echo(_visible(line))
    if not changes:
        console.stderr("pinnace: nothing differs")
    return 0


@review_group.command("apply")
@_paths
@_layer
def apply_command(*, paths: tuple[str, ...], name: str) -> int:
    """Take over what a layer changes: all of it, or PATHs.

    Never what was changed here, too. What this machine would run, or git ignores, only if it is
    named, file by file. Several layers are taken over one after the other.
    """
    layer = layers.chosen(name, _workspace())
    found = shown.differences(layer)
    asked = _below(found, paths, layer)
    named = _relative(paths, layer)
    wanted = [one for one in asked if one.path in named or not _needs_name(one)]
    taken = [change.path for change in wanted]
    decisions.note_review(HostFacts.detect(), "apply", taken, layer=layer.name)
    left = list(_taken_over(layer, wanted))
    for change in asked:
        why = _needs_name(change)
        if why and change not in wanted and not (change.ignored and not change.runs):
            left.append(change.path)
            output.say(f"left {change.path}: {why}; name it to take it")
    if not paths:
        left += _take_commits(layer)
    _finish(layer)
    if left:
        raise ConflictError(
            f"{len(left)} of what was asked for was not taken over: see above",
            hint="look at it: pinnace review diff; or let it be: pinnace review drop",
        )
    return 0


@review_group.command("drop")
@_layer
@click.option("--all", "everything", is_flag=True, help="All of this project.")
def drop_command(*, name: str, everything: bool) -> int:
    """Remove a layer or clone, with all that was changed in it."""
    workspace = _workspace()
    found = layers.all_of(workspace) if everything else [layers.chosen(name, workspace)]
    for layer in found:
        _require_ended(layer)
        make.drop(layer)
        output.say(f"dropped {layer.name}")
    return 0


def _needs_name(change: Change) -> str:
    """Return why a change is only taken over if it is named; empty: it need not be."""
    if change.runs:
        return change.runs
    if change.size > _LARGE:
        return f"it has {change.size} bytes"
    return "git ignores it" if change.ignored else ""


def _taken_over(layer: Layer, wanted: Sequence[Change]) -> Iterator[str]:
    """Take over, and say so; give the paths that were not."""
    try:
        for change, why in applying.apply(layer, wanted):
            output.say(f"left {change.path}: {why}" if why else f"took {change.path}")
            if why:
                yield change.path
    except OSError as error:
        raise shown.unreadable(layer, error) from error


def _take_commits(layer: Layer) -> Iterator[str]:
    """Take over branches, and say where they are; give the names of those that were not."""
    try:
        for branch, why in commits.fetch(layer):
            if why:
                output.say(f"left {shown.named(branch)}: {why}")
                yield branch.name
            else:
                inner = f"--git-dir .git/{branch.module} " if branch.module else ""
                where = commits.reference(layer, branch.name)
                output.say(f"took {shown.named(branch)}: git {inner}log {where}")
    except OSError as error:
        raise shown.unreadable(layer, error) from error


def _finish(layer: Layer) -> None:
    """Let a layer go of which nothing is left."""
    if not make.is_held(layer) and not shown.differences(layer) and not commits.new(layer):
        make.drop(layer)
        console.stderr(f"pinnace: nothing is left in {layer.name}: it is gone")


def _require_ended(layer: Layer) -> None:
    running = make.is_held(layer)
    if not running:
        try:
            container = group.engine().container(layer.launch)
        except PinnaceError:
            container = None
        running = container is not None and container.is_running
    if running:
        raise BusyError(
            f"a launch works in '{layer.name}'", hint=f"end it first: pinnace stop {layer.launch}"
        )


def _below(changes: Sequence[Change], paths: Sequence[str], layer: Layer) -> list[Change]:
    """Return the changes at or below paths, as the shell's directory has them.

    Raises:
        CannotReadError: one names nothing that differs.
    """
    if not paths:
        return list(changes)
    wanted = _relative(paths, layer)
    for text, path in zip(paths, wanted, strict=True):
        if not any(_is_at(change.path, path) for change in changes):
            raise CannotReadError(
                f"'{text}' does not differ in '{layer.name}'", hint="see: pinnace review"
            )
    return [one for one in changes if any(_is_at(one.path, path) for path in wanted)]


def _is_at(path: str, other: str) -> bool:
    return other in {path, "."} or path.startswith(f"{other}/")


def _relative(paths: Sequence[str], layer: Layer) -> list[str]:
    here = os.path.realpath(HostFacts.detect().cwd)
    found = (os.path.normpath(os.path.join(here, path)) for path in paths)  # noqa: PTH118
    return [os.path.relpath(path, layer.workspace) for path in found]


def _shown(layer: Layer, change: Change) -> Iterator[str]:
    try:
        yield from hunks.shown(layer, change)
    except OSError as error:
        yield f"! it cannot be read: {error.strerror or error}"


def _visible(line: str) -> str:
    return "\t".join(output.printable(part) for part in line.split("\t"))


def _workspace() -> str:
    return project.locate(HostFacts.detect()).source


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    lines = [tuple(column.upper() for column in _COLUMNS)]
    texts = ({**row, "age": age_text(row["age"])} for row in rows)
    lines += [tuple(str(text[column]) for column in _COLUMNS) for text in texts]
    for line in output.aligned(lines):
        output.say(line)
