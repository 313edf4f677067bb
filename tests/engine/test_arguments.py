"""What Pinnace knows of Claude's command line, against what the CLI itself says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pinnace.agent.arguments import COMMANDS, OPTIONS
from pinnace.config import schema
from pinnace.request import COLLIDING

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher

_OPTION: Final = re.compile(
    r"^  ((?:-\w, )?--[\w-]+(?:, --[\w-]+)*|-\w)(?: ([<\[]\S*))?", re.MULTILINE
)
_COMMAND: Final = re.compile(r"^  ([a-z][a-z|-]+)(?= )", re.MULTILINE)


def _values(placeholder: str) -> str:
    if not placeholder:
        return "none"
    if "..." in placeholder:
        return "many"
    return "one" if placeholder.startswith("<") else "maybe"


def test_the_table_of_options_is_what_the_cli_says(launcher: Launcher) -> None:
    options, _, commands = launcher.run("run", "--", "--help").stdout.partition("\nCommands:")

    said = {
        name: _values(found[2] or "")
        for found in _OPTION.finditer(options.partition("\nOptions:")[2])
        for name in found[1].split(", ")
    }
    assert len(said) > 70
    assert {name: OPTIONS.get(name) for name in said} == said
    named = {name for found in _COMMAND.findall(commands) for name in found.split("|")}
    assert named
    assert named <= COMMANDS


def test_the_options_of_the_same_name_are_those_that_are_said() -> None:
    ours = {name for option in schema.options() for name in option.names}

    # `-v` is docker's, too: it is answered before a launch.
    assert (ours & set(OPTIONS)) | {"-v"} == set(COLLIDING)
