"""The verbs about running launches: `ps`, `stop`, `logs`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace.cli import complete, group
from pinnace.cli import jobs as cli_jobs
from pinnace.config import project
from pinnace.launch import containers, jobs, owner
from pinnace.launch.handover import hand_over
from pinnace.launch.reuse import store as homes
from pinnace_core import console, output
from pinnace_core.errors import LaunchMissingError, UsageError
from pinnace_core.host import HostFacts
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.launch.containers import Container
    from pinnace.launch.jobs import Job
    from pinnace_core.engine import Engine

_GRACE_SECONDS: Final = 10
_MOST_GRACE: Final = 3600
_LONGEST_LINE: Final = 1 << 16
_COLUMNS: Final = ("name", "workspace", "version", "age", "state", "launcher")


@group.cli.command("ps")
@click.option("--all", "everywhere", is_flag=True, help="Those of all projects.")
@click.option("--ended", is_flag=True, help="Detached ones that have ended, instead.")
@output.json_option
def ps_command(*, everywhere: bool, ended: bool, as_json: bool) -> int:
    """List the launches of this project that are running, its worktrees of branches included.

    With the state that the engine tells, and whether the launcher is still there: without one,
    nobody is attached, and `pinnace gc` removes the container.
    """
    if ended:
        return _print_ended("" if everywhere else workspace(), as_json=as_json)
    found = containers.of_launches(group.engine())
    if not everywhere:
        here = workspace()
        found = [one for one in found if project.is_of(one.workspace, here)]
    rows = [_described(one) for one in found]
    if as_json:
        return output.print_result(rows)
    _print_table(rows)
    _tell_waiting("" if everywhere else workspace())
    _tell_kept("" if everywhere else workspace())
    if not rows:
        console.stderr(
            f"pinnace: nothing is running{'' if everywhere else ' here (--all: anywhere)'}"
        )
    return 0


def _print_ended(workspace: str, *, as_json: bool) -> int:
    found = [cli_jobs.row(job) for job in jobs.all_of(workspace)]
    rows = [row for row in found if row["state"] != "running"]
    if unreadable := jobs.unreadable():
        names = ", ".join(unreadable)
        console.stderr(
            f"pinnace: of another version of Pinnace, or broken, in '{jobs.directory()}': {names}"
        )
    if as_json:
        return output.print_result(rows)
    if rows:
        cli_jobs.print_table(rows)
    else:
        console.stderr(f"pinnace: no detached launch has ended{' here' if workspace else ''}")
    return 0


@group.cli.command("stop")
@click.argument("names", nargs=-1, metavar="[NAME...]", shell_complete=complete.containers)
@click.option("--all", "everywhere", is_flag=True, help="All launches, of all projects.")
@click.option("--yes", is_flag=True, help="Do not ask before --all.")
@click.option(
    "--grace",
    default=_GRACE_SECONDS,
    show_default=True,
    type=click.IntRange(0, _MOST_GRACE),
    metavar="SECONDS",
    help="Time between SIGTERM and SIGKILL.",
)
@output.json_option
def stop_command(
    *, names: tuple[str, ...], everywhere: bool, yes: bool, grace: int, as_json: bool
) -> int:
    """End running launches: this project's only one, those named, or all.

    Claude is told to end (SIGTERM) and has time to; what is left then is killed.
    """
    chosen = _to_stop(names, everywhere=everywhere)
    if everywhere and not yes and _asks() and not _agreed(chosen):
        return 0
    group.engine().stop([one.id for one in chosen], grace=grace)
    if as_json:
        return output.print_result([one.name for one in chosen])
    for one in chosen:
        output.say(f"stopped {one.name}")
    return 0


def _to_stop(names: Sequence[str], *, everywhere: bool) -> list[Container]:
    if names and everywhere:
        raise UsageError("names and --all do not go together", hint="leave one of them out")
    found = containers.started(group.engine())
    if everywhere:
        if not found:
            raise LaunchMissingError("no launch is running", hint="start one: pinnace")
        return found
    if names:
        chosen = {one.id: one for one in (containers.named(found, name) for name in names)}
        return list(chosen.values())
    return [_here(found)]


def _agreed(chosen: Sequence[Container]) -> bool:
    for one in chosen:
        output.say(f"{one.name}  {one.workspace}", err=True)
    return click.confirm(f"Stop {len(chosen)} launches?", err=True)


def _asks() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


@group.cli.command("logs")
@click.argument("name", required=False, metavar="[NAME]", shell_complete=complete.launches)
@click.option("--follow", "-f", is_flag=True, help="Go on until the launch ends.")
@click.option("--raw", is_flag=True, help="As it is: also on a terminal, and of events.")
def logs_command(*, name: str | None, follow: bool, raw: bool) -> int:
    """Print what a launch has printed: one that is running, or was detached.

    Without NAME, this project's only one that is running, or else the last one that was detached.
    On a terminal, it is without what a terminal takes for commands. That of an interactive Claude
    is what a terminal got, screen by screen. Events of a detached one are told as people read them.
    """
    one = _printed_by(name)
    if isinstance(one, jobs.Job):
        return cli_jobs.print_logs(one, follow=follow, raw=raw)
    if contract.LABEL_RUN_STANDBY in one.labels:
        raise LaunchMissingError(
            f"nobody keeps what {one.name} prints: it entered a container that waited for it",
            hint="see what was said: pinnace session show; see: pinnace help standby",
        )
    argv = group.engine().logs_argv(one.id, follow=follow)
    return hand_over(argv) if raw or not sys.stdout.isatty() else _shown(argv)


def _printed_by(name: str | None) -> Job | Container:
    """Return the launch whose output is meant: one on record, or another one that runs."""
    known = jobs.fitting(name) if name else []
    if len(known) == 1:
        return known[0]
    try:
        chosen = running_one(group.engine(), name)
    except LaunchMissingError:
        if known or (name is None and jobs.all_of(workspace())):
            return jobs.chosen(name, workspace())
        raise
    return jobs.load(chosen.name) or chosen


def _shown(argv: Sequence[str]) -> int:
    """Print what a program does, line by line, so that none of it is a command to the terminal."""
    import subprocess

    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        assert child.stdout is not None  # noqa: S101 (a pipe)
        while line := child.stdout.readline(_LONGEST_LINE):
            text = line.decode(errors="replace").replace("\r\n", "\n")
            click.echo(console.without_commands(text), nl=False)
    return child.returncode


def chosen(found: Sequence[Container], name: str | None) -> Container:
    """Return the launch of a name, or this project's only one.

    Raises:
        LaunchMissingError: there is none.
        AmbiguousNameError: there are several.
    """
    return _here(found) if name is None else containers.named(found, name)


def running_one(engine: Engine, name: str | None) -> Container:
    """Return the running launch of a name, or this project's only one.

    Raises:
        LaunchMissingError: there is none.
        AmbiguousNameError: there are several.
    """
    return chosen(containers.started(engine), name)


def _here(found: Sequence[Container]) -> Container:
    place = workspace()
    return containers.only(containers.of_workspace(found, place), place)


def workspace() -> str:
    """Return the project here."""
    return project.locate(HostFacts.detect()).source


def _described(one: Container) -> dict[str, Any]:
    created = one.created
    return {
        "name": one.name,
        "id": one.id,
        "workspace": one.workspace,
        "version": one.version,
        "created": created.isoformat() if created else None,
        "age": one.age(datetime.now(UTC)),
        "state": one.state,
        "launcher": owner.state_of(one.launcher),
        "detached": jobs.load(one.name) is not None,
    }


def _tell_waiting(workspace: str) -> None:
    """Say what waits for launches, and what that takes."""
    engine = group.engine()
    found = [o for o in containers.that_wait(engine) if workspace in {"", o.workspace}]
    if not found:
        return
    taken = sum(engine.memory(one.id) for one in found)
    size = f", {taken / (1 << 20):.0f} MiB" if taken else ""
    verb = "waits" if len(found) == 1 else "wait"
    console.stderr(
        f"pinnace: {len(found)} {verb} for the next launches{size}: pinnace warm --drop ends that"
    )


def _tell_kept(workspace: str) -> None:
    """Say what launches have kept for the next ones, and what that takes."""
    found = [place for place, about in homes.all_kept() if workspace in {"", about.project}]
    if found:
        size = sum(map(homes.size, found)) / (1 << 20)
        console.stderr(
            f"pinnace: kept for the next launches (run.reuse): {size:.0f} MiB; "
            "pinnace warm --drop removes that"
        )


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        lines = [tuple(column.upper() for column in _COLUMNS)]
        lines += [
            tuple(
                containers.age_text(row[c]) if c == "age" else str(row[c]) or "?" for c in _COLUMNS
            )
            for row in rows
        ]
        for line in output.aligned(lines):
            output.say(line)
