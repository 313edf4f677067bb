"""What the two commands say about themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from typing import Final

import click

from pinnace.cli import cli as launcher
from pinnace_builder.cli import cli as builder

VERBS: Final = {
    "pinnace": tuple(sorted(launcher.commands)),
    "pinnace-build": tuple(sorted(builder.commands)),
}
_OPTION: Final = re.compile(r"^ +(?:-\w, )?(--[a-z][a-z-]+)", re.MULTILINE)


def below(program: str, verb: str) -> tuple[str, ...]:
    """Name the verbs of a verb that is a group; none if it is not."""
    found = (launcher if program == "pinnace" else builder).commands[verb]
    return tuple(found.commands) if isinstance(found, click.Group) else ()


@cache
def options(program: str, *verb: str) -> frozenset[str]:
    """Name a verb's options, with both sides of a switch."""
    if program == "pinnace-build":
        command = builder.commands[verb[0]]
        context = click.Context(command, parent=click.Context(builder))
        named = {o for p in command.get_params(context) for o in (*p.opts, *p.secondary_opts)}
        return frozenset(name for name in named if name.startswith("--"))
    argv = [sys.executable, "-m", program, *verb, "--help"]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    found = frozenset(_OPTION.findall(done.stdout))
    assert "--help" in found, "the help was not understood"
    return found
