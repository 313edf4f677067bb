"""The whole command, with all of its verbs."""

from __future__ import annotations

import os
import sys
from typing import Final

from pinnace_builder.cli import checks, gc, images, locks, publish
from pinnace_builder.cli.group import cli
from pinnace_core import signals, startup
from pinnace_core.console import run_main

__all__ = ["cli", "run"]

_KILLED_BY: Final = 128

for _module in (locks, images, checks, publish, gc):
    for _command in _module.COMMANDS:
        cli.add_command(_command)


def run() -> int:
    """Run the command; return its exit code, unless a signal ends it."""
    startup.listen()
    with signals.unwinding():
        try:
            code = run_main("pinnace-build", lambda: cli.main(standalone_mode=False))
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        if code > _KILLED_BY:
            # All is tidied up; a thread that still waits for a registry must not hold this up.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return code
