"""`pinnace audit`: what was launched and decided here, and whether the record of it is whole."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace.audit import entries, launches, ocsf, verify
from pinnace.audit.entry import Position
from pinnace.cli import audit_show, group
from pinnace.config import project
from pinnace.launch.owner import Launcher, state_of
from pinnace_core import output
from pinnace_core.errors import EntryMissingError, RecordChangedError, UsageError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.audit.launches import Launch, Session
    from pinnace.audit.verify import Verdict

_NEWEST: Final = 20
_COLUMNS: Final = ("number", "time", "verb", "launch", "version", "exit", "seconds", "refused")
_HEAD: Final = r"([0-9]{1,12}):([0-9a-f]{64})"
_everywhere = click.option("--all", "everywhere", is_flag=True, help="Those of all projects.")


@group.cli.group("audit", cls=output.Group)
def audit_group() -> None:
    """Show what was launched, decided and refused; verify and export the record of it."""


@audit_group.command("list")
@_everywhere
@click.option(
    "--newest",
    default=_NEWEST,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="So many.",
)
@output.json_option
def list_command(*, everywhere: bool, newest: int, as_json: bool) -> int:
    """List this project's launches, and commands in them, the newest last."""
    rows = [_row(one) for one in _launches(everywhere=everywhere)[-newest:]]
    if as_json:
        return output.print_result(rows)
    table = [tuple(name.upper() for name in _COLUMNS)]
    table += [tuple(_cell(name, row[name]) for name in _COLUMNS) for row in rows]
    for line in output.aligned(table) if rows else ["nothing is recorded here (--all: anywhere)"]:
        output.say(line)
    return 0


@audit_group.command("show")
@click.argument("name", required=False, metavar="[NUMBER|NAME]")
@output.json_option
def show_command(*, name: str | None, as_json: bool) -> int:
    """Sum up a launch: this project's last one, or the one that is named.

    What its transcripts say is read from them now, and is what the agent claims. With --json, it is
    all that is known.
    """
    chosen = _chosen(name)
    said = launches.claimed(chosen)
    if as_json:
        found = {"started": chosen.started, "ended": chosen.ended, "state": _state(chosen)}
        return output.print_result({**found, "claimed": [_as_json(one) for one in said]})
    for line in audit_show.lines(chosen, _state(chosen), said):
        output.say(line)
    return 0


@audit_group.command("verify")
@click.option("--head", "noted", default="", metavar="HEAD", help="That was noted elsewhere.")
@output.json_option
def verify_command(*, noted: str, as_json: bool) -> int:
    """See that the record is as it was written: nothing changed, taken away, put in or moved.

    Prints the head, number and digest of the last entry. Note it on another machine, and hold the
    record against it later: who writes as you can make a whole new chain.
    """
    found = verify.verify(_position(noted) if noted else None)
    problem = _problem(found)
    if as_json:
        return output.print_result(_document(found), problem)
    for one in found.findings:
        output.say(f"{one.kind:<8} {one.where}: {one.text}")
    output.say(f"{found.entries} entries, from {found.first} to {found.last.number}")
    output.say(f"head {found.last}")
    if problem is not None:
        raise problem
    return 0


@audit_group.command("export")
@click.option(
    "--format", "form", type=click.Choice(("json", "ocsf")), default="json", help="One a line."
)
@_everywhere
def export_command(*, form: str, everywhere: bool) -> int:
    """Print the entries, one JSON object a line: as they are, or as events of OCSF."""
    place = "" if everywhere else _workspace()
    known = (e for e in entries.read() if place in {"", e.document.get("project")})
    found: Iterator[Any] = ocsf.events(known) if form == "ocsf" else (e.document for e in known)
    for one in found:
        click.echo(json.dumps(one, separators=(",", ":")))
    return 0


def _workspace() -> str:
    return project.locate(HostFacts.detect()).source


def _launches(*, everywhere: bool) -> list[Launch]:
    return launches.launches("" if everywhere else _workspace())


def _chosen(name: str | None) -> Launch:
    if name is not None:
        return launches.named(_launches(everywhere=True), name)
    found = [one for one in _launches(everywhere=False) if "command" not in one.started]
    if not found:
        raise EntryMissingError(
            "no launch of this project is in the audit record",
            hint="those of other projects: pinnace audit list --all",
        )
    return found[-1]


def _row(one: Launch) -> dict[str, Any]:
    started, ended = one.started, one.ended or {}
    return {
        "number": one.number,
        "time": started.get("time"),
        "verb": started.get("verb"),
        "launch": one.name,
        "project": started.get("project"),
        "version": (started.get("claude") or {}).get("version"),
        "state": _state(one),
        "exit": ended.get("exit", _state(one)),
        "seconds": ended.get("seconds"),
        "refused": (ended.get("network") or {}).get("refused_total"),
    }


def _cell(name: str, value: object) -> str:
    if name == "time":
        return audit_show.moment(value)
    return "-" if value is None else str(value)


def _state(one: Launch) -> str:
    """Return `ended`, `found later`, `running`, `killed`, or `unknown`."""
    if one.ended is not None:
        return "found later" if one.ended.get("found_later") else "ended"
    launcher = one.started.get("launcher")
    state = state_of(Launcher.from_labels(launcher if isinstance(launcher, dict) else {}))
    return {"alive": "running", "gone": "killed"}.get(state, "unknown")


def _as_json(one: Session) -> dict[str, Any]:
    return {"path": one.path, "state": one.state, "calls": [c._asdict() for c in one.calls]}


def _position(text: str) -> Position:
    found = re.fullmatch(_HEAD, text, re.ASCII)
    if found is None:
        raise UsageError(
            f"'{text}' is no head", hint="give it as it was printed: pinnace audit verify"
        )
    return Position(int(found[1]), found[2])


def _problem(found: Verdict) -> RecordChangedError | None:
    grave = [one for one in found.findings if one.is_grave]
    if not grave:
        return None
    first = f"{grave[0].where}: {grave[0].text}"
    more = f", and {len(grave) - 1} more" if len(grave) > 1 else ""
    return RecordChangedError(
        f"the audit record is not as it was written: {first}{more}",
        hint="find out who can write there; what each finding means: pinnace help audit.md",
    )


def _document(found: Verdict) -> dict[str, Any]:
    return {
        "entries": found.entries,
        "first": found.first,
        "head": str(found.last),
        "findings": [{**one._asdict(), "grave": one.is_grave} for one in found.findings],
    }
