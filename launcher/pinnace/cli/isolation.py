"""`pinnace isolation`: what each level allows, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from pinnace.cli import group
from pinnace.config import levels, own_levels
from pinnace.context import load_context
from pinnace.request import RunRequest
from pinnace_core import output
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.config import Config
    from pinnace.config.levels import Level

_RIGHTS: Final = "no capability, no new privileges, a list of system calls, an ordinary user"
_LIMITS: Final = "memory, processes, size of files; see: pinnace config"
_KEYS: Final = "outside: the gateway puts them on what goes to the API; inside are placeholders"
_SHORT: Final = {
    levels.LOCKED.name: "to look at a project: the API alone is reached, no file of it is changed",
    levels.STANDARD.name: "no network but what is allowed",
    levels.OPEN.name: "the engine's usual network",
}


@group.cli.group("isolation", cls=output.Group)
def isolation_group() -> None:
    """Show how Claude is isolated, and how it can be."""


@isolation_group.command("list")
@output.json_option
def list_command(*, as_json: bool) -> int:
    """List the levels; the one that counts here has a star.

    Your own ones come last: tables 'isolation.NAME' of your settings file.
    """
    config = _config()
    known = own_levels.known(config.files.user).values()
    if as_json:
        rows = [{"level": level.name, "about": _about(level)} for level in known]
        return output.print_result({"chosen": config.level.name, "levels": rows})
    table = [("*" if one == config.level else "", one.name, _about(one)) for one in known]
    for line in output.aligned(table):
        output.say(line)
    return 0


@isolation_group.command("show")
@click.argument("level", required=False, metavar="[LEVEL]")
@output.json_option
def show_command(*, level: str | None, as_json: bool) -> int:
    """Show what a level allows; without LEVEL, the one that counts here."""
    config = _config()
    shown = own_levels.named(level, config.files.user) if level else config.level
    about = dict(_allows(shown))
    if as_json:
        return output.print_result({"level": shown.name, "allows": about})
    for line in output.aligned([("level", shown.name), *about.items()]):
        output.say(line)
    return 0


def _about(level: Level) -> str:
    return f"your own, like {level.like}" if level.like else _SHORT[level.name]


def _allows(level: Level) -> Iterator[tuple[str, str]]:
    yield "network", _network(level)
    yield "keys", _KEYS
    project = "read-only" if level.read_only else "read and write (--review, --clone: a copy)"
    yield "files", f"the project, {project}; Claude's config directory, read and write"
    yield "mounts", "read-only" if level.read_only else "read-only unless asked for with :rw"
    yield "rights", _RIGHTS
    yield "limits", _LIMITS


def _network(level: Level) -> str:
    if level.network:
        return "all that this machine reaches: the internet, your network, this machine"
    if level.sealed:
        return "none; the API alone, through a gateway, whatever is allowed elsewhere"
    listed = ", ".join(level.allow) or "nothing else"
    return f"none; through a gateway, the API, {listed}, and what you allow: pinnace network show"


def _config() -> Config:
    return load_context(RunRequest(), HostFacts.detect()).config
