"""`pinnace config` and `pinnace trust`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from pinnace.cli import group
from pinnace.config import MountRequest, Value, load, pinned, trust
from pinnace.config import files as project_files
from pinnace.config import pin as pins
from pinnace.config.schema import BY_NAME, VERSION
from pinnace_core import output
from pinnace_core.errors import PinnaceError, UnsafeRequestError, UsageError
from pinnace_core.host import HostFacts
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pinnace.config import Config
    from pinnace.config.files import SettingsFile


@group.cli.command("config")
@output.json_option
def config_command(*, as_json: bool) -> int:
    """Tell all settings, with the source of each.

    Pending ones, which a file of the project asks for and which are not approved, come last, and
    after them variables that no setting has.
    """
    try:
        facts = HostFacts.detect()
        loaded = load.load(facts, {})
        rows = {VERSION.name: _version(facts, loaded), **_worded(loaded.values)}
    except PinnaceError as error:
        if as_json:
            return output.print_error(error)
        raise
    unknown = load.unknown_variables(facts.environment)
    if as_json:
        return output.print_result({**_document(rows, loaded), "unknown": list(unknown)})
    lines = [(name, shown(value.value), value.source) for name, value in rows.items()]
    lines += [
        (name, shown(value), f"pending: {file.path}")
        for file in loaded.pending
        for name, value in file.values.items()
    ]
    for line in (*output.aligned(lines), *(f"unknown: {text}" for text in unknown.values())):
        output.say(line)
    return 0


def _version(facts: HostFacts, loaded: Config) -> Value:
    pin = pins.find(facts, files=loaded.files)
    if pin is None:
        return Value(str(pinned.default_version()), "no pin: the lock's newest")
    return Value(str(pin.specifier), pin.source)


def _worded(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the user as it is written in a file; a launch only knows whether it is the image's."""
    user = values["run.user"]
    return {**values, "run.user": user._replace(value=contract.AGENT_NAME if user.value else "")}


def _document(rows: dict[str, Value], loaded: Config) -> dict[str, Any]:
    return {
        "values": {
            name: {"value": plain(value.value), "source": value.source}
            for name, value in rows.items()
        },
        "pending": [
            {"path": file.path, "values": {n: plain(v) for n, v in file.values.items()}}
            for file in loaded.pending
        ],
    }


def plain(value: object) -> Any:  # noqa: ANN401 (JSON)
    """Return a value as plain data."""
    if isinstance(value, MountRequest):
        mode = "ro" if value.read_only else "rw"
        return {"source": value.source, "target": value.target, "mode": mode}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def shown(value: object) -> str:
    """Return a value for people."""
    if isinstance(value, MountRequest):
        return f"{value.source}:{value.target}:{'ro' if value.read_only else 'rw'}"
    if isinstance(value, tuple):
        return ", ".join(map(shown, value)) or "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) or "-"


@group.cli.command("trust")
@click.option("--yes", is_flag=True, help="Approve without asking.")
@click.option("--revoke", is_flag=True, help="Take the approval back.")
@click.option("--list", "listing", is_flag=True, help="List what is approved, everywhere.")
def trust_command(*, yes: bool, revoke: bool, listing: bool) -> None:
    """Approve what the project's settings files ask for.

    That is what reaches outside the project: mounts, variables, images and the like. It is shown
    first. An approval is of the file's content: after any change, it has to be given again.
    """
    if sum((yes, revoke, listing)) > 1:
        raise UsageError("choose one of --yes, --revoke, --list", hint="see: pinnace trust --help")
    if listing:
        for approval in trust.approvals():
            output.say(f"{approval.sha256[:12]}  {approval.path}")
        return
    facts = HostFacts.detect()
    files = project_files.read(facts).project
    if revoke:
        _revoke(files)
        return
    loaded = load.load(facts, {})
    if not loaded.pending:
        output.say("nothing here waits for approval")
        return
    for asked in loaded.pending:
        output.say(f"{asked.path} asks for:")
        for name, value in asked.values.items():
            output.say(f"  {name} = {shown(value)}    ({BY_NAME[name].help})")
    _confirm(yes=yes)
    for asked in loaded.pending:
        # What was read is what was shown, and that is approved, whatever is there by now.
        trust.approve(asked.path, asked.content)
        output.say(f"approved {asked.path}")


def _revoke(files: Iterable[SettingsFile]) -> None:
    revoked = [file.path for file in files if trust.revoke(str(file.path))]
    for path in revoked:
        output.say(f"no longer approved: {path}")
    if not revoked:
        output.say("nothing here was approved")


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", hint="if you mean it: pinnace trust --yes")
    if not click.confirm("Approve this?"):
        raise UnsafeRequestError("nothing was approved", hint="until it is, this does not count")
