"""The whole command: importing a module of verbs adds them to it."""

from __future__ import annotations

import os
import sys
from typing import Final

from pinnace_builder.cli import gc, images, publish
from pinnace_builder.cli.group import cli
from pinnace_core import output, signals, startup
from pinnace_core.console import run_main

__all__ = ["cli", "gc", "images", "publish", "run"]

_NAME: Final = "pinnace-build"
_KILLED_BY: Final = 128


def run() -> int:
    """Run the command; return its exit code, unless a signal ends it."""
    startup.listen()
    with signals.unwinding():
        try:
            code = run_main(
                "pinnace-build", lambda: output.invoke(cli, "pinnace-build", sys.argv[1:])
            )
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        if code > _KILLED_BY:
            # All is tidied up; a thread that still waits for a registry must not hold this up.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return code
