"""The verb `trust`: what waits for approval in a project is shown, and approved or not."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pinnace.agent import (
    own_config,
    project_config,
    project_settings,
    project_state,
    user_parts,
    user_settings,
)
from pinnace.agent.claude_config import SETTINGS_FILE, STATE_FILE
from pinnace.cli import decisions, group
from pinnace.cli.config import plain, shown
from pinnace.config import files as project_files
from pinnace.config import load
from pinnace.config import pin as pins
from pinnace.config import project as workspace
from pinnace.config.schema import BY_NAME, VERSION
from pinnace.context import load_context
from pinnace.image import last_version
from pinnace.plan import user
from pinnace.request import RunRequest
from pinnace_core import console, output
from pinnace_core.errors import (
    BadPinError,
    UnsafeRequestError,
    UsageError,
)
from pinnace_core.host import HostFacts
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pinnace.agent.places import Place


@group.cli.command("trust")
@click.option("--yes", is_flag=True, help="Approve without asking.")
@click.option("--revoke", is_flag=True, help="Take the approval back.")
@click.option("--list", "listing", is_flag=True, help="List what is approved, everywhere.")
@click.option("--config-dir", metavar="DIR", help="Claude's config directory, as of a launch.")
@output.json_option
def trust_command(
    *, yes: bool, revoke: bool, listing: bool, config_dir: str | None, as_json: bool
) -> int:
    """Approve what the project's settings files ask for, and what a config directory holds.

    That is what reaches outside the project: mounts, variables, images and the like. It is shown
    first. An approval is of the file's content: after any change, it has to be given again. With
    --json, nobody is asked: without --yes, nothing is approved.
    """
    if sum((yes, revoke, listing)) > 1:
        raise UsageError("choose one of --yes, --revoke, --list", hint="see: pinnace trust --help")
    if listing:
        return _list(as_json=as_json)
    facts = HostFacts.detect()
    flags: dict[str, object] = {"auth.config-directory": config_dir} if config_dir else {}
    files = project_files.read(facts).project
    if revoke:
        claudes = project_settings.paths(workspace.locate(facts), facts)
        revoked = _revoke([*(f.path for f in files), *claudes], facts, flags)
        return _print_revoked(revoked, as_json=as_json)
    waiting = list(_waiting(facts, flags))
    if as_json:
        return _answer(waiting, facts, yes=yes)
    if not waiting:
        output.say("nothing here waits for approval")
        return 0
    for asked in waiting:
        for line in asked.lines:
            output.say(line)
    _confirm(yes=yes)
    for asked in waiting:
        _approve(asked, facts)
        output.say(f"approved {asked.path}")
    return 0


def _answer(waiting: Sequence[_Asked], facts: HostFacts, *, yes: bool) -> int:
    """Print what waits, and whether it was approved: all of it, or nothing."""
    result = {
        "approved": yes,
        "asked": [{"path": a.path, "title": a.lines[0], "values": a.values} for a in waiting],
    }
    if waiting and not yes:
        return output.print_result(result, _nobody())
    for asked in waiting:
        _approve(asked, facts)
    return output.print_result(result)


def _approve(asked: _Asked, facts: HostFacts) -> None:
    decisions.note_trust(facts, "approve", asked.path, asked.content)
    # What was read is what was shown, and that is approved, whatever is there by now.
    asked.approve()


def _list(*, as_json: bool) -> int:
    approved = [a for a in project_files.approvals() if not own_config.is_note(a.path)]
    if as_json:
        return output.print_result([approval._asdict() for approval in approved])
    for approval in approved:
        output.say(f"{approval.sha256[:12]}  {approval.path}")
    if not approved:
        console.stderr("pinnace: nothing is approved anywhere")
    return 0


class _Asked(NamedTuple):
    """What waits for approval: where it stands, what is shown, and how it is approved.

    Attributes:
        path: where it stands.
        lines: what is shown, a title first.
        values: what is asked for, by name, as plain data.
        content: that is approved.
        approve: does so.
    """

    path: str
    lines: list[str]
    values: dict[str, Any]
    content: bytes
    approve: Callable[[], None]


def _asked(path: str, lines: list[str], values: Mapping[str, Any], content: bytes) -> _Asked:
    approve = partial(project_files.approve, path, content)
    return _Asked(path, lines, dict(values), content, approve)


def _waiting(facts: HostFacts, flags: Mapping[str, object]) -> Iterator[_Asked]:
    for file in load.load(facts, {}).pending:
        rows = [f"  {n} = {shown(v)}    ({BY_NAME[n].help})" for n, v in file.values.items()]
        values = {name: plain(value) for name, value in file.values.items()}
        yield _asked(file.path, [f"{file.path} asks for:", *rows], values, file.content)
    for wish in project_settings.waiting(workspace.locate(facts), facts):
        project_settings.require_readable(wish)
        rows = [f"  {name} = {json.dumps(value)}" for name, value in wish.values.items()]
        title = f"{wish.path} has Claude run, with isolation open:"
        yield _asked(wish.path, [title, *rows], wish.values, wish.content)
    yield from _waiting_version(facts)
    place, users = _users_settings(facts, flags)
    if place.profile:
        yield from _waiting_inside(place, users)
        return
    # Of what is approved here, a launch with a network goes by no more than this.
    for wish in own_config.waiting(place.config, network=True):
        project_settings.require_readable(wish)
        yield _asked(wish.path, own_config.shown(wish), wish.values, wish.content)


def _waiting_inside(place: Place, users: Mapping[str, Any]) -> Iterator[_Asked]:
    """Return what was changed from inside, and runs something or lets more be done."""
    found = project_config.decision(place, users).waiting
    if found:
        path = str(place.config / SETTINGS_FILE)
        rows = [f"  {name} = {json.dumps(value)}" for name, value in found.items()]
        title = f"{path}, changed from inside, has for Claude in this project:"
        yield _asked(path, [title, *rows], found, user_settings.content(found))
    state = place.config / STATE_FILE
    for name, value in project_state.decision(place, _users_servers(place)).waiting.items():
        row = f"  {project_state.shown(name)} = {json.dumps(value)}"
        title = f"{state}, changed from inside, has Claude run in this project:"
        values = {name: value}
        yield _asked(
            project_state.approval(state, name),
            [title, row],
            values,
            user_settings.content(values),
        )


def _users_servers(place: Place) -> dict[str, Any]:
    return user_parts.servers(place.profile) if place.profile else {}


def _waiting_version(facts: HostFacts) -> Iterator[_Asked]:
    """Return that the project goes back to an older CLI, if it does."""
    here = load_context(RunRequest(dry_run=True), facts)
    pin = pins.find(facts, files=here.config.files)
    with suppress(BadPinError):
        version = pins.resolved(pin, project=here.locked)
        try:
            last_version.require(here, version)
        except UnsafeRequestError as error:
            where = pin.source if pin else here.project.source
            remember = partial(last_version.remember, here, version)
            content = str(version).encode()
            yield _Asked(where, [error.message], {VERSION.name: str(version)}, content, remember)


def _users_settings(facts: HostFacts, flags: Mapping[str, object]) -> tuple[Place, dict[str, Any]]:
    """Return where Claude's files are, and what the user wants of its settings."""
    here = load_context(RunRequest(flags=flags), facts)
    place = user.place_of(here)
    if place.profile is None:
        return place, {}
    hosts, named = user_parts.hosts_own(facts), here.config.settings.claude_home
    return place, user_parts.settings(place.profile, hosts, named)


def _revoke(paths: Iterable[Path], facts: HostFacts, flags: Mapping[str, object]) -> list[str]:
    """Take approvals back; return of what."""
    place, users = _users_settings(facts, flags)
    own = [place.config / SETTINGS_FILE]
    named = own if place.profile else [Path(w.path) for w in own_config.wishes(place.config)]
    revoked = [path for path in (*paths, *named) if project_files.revoke(str(path))]
    if place.profile and project_config.forget(place, users):
        revoked = [*dict.fromkeys((*revoked, *own))]
    done = []
    for path in map(str, (*revoked, *(_revoke_inside(place) if place.profile else ()))):
        decisions.note_trust(facts, "revoke", path)
        done.append(path)
    return done


def _print_revoked(paths: Sequence[str], *, as_json: bool) -> int:
    if as_json:
        return output.print_result(paths)
    for path in paths:
        output.say(f"no longer approved: {path}")
    if not paths:
        output.say("nothing here was approved")
    return 0


def _revoke_inside(place: Place) -> Iterator[str]:
    """Take back, and forget, what Claude's state was allowed to run."""
    yield from project_state.revoke(place)
    if project_state.forget(place, _users_servers(place)):
        yield str(place.config / STATE_FILE)


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise _nobody()
    if not click.confirm("Approve this?"):
        raise UnsafeRequestError("nothing was approved", hint="until it is, this does not count")


def _nobody() -> UnsafeRequestError:
    return UnsafeRequestError(
        "nobody can be asked here", hint="if you mean it: pinnace trust --yes"
    )
