"""`pinnace isolation`: what each level allows, in plain words."""

from __future__ import annotations

from typing import Final

import click

from pinnace.cli import group
from pinnace.config import LEVELS, LOCKED, OPEN, STANDARD
from pinnace.context import load_context
from pinnace.request import RunRequest
from pinnace_core import output
from pinnace_core.errors import PinnaceError
from pinnace_core.host import HostFacts

_FILES: Final = "the project and Claude's config directory, read and write; all else read-only"
_OUTSIDE: Final = "outside: API keys and tokens are put on by the gateway; a login is still inside"
_ALWAYS: Final = {
    "rights": "no capability, no new privileges, a list of system calls, an ordinary user",
    "limits": "memory, processes, size of files; see: pinnace config",
}
_ALLOWS: Final = {
    LOCKED: {
        "network": "none; the API alone, through a gateway, whatever is allowed elsewhere",
        "keys": _OUTSIDE,
        "files": "the project, read-only; Claude's config directory, read and write",
    },
    STANDARD: {
        "network": "none; through a gateway, the API and what is allowed: pinnace network show",
        "keys": _OUTSIDE,
        "files": _FILES,
    },
    OPEN: {
        "network": "all that this machine reaches: the internet, your network, this machine",
        "keys": "inside, where all that runs can read them",
        "files": _FILES,
    },
}
_SHORT: Final = {
    LOCKED: "to look at a project: nothing but the API is reached, no file of it is changed",
    STANDARD: "no network but what is allowed, keys outside",
    OPEN: "the engine's usual network, keys inside",
}


@group.cli.group("isolation")
def isolation_group() -> None:
    """Tell how Claude is isolated, and how it can be."""


@isolation_group.command("list")
@output.json_option
def list_command(*, as_json: bool) -> int:
    """List the levels, the tightest first; the one that counts here has a star."""
    try:
        chosen = _chosen()
    except PinnaceError as error:
        if as_json:
            return output.print_error(error)
        raise
    if as_json:
        rows = [{"level": level, "about": _SHORT[level]} for level in LEVELS]
        return output.print_result({"chosen": chosen, "levels": rows})
    table = [("*" if level == chosen else "", level, _SHORT[level]) for level in LEVELS]
    for line in output.aligned(table):
        output.say(line)
    return 0


@isolation_group.command("show")
@click.argument("level", required=False, type=click.Choice(LEVELS))
@output.json_option
def show_command(*, level: str | None, as_json: bool) -> int:
    """Tell what a level allows; without LEVEL, the one that counts here."""
    try:
        shown = level or _chosen()
    except PinnaceError as error:
        if as_json:
            return output.print_error(error)
        raise
    about = {**_ALLOWS[shown], **_ALWAYS}
    if as_json:
        return output.print_result({"level": shown, "allows": about})
    for line in output.aligned([("level", shown), *about.items()]):
        output.say(line)
    return 0


def _chosen() -> str:
    return load_context(RunRequest(), HostFacts.detect()).config.settings.isolation
