"""The verb `parallel`: many prompts, some at a time."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace import request
from pinnace.agent import arguments
from pinnace.cli import group
from pinnace_core.errors import UsageError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinnace.context import Context
    from pinnace.parallel.tasks import Task
    from pinnace.request import RunRequest

_LIMIT: Final = 4
_MOST: Final = 256
_PIPED: Final = "-"
# What this verb says itself, and where it is said instead.
_OURS: Final = {
    **dict.fromkeys(("-p", "--print", "--verbose", "--output-format", "--input-format"), ""),
    **dict.fromkeys(("-c", "--continue", "-r", "--resume", "--session-id"), "session in the list"),
    "--json-schema": "output in the list",
    "--max-budget-usd": "--budget-usd",
}
_POSITIVE: Final = click.FloatRange(min=0, min_open=True)


@group.cli.command("parallel", epilog="ARGS: options of 'pinnace run', and Claude's, for all.")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS...]")
@click.option(
    "--limit",
    default=_LIMIT,
    show_default=True,
    type=click.IntRange(1, _MOST),
    metavar="N",
    help="How many run at once.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write results there, not to standard output.",
)
@click.option(
    "--branches", metavar="PREFIX", help="Each on a branch of its own: PREFIX/NAME, in a worktree."
)
@click.option("--resume", is_flag=True, help="Do what FILE of --output does not have yet.")
@click.option("--timeout", type=_POSITIVE, metavar="SECONDS", help="The most time of each.")
@click.option("--budget-usd", type=_POSITIVE, metavar="USD", help="The most that each may cost.")
@click.option("--total-seconds", type=_POSITIVE, metavar="SECONDS", help="The most time of all.")
@click.option("--total-usd", type=_POSITIVE, metavar="USD", help="The most that all may cost.")
@click.option("--total-memory", metavar="SIZE", help="Memory of those that run at once, as 16g.")
def parallel_command(  # noqa: PLR0913 (an option each)
    *,
    file: str,
    rest: tuple[str, ...],
    limit: int,
    output: Path | None,
    branches: str | None,
    resume: bool,
    timeout: float | None,
    budget_usd: float | None,
    total_seconds: float | None,
    total_usd: float | None,
    total_memory: str | None,
) -> int:
    """Send many prompts, some at a time: FILE has one on each line, '-' is standard input.

    A line can be an object of JSON, with a prompt file or options of its own. Each prompt has a
    container and a session of its own; one that fails harms no other. What came of each is printed
    as a line of JSON when it has ended.
    """
    if resume and output is None:
        raise UsageError("--resume goes on with results in a file", hint="name it: --output FILE")
    options: dict[str, Any] = {
        "limit": limit,
        "total_usd": total_usd,
        "total_seconds": total_seconds,
        "total_memory": total_memory,
        **({"timeout": timeout} if timeout else {}),
        **({"budget_usd": budget_usd} if budget_usd else {}),
    }
    todo = partial(_tasks, file, branches or "")
    return _run(todo, _asked(rest), options, output, resume=resume)


def _asked(rest: tuple[str, ...]) -> RunRequest:
    """Return what is asked of each launch.

    Raises:
        UsageError: an argument says what this verb says.
    """
    asked = request.parse(rest)
    if asked.dry_run or asked.help or asked.timing or asked.prompt or asked.detach:
        raise UsageError(
            "--dry-run, --help, --timing, --detach and --prompt are for one launch",
            hint="see: pinnace run --help; a prompt file is named in the list",
        )
    for word in arguments.read(asked.claude_arguments):
        if not word.option:
            raise UsageError(
                f"'{word.words[0]}' is no option", hint="prompts stand in the list, one on a line"
            )
        if word.option in _OURS:
            instead = _OURS[word.option]
            hint = f"use {instead}" if instead else "leave it out"
            raise UsageError(f"'{word.option}' is not for a list of prompts", hint=hint)
    return asked


def _run(
    tasks: Callable[[Context], list[Task]],
    asked: RunRequest,
    options: dict[str, Any],
    output: Path | None,
    *,
    resume: bool,
) -> int:
    from pinnace.launch import worktrees
    from pinnace.launch.prepare import read
    from pinnace.parallel.run import Plan, run
    from pinnace.sdk.box import Pinnace

    facts = HostFacts.detect()
    here = read(asked, facts)
    todo = tasks(here)
    if any(task.branch for task in todo):
        # Where there can be none, no prompt is begun.
        worktrees.of_project(here.facts, here.project)
    if asked.claude_arguments:
        options["extra_args"] = asked.claude_arguments
    box = Pinnace(facts.cwd, version=asked.claude_version, settings=asked.flags)
    return run(box, Plan(todo, output, resume, options))


def _tasks(file: str, branches: str, here: Context) -> list[Task]:
    from pinnace.parallel import tasks

    contained = not here.config.level.network
    if file == _PIPED:
        data = sys.stdin.buffer.read() if sys.stdin else b""
        found = tasks.read("standard input", data, directory=os.curdir, is_contained=contained)
    else:
        around = os.path.dirname(file) or os.curdir  # noqa: PTH120 (any path there is)
        found = tasks.read(file, tasks.of_file(file), directory=around, is_contained=contained)
    return tasks.on_branches(found, branches)
