"""`pinnace shim`: a program named `claude`, for clients that start one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace.cli import group
from pinnace.shim import notes, places
from pinnace_core import output
from pinnace_core.errors import UsageError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from pinnace.shim.places import Shim

_NOTES: Final = 10
_directory: Final = click.argument(
    "directory", required=False, metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False)
)


@group.cli.group("shim", cls=output.Group)
def shim_group() -> None:
    """Make a program named `claude` that runs Claude in a container, for editors and other clients.

    It takes Claude's own arguments and no others; settings come from files and variables. See
    'pinnace help clients' for what each client needs.
    """


@shim_group.command("install")
@_directory
@click.option("--force", is_flag=True, help="Also where another 'claude' is found no more then.")
@click.option("--provision", is_flag=True, help="Let it pull or build an image that is missing.")
@output.json_option
def install_command(*, directory: Path | None, force: bool, provision: bool, as_json: bool) -> int:
    """Make it in DIR, without one in a directory of Pinnace's own, which hides nothing.

    Without --provision, a launch whose image is missing fails at once: clients wait seconds.
    """
    made = _installed(directory, force=force, provision=provision)
    if as_json:
        return output.print_result(_row(made))
    output.say(str(made.path))
    for line in _about(made):
        output.say(line, err=True)
    return 0


def _installed(directory: Path | None, *, force: bool, provision: bool) -> Shim:
    if not sys.executable:
        raise UsageError(
            "Python does not know which program it is", hint="start Pinnace by its full path"
        )
    place = (directory or places.default()).absolute()
    facts = HostFacts.detect()
    return places.install(place, facts, sys.executable, force=force, provision=provision)


@shim_group.command("status")
@output.json_option
def status_command(*, as_json: bool) -> int:
    """Show where there are some, what else is named `claude`, and what launches said at last."""
    facts = HostFacts.detect()
    found, others = places.installed(facts), places.others(facts)
    said = notes.last(_NOTES)
    if as_json:
        result = {
            "shims": [_row(one) for one in found],
            "others": [str(path) for path in others],
            "notes": said,
        }
        return output.print_result(result)
    for one in found:
        output.say(str(one.path))
        for line in _about(one):
            output.say(f"  {line}")
    if not found:
        output.say("there is none: pinnace shim install [DIR]")
    for path in others:
        output.say(f"another claude: {path}")
    if said:
        output.say(f"said at last, of {notes.path()}:")
    for line in said:
        output.say(f"  {line}")
    return 0


@shim_group.command("uninstall")
@_directory
@output.json_option
def uninstall_command(*, directory: Path | None, as_json: bool) -> int:
    """Remove that of DIR, or all; what --force has put aside is put back."""
    place = directory.absolute() if directory else None
    removed = places.uninstall(place, HostFacts.detect())
    if as_json:
        return output.print_result({"removed": [str(path) for path in removed]})
    for path in removed:
        output.say(f"removed {path}")
    return 0


def _about(shim: Shim) -> list[str]:
    """Describe a program for people."""
    if not shim.there:
        return ["it has gone, or is another program now: pinnace shim install"]
    lines = []
    if shim.first:
        lines.append("what a shell finds as claude")
    elif shim.searched:
        lines.append(f"a shell finds another claude before it: {shim.others[0]}")
    else:
        lines.append("not on PATH: give clients its path, or put its directory first on PATH")
    if shim.provisions:
        lines.append("pulls or builds an image that is missing")
    return lines


def _row(shim: Shim) -> dict[str, Any]:
    return {
        "path": str(shim.path),
        "there": shim.there,
        "first": shim.first,
        "provision": shim.provisions,
        "others": [str(path) for path in shim.others],
    }
