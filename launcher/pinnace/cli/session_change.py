"""`pinnace session resume`, `fork`, `rename` and `rm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import click

from pinnace import request
from pinnace.cli import group
from pinnace.cli.session import session_group, which, words
from pinnace.launch import sessions as launches
from pinnace.sessions import Names, about, change
from pinnace.sessions.names import busy, require_name
from pinnace_core import output
from pinnace_core.errors import SessionMissingError, UsageError
from pinnace_core.host import HostFacts
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from pinnace.context import Context
    from pinnace.sessions.about import About


@session_group.command(
    "resume", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@which
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def resume_command(*, which: str, arguments: tuple[str, ...]) -> int:
    """Launch Claude in a session: its ARGUMENTS are those of 'pinnace run'."""
    from pinnace.launch import start

    asked, here = request.parse(arguments), group.context()
    # A dry run writes nothing, so nothing from a store, either.
    known = about.chosen(launches.config(here), which) if asked.dry_run else None
    one = known or launches.own(here, which)
    asked = asked._replace(flags={**asked.flags, "run.session": one.called})
    return start.run(asked, HostFacts.detect())


@session_group.command("fork")
@which
@click.argument("name", required=False)
@output.json_option
def fork_command(*, which: str, name: str | None, as_json: bool) -> int:
    """Copy a session, under a NAME of its own or none; both go on by themselves."""
    here = group.context()
    config = launches.config(here)
    names = Names(config)
    if name and names.resolve(name):
        raise UsageError(f"a session is called '{name}' already", hint="choose another name")
    one = launches.here_alone(here, which) or launches.chosen(here, which)
    title = name or f"{one.title or one.called} (fork)"
    session = change.fork(one.transcript, title, launches.elsewhere(here, one.transcript))
    if name:
        names.give(name, session)
    if as_json:
        return output.print_result({"id": session, "name": name or "", "of": one.transcript.id})
    output.say(f"{session} is a copy; go on in it: pinnace session resume {name or session}")
    return 0


@session_group.command("rename")
@which
@click.argument("name")
@output.json_option
def rename_command(*, which: str, name: str, as_json: bool) -> int:
    """Call a session NAME, here and in Claude's own list."""
    here = group.context()
    one = launches.own(here, which)
    Names(launches.config(here)).give(require_name(name), one.transcript.id)
    change.set_title(one.transcript, name)
    if as_json:
        return output.print_result({"id": one.transcript.id, "name": name})
    output.say(f"{one.transcript.id} is called {name}")
    return 0


class _Chosen(NamedTuple):
    """What `rm` removes.

    Attributes:
        session: its id.
        one: None: its transcript has gone, only its name is left.
        apart: it went on elsewhere; what is in the store stays there.
    """

    session: str
    one: About | None = None
    apart: bool = False


@session_group.command("rm")
@click.argument("sessions", nargs=-1, required=True, metavar="SESSION...", shell_complete=words)
@click.option("--force", is_flag=True, help="Also while a launch is at work on one.")
@output.json_option
def rm_command(*, sessions: tuple[str, ...], force: bool, as_json: bool) -> int:
    """Remove transcripts of sessions, and their names: of all that are named, or of none."""
    here = group.context()
    names = Names(launches.config(here))
    found = [_to_remove(here, names, which, force=force) for which in sessions]
    chosen = {one.session: one for one in found}
    for one in chosen.values():
        _remove(here, names, one)
        if not as_json:
            output.say(f"removed {one.session}")
    return output.print_result(list(chosen)) if as_json else 0


def _to_remove(here: Context, names: Names, which: str, *, force: bool) -> _Chosen:
    """Return what a word names, if nothing is at work on it."""
    try:
        apart = launches.here_alone(here, which)
        one = apart or launches.own(here, which)
    except SessionMissingError:
        # Of a name whose transcript has gone, the name is left.
        named = names.all().get(which)
        if named is None:
            raise
        _require_free(which, running=names.is_held(named.id), force=force)
        return _Chosen(named.id)
    running = launches.running().has(one.transcript, here.project.source, names)
    _require_free(one.called, running=running, force=force)
    return _Chosen(one.transcript.id, one, apart is not None)


def _remove(here: Context, names: Names, chosen: _Chosen) -> None:
    if chosen.one is not None:
        transcript = chosen.one.transcript
        copies = launches.copies(here)
        if copies and not chosen.apart:
            anyio.run(copies.remove, transcript.directory, chosen.session)
        change.remove(transcript)
    names.forget(chosen.session)


def _require_free(name: str, *, running: bool, force: bool) -> None:
    if running and not force:
        error = busy(name)
        error.hint = "wait for it, or remove it all the same: --force"
        raise error
