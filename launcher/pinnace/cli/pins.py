"""`pinnace pin` and `pinnace unpin`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pinnace.cli import complete, group
from pinnace.config import files as project_files
from pinnace.config import pin as pins
from pinnace.config import pin_edit, pinned, project_lock
from pinnace.config.names import LOCK_FILE
from pinnace.context import load_context
from pinnace.image import decide
from pinnace.request import RunRequest
from pinnace_core import output
from pinnace_core.errors import BadPinError, PinnaceError, UnknownVersionError
from pinnace_core.host import HostFacts
from pinnace_images import lock

if TYPE_CHECKING:
    from pinnace.config.files import Files
    from pinnace_core.image import Image
    from pinnace_images.versions import CliVersion, Specifier


@group.cli.command("pin")
@click.argument("specifier", metavar="VERSION", shell_complete=complete.versions)
@click.option("--lock", "with_lock", is_flag=True, help=f"Write {LOCK_FILE} too: its digests.")
def pin_command(specifier: str, *, with_lock: bool) -> None:
    """Pin the project to VERSION.

    VERSION is exact (2.1.330), a line (2.1), a range (>=2.1.300,<2.2), or a channel ('latest').

    The exact version that it means is written where the project's pin is now: in its pinnace.toml
    or .claude-version; else to a .claude-version, at the project's root if there is no pin.
    """
    facts = HostFacts.detect()
    files = project_files.read(facts)
    version = _exact(pins.specifier(specifier, ""))
    path = pin_edit.place_for(pins.place(facts, files), files)
    # First, because it may fail for many more reasons.
    locked = _lock(version, facts, files) if with_lock else None
    pin_edit.write(path, version, files, facts)
    output.say(f"pinned {version} in {path}")
    if locked:
        output.say(f"locked it in {locked}")
    elif _is_of_another(version, files):
        output.say(f"{LOCK_FILE} is of another version: pinnace pin {version} --lock", err=True)


@group.cli.command("unpin")
def unpin_command() -> None:
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
    output.say(f"removed the pin from {path}")
    locked = files.root / LOCK_FILE
    if locked.is_file() or locked.is_symlink():
        locked.unlink()
        output.say(f"removed {locked}")
    now = pins.find(facts, files=project_files.read(facts))
    output.say(f"what counts now: {_counting(now)}")


def _counting(pin: pins.Pin | None) -> str:
    if pin is None:
        return f"{pinned.default_version()}, the newest that is locked"
    return f"{pin.specifier} ({pin.source})"


def _exact(wanted: Specifier) -> CliVersion:
    version = wanted.best(lock.load_known().entries) if wanted.text != "latest" else None
    if version is not None:
        return version
    from pinnace.image import provision

    try:
        version = provision.newest(wanted)
        provision.require_published(version)
    except UnknownVersionError as error:
        raise pins.suggesting(error, wanted.text) from error
    return version


def _lock(version: CliVersion, facts: HostFacts, files: Files) -> str:
    from pinnace.image import provision

    entry = provision.lock_entry(version)
    return str(project_lock.save(files.root, entry, _images(version, facts)))


def _images(version: CliVersion, facts: HostFacts) -> list[Image]:
    """Return the local images of a version, as far as an engine answers."""
    try:
        found = decide.listed(load_context(RunRequest(), facts).engine)
    except PinnaceError:
        return []
    return sorted(
        image for image in found if decide.version_of(image) == version and decide.is_ours(image)
    )


def _is_of_another(version: CliVersion, files: Files) -> bool:
    try:
        found = project_lock.load(files.root)
    except PinnaceError:
        return True
    return found is not None and version not in found.entries
