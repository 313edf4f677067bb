"""The verbs about detached launches: `attach`, `wait`, `result`, `rm`; and what `logs` prints."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace.agent.background import short_name
from pinnace.cli import complete, group
from pinnace.config import project
from pinnace.launch import jobs, kept
from pinnace.launch.containers import age_text
from pinnace_core import console, output
from pinnace_core.errors import BusyError, LaunchLostError, UsageError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pinnace.launch.jobs import Job

_COLUMNS: Final = ("name", "workspace", "version", "begun", "state", "exit_code")
# By a signal, as `pinnace stop` sends it, or SIGINT.
_STOPPED: Final = (130, 137, 143)
_name = click.argument("name", required=False, metavar="[NAME]", shell_complete=complete.jobs)


@group.cli.command("attach")
@_name
def attach_command(name: str | None) -> int:
    r"""Attach to the terminal of a detached launch; Ctrl-\ leaves it, and it goes on.

    Its exit code, if it ends meanwhile. Without NAME, to the newest one of this project.
    """
    job = _chosen(name)
    if not job.terminal:
        raise UsageError(
            f"'{job.name}' prints, it has no terminal",
            hint=f"follow it: pinnace logs -f {job.name}",
        )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "there is no terminal to attach", hint=f"what it printed: pinnace logs {job.name}"
        )
    if jobs.state_of(job) == "running":
        from pinnace.launch import attach

        if not attach.attach(job):
            console.stderr(f"\npinnace: {job.name} goes on: pinnace attach {job.name}")
            return 0
        # Its terminal is gone before it is recorded how it ended.
        jobs.wait(job)
    else:
        console.stderr(f"pinnace: {job.name} has ended before: pinnace logs {job.name}")
    return _code(job)


@group.cli.command("wait")
@_name
@output.json_option
def wait_command(*, name: str | None, as_json: bool) -> int:
    """Wait until a detached launch has ended; end with its exit code.

    Without NAME, the newest one of this project.
    """
    job = _chosen(name)
    jobs.wait(job)
    code = _code(job)
    if as_json:
        output.print_result(row(job))
    return code


@group.cli.command("result")
@_name
@output.json_option
def result_command(*, name: str | None, as_json: bool) -> int:
    """Print the answer of a detached launch that has ended; end with its exit code.

    Without NAME, of the newest one of this project. Of an interactive one, all that a terminal got.
    """
    job = _chosen(name)
    if jobs.state_of(job) == "running":
        raise BusyError(
            f"'{job.name}' is still running",
            hint=f"wait for it: pinnace wait {job.name}; follow it: pinnace logs -f {job.name}",
        )
    code = _code(job)
    if as_json:
        output.print_result({**row(job), **_answer(job)})
    else:
        _print_answer(job)
    return code


@group.cli.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete.jobs)
@output.json_option
def rm_command(*, names: tuple[str, ...], as_json: bool) -> int:
    """Remove what is kept of detached launches that have ended: records, and what they printed.

    Claude's sessions are kept.
    """
    chosen = [_chosen(name) for name in names]
    for job in chosen:
        if jobs.state_of(job) == "running":
            raise BusyError(
                f"'{job.name}' is still running", hint=f"end it first: pinnace stop {job.name}"
            )
    for job in chosen:
        jobs.forget(job)
        if not as_json:
            output.say(f"removed {job.name}")
    return output.print_result([job.name for job in chosen]) if as_json else 0


@group.cli.command("agents", hidden=True)
@click.option("--json", "as_json", is_flag=True)
@click.option("--all", "ended", is_flag=True)
@click.option("--cwd", "below", default="/", type=click.Path(path_type=Path))
def agents_command(*, as_json: bool, ended: bool, below: Path) -> int:
    """List detached launches of all projects, as `claude agents` lists what is in the background.

    Those that have ended are listed with --all.
    """
    place = below.absolute()
    states = ("running", "ended", "lost") if ended else ("running",)
    found = [job for job in jobs.all_of() if Path(job.workspace).is_relative_to(place)]
    found = [job for job in found if jobs.state_of(job) in states]
    if as_json:
        click.echo(json.dumps([_agent(job) for job in found], indent=2))
    elif found:
        print_table([row(job) for job in found])
    else:
        console.stderr("pinnace: nothing goes on in the background (--all: nor has)")
    return 0


def _agent(job: Job) -> dict[str, Any]:
    """Return one as `claude agents --json` tells of it (2.1.330)."""
    state, how = jobs.state_of(job), jobs.exit_of(job)
    by_code = {0: "done", **dict.fromkeys(_STOPPED, "stopped")}
    alone = "working" if state == "running" else "failed"
    return {
        "id": short_name(job.name),
        "cwd": job.workspace,
        "kind": "background",
        "startedAt": int(job.begun * 1000),
        "name": job.name,
        "state": by_code.get(how.code, "failed") if how else alone,
    }


def _answer(job: Job) -> dict[str, Any]:
    if job.form != "stream-json":
        text = b"".join(kept.read(job, "output")).decode(errors="replace")
        return {"text": text}
    from pinnace.cli import view

    found = view.last_result(kept.read(job, "output"))
    if found is None:
        return {"text": None, "session_id": view.session(kept.read(job, "output"))}
    return {
        "text": found.result,
        "data": found.structured_output,
        "session_id": found.session_id,
        "cost_usd": found.cost_usd,
        "turns": found.num_turns,
        "subtype": found.subtype,
    }


def _print_answer(job: Job) -> None:
    answer = _answer(job)
    text = answer["text"]
    if text is None:
        session = answer["session_id"]
        again = f"; to go on: pinnace --resume {session}" if session else ""
        console.stderr(f"pinnace: it came to no answer: pinnace logs {job.name}{again}")
    else:
        plain = console.without_commands(text) if sys.stdout.isatty() else text
        click.echo(plain, nl=not plain.endswith("\n"))
    for piece in kept.read(job, "errors"):
        console.write(console.without_commands(piece.decode(errors="replace")))


def _code(job: Job) -> int:
    """Return the exit code of one that has ended.

    Raises:
        LaunchLostError: nobody was left to say it.
    """
    how = jobs.exit_of(job)
    if how is None:
        raise LaunchLostError(
            f"how '{job.name}' ended is not known: its keeper was killed, or the machine went down",
            hint=f"what it printed until then: pinnace logs {job.name}",
        )
    return how.code


def _chosen(name: str | None) -> Job:
    return jobs.chosen(name, workspace())


def workspace() -> str:
    """Return the project here."""
    return project.locate(HostFacts.detect()).source


def row(job: Job) -> dict[str, Any]:
    """Return what there is to say of one, as plain data."""
    how = jobs.exit_of(job)
    return {
        "name": job.name,
        "workspace": job.workspace,
        "version": job.version,
        "branch": job.branch,
        "begun": datetime.fromtimestamp(job.begun, UTC).isoformat(),
        "terminal": job.terminal,
        "state": jobs.state_of(job),
        "exit_code": how.code if how else None,
        "ended": datetime.fromtimestamp(how.at, UTC).isoformat() if how else None,
        "error": how.error if how else "",
    }


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print a table of detached launches."""
    lines: list[tuple[str, ...]] = [("NAME", "WORKSPACE", "VERSION", "BEGUN", "STATE", "EXIT")]
    now = time.time()
    for one in rows:
        begun = datetime.fromisoformat(one["begun"]).timestamp()
        texts = {**one, "begun": f"{age_text(int(now - begun))} ago"}
        lines.append(tuple("-" if texts[c] is None else str(texts[c]) for c in _COLUMNS))
    for line in output.aligned(lines):
        output.say(line)


def print_logs(job: Job, *, follow: bool, raw: bool) -> int:
    """Print what one has printed; of events, as a person reads them."""
    pieces = kept.follow(job, "output") if follow else kept.read(job, "output")
    if job.form == "stream-json" and not raw:
        from pinnace.cli import view

        for line in view.lines(pieces):
            click.echo(line)
    elif raw or not sys.stdout.isatty():
        for piece in pieces:
            click.echo(piece, nl=False)
    else:
        for text in _lines(pieces):
            click.echo(console.without_commands(text), nl=False)
    for piece in kept.read(job, "errors"):
        console.write(console.without_commands(piece.decode(errors="replace")))
    return 0


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (f"{line.decode(errors='replace')}\n".replace("\r\n", "\n") for line in whole)
    yield rest.decode(errors="replace")
