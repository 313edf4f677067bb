"""`pinnace review`: what Claude has changed that this machine would run, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace.cli import changes, decisions, group
from pinnace.config import project as workspace
from pinnace.launch import reverts, reviews
from pinnace.workspace import report
from pinnace_core import console, output
from pinnace_core.errors import CannotReadError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.launch.reviews import Review
    from pinnace.workspace.snapshot import Finding

_paths: Final = click.argument("paths", nargs=-1, metavar="[PATH...]", type=click.Path())


@group.cli.group("review", cls=output.Group, invoke_without_command=True)
@output.json_option
@click.pass_context
def review_group(context: click.Context, *, as_json: bool) -> int:
    """Show what Claude has changed that this machine would run by itself; and layers.

    That is what git, editors, shells, package managers, Claude and Pinnace take from a project
    without being asked for it by name. Without a verb: list it, with the lines that are new; and
    what the project's layers and clones would change.
    """
    if context.invoked_subcommand is not None:
        return 0
    found = _review()
    if as_json:
        told = {
            "findings": [_row(found, one) for one in report.unasked(found.findings)],
            "builds": [_row(found, one) for one in report.of_builds(found.findings)],
            "whole": found.after.whole,
            "layers": changes.rows(found.source),
        }
        return output.print_result(told)
    _print(found)
    if not changes.overview(found.source) and not found.findings:
        output.say("nothing waits for review here")
    return 0


@review_group.command("accept")
@_paths
def accept_command(paths: tuple[str, ...]) -> None:
    """Say that it is all right: of PATH, or of all that is run unasked.

    It is remembered by content: the same content at the same place is not reported again.
    """
    found = _review()
    chosen = _chosen(found, paths)
    decisions.note_review(HostFacts.detect(), "accept", [one.path for one in chosen])
    found.accept(chosen)
    for one in chosen:
        output.say(f"accepted {report.shown(one.path, found.source)}")
    if not chosen:
        output.say("nothing waits for review here")


@review_group.command("revert")
@_paths
def revert_command(paths: tuple[str, ...]) -> None:
    """Put it back as it was: PATH, or all that is run unasked.

    What was not there before is removed. What only the next build runs has to be named.
    """
    found = _review()
    chosen = _chosen(found, paths)
    for done, path in reverts.revert(found, chosen, HostFacts.detect()):
        output.say(f"{done} {report.shown(path, found.source)}")
    if not chosen:
        output.say("nothing waits for review here")


def _review() -> Review:
    facts = HostFacts.detect()
    return reviews.now(workspace.locate(facts).source, facts)


def _chosen(found: Review, paths: Sequence[str]) -> list[Finding]:
    cwd = str(Path(HostFacts.detect().cwd).resolve())
    try:
        return report.selected(found.findings, paths, root=found.source, cwd=cwd)
    except KeyError as error:
        raise CannotReadError(
            f"nothing waits for review at '{error.args[0]}'", hint="see what does: pinnace review"
        ) from error


def _row(found: Review, one: Finding) -> dict[str, Any]:
    path = report.shown(one.path, found.source)
    return {"path": path, "change": one.change, "by": one.by, "why": one.why}


def _print(found: Review) -> None:
    unasked, builds = report.unasked(found.findings), report.of_builds(found.findings)
    for one, line in zip(unasked, output.aligned(report.rows(unasked, found.source)), strict=True):
        output.say(line)
        for changed in found.difference(one):
            output.say(f"    {changed}")
    if builds:
        output.say("run when you build, or when an editor evaluates the project:")
        for line in output.aligned(report.rows(builds, found.source)):
            output.say(f"  {line}")
    if not found.after.whole:
        console.stderr("pinnace: not all of the project was looked at: it is too large")
    if unasked:
        console.stderr(
            "pinnace: if it is all right: pinnace review accept [PATH...]; "
            "else: pinnace review revert [PATH...]"
        )
