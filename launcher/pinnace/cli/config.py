"""The verbs about a project's configuration: `pin`, `unpin` and `config`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pinnace.agent import places
from pinnace.cli import complete, group
from pinnace.config import MountRequest, Value, load, pin_edit
from pinnace.config import files as project_files
from pinnace.config import pin as pins
from pinnace.config import project as workspace
from pinnace.config.project import LOCK_FILE
from pinnace.config.schema import VERSION
from pinnace.context import load_context
from pinnace.image import claims
from pinnace.request import RunRequest
from pinnace_core import output
from pinnace_core.errors import (
    BadPinError,
    PinnaceError,
    UnknownVersionError,
    UsageError,
)
from pinnace_core.host import HostFacts
from pinnace_images import contract, lock
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace.config import Config
    from pinnace.config.files import Files
    from pinnace_core.image import Image
    from pinnace_images.versions import CliVersion, Specifier


@group.cli.command("config")
@click.argument("words", nargs=-1, metavar="")
@output.json_option
def config_command(*, words: tuple[str, ...], as_json: bool) -> int:
    """Show all settings, with the source of each.

    Pending ones, which a file of the project asks for and which are not approved, come last, and
    after them variables that no setting has.
    """
    if words:
        raise UsageError(
            f"'{words[0]}' is no option of this: settings are changed in their file",
            hint=f"the project's is pinnace.toml, yours is {project_files.user_path()}; "
            "see: pinnace help settings",
        )
    facts = HostFacts.detect()
    loaded = load.load(facts, {})
    rows = {VERSION.name: _version(facts, loaded), **_worded(loaded.values)}
    unknown = load.unknown_variables(facts.environment)
    if as_json:
        return output.print_result({**_document(rows, loaded), "unknown": list(unknown)})
    lines = [(name, shown(value.value), value.source) for name, value in rows.items()]
    lines += [
        (name, shown(value), f"pending: {file.path}")
        for file in loaded.pending
        for name, value in file.values.items()
    ]
    own = project_files.user_path()
    output.say(f"your own file: {own}{'' if own.exists() else ' (not there yet)'}")
    for line in (*output.aligned(lines), *(f"unknown: {text}" for text in unknown.values())):
        output.say(line)
    return 0


def _version(facts: HostFacts, loaded: Config) -> Value:
    pin = pins.find(facts, files=loaded.files)
    if pin is None:
        return Value(str(pins.default_version()), "no pin: the lock's newest")
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


@group.cli.command("pin")
@click.argument("specifier", required=False, metavar="[VERSION]", shell_complete=complete.versions)
@click.option("--lock", "with_lock", is_flag=True, help=f"Write {LOCK_FILE} too: its digests.")
@output.json_option
def pin_command(*, specifier: str | None, with_lock: bool, as_json: bool) -> int:
    """Pin the project to VERSION; without one, tell what is pinned.

    VERSION is exact (2.1.330), a line (2.1), a range (>=2.1.300,<2.2), or a channel ('latest').

    The exact version that it means is written where the project's pin is now: in its pinnace.toml
    or .claude-version; else to a .claude-version, at the project's root if there is no pin.
    """
    facts = HostFacts.detect()
    files = project_files.read(facts)
    if specifier is None:
        if with_lock:
            raise UsageError("--lock needs a version", hint="pinnace pin VERSION --lock")
        return _print_counting(pins.find(facts, files=files), as_json=as_json)
    # Where no launch would be possible, nobody is helped by a pin.
    workspace.locate(facts)
    version = _exact(pins.specifier(specifier, ""), facts)
    path = pin_edit.place_for(pins.place(facts, files), files)
    # First, because it may fail for many more reasons.
    locked = _lock(version, facts, files) if with_lock else None
    pin_edit.write(path, version, files, facts)
    places.went_back(workspace.locate(facts).source, str(version))
    if not as_json:
        output.say(f"pinned {version} in {path}")
        if locked:
            output.say(f"locked it in {locked}")
    _say_what_is_not_locked(version, files, locked)
    if as_json:
        found = {"version": str(version), "path": str(path), "lock": locked}
        return output.print_result(found)
    return 0


def _say_what_is_not_locked(version: CliVersion, files: Files, locked: str | None) -> None:
    if locked:
        return
    if version not in lock.load_known().entries:
        output.say(
            f"{version} is not in Pinnace's lock: its digest is what npm says when it is built; "
            f"to keep that: pinnace pin {version} --lock",
            err=True,
        )
    if _is_of_another(version, files):
        output.say(f"{LOCK_FILE} is of another version: pinnace pin {version} --lock", err=True)


@group.cli.command("unpin")
@output.json_option
def unpin_command(*, as_json: bool) -> int:
    """Remove the project's pin, and its lock.

    Then tell what counts now.
    """
    facts = HostFacts.detect()
    files = project_files.read(facts)
    path = pins.place(facts, files)
    if path is None or not path.is_relative_to(files.root):
        counting = _counting(pins.find(facts, files=files))
        raise BadPinError("there is no pin in this project", hint=f"what counts: {counting}")
    pin_edit.remove(path, files, facts)
    removed = [path]
    locked = files.root / LOCK_FILE
    if locked.is_file() or locked.is_symlink():
        locked.unlink()
        removed.append(locked)
    now = pins.find(facts, files=project_files.read(facts))
    if as_json:
        return output.print_result({"removed": list(map(str, removed)), "now": _as_json(now)})
    output.say(f"removed the pin from {path}")
    for other in removed[1:]:
        output.say(f"removed {other}")
    output.say(f"what counts now: {_counting(now)}")
    return 0


def _print_counting(pin: pins.Pin | None, *, as_json: bool) -> int:
    if as_json:
        return output.print_result(_as_json(pin))
    output.say(_counting(pin))
    return 0


def _as_json(pin: pins.Pin | None) -> dict[str, str | None]:
    """Return what counts; without a pin, the newest version that is locked."""
    if pin is None:
        return {"specifier": str(pins.default_version()), "source": None}
    return {"specifier": str(pin.specifier), "source": pin.source}


def _counting(pin: pins.Pin | None) -> str:
    if pin is None:
        return f"{pins.default_version()}, the newest that is locked"
    return f"{pin.specifier} ({pin.source})"


def _exact(wanted: Specifier, facts: HostFacts) -> CliVersion:
    version = wanted.best(lock.load_known().entries) if wanted.text != "latest" else None
    if version is not None:
        return version
    platform = Platform.of_machine(facts.machine)
    from pinnace.image import provision

    try:
        version = provision.newest(wanted, platform)
        provision.require_published(version, platform)
    except UnknownVersionError as error:
        raise pins.suggesting(error, wanted.text) from error
    return version


def _lock(version: CliVersion, facts: HostFacts, files: Files) -> str:
    from pinnace.image import provision

    entry = provision.lock_entry(version)
    return str(pin_edit.save_lock(files.root, entry, _images(version, facts)))


def _images(version: CliVersion, facts: HostFacts) -> list[Image]:
    """Return the local images of a version, as far as an engine answers."""
    try:
        found = claims.listed(load_context(RunRequest(), facts).engine)
    except PinnaceError:
        return []
    return sorted(
        image for image in found if claims.version_of(image) == version and claims.is_ours(image)
    )


def _is_of_another(version: CliVersion, files: Files) -> bool:
    try:
        found = pin_edit.load_lock(files.root)
    except PinnaceError:
        return True
    return found is not None and version not in found.entries
