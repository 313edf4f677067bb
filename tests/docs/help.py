"""What the two commands say about themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from typing import Final

from pinnace.cli import cli as launcher
from pinnace_builder.cli import cli as builder

VERBS: Final = {
    "pinnace": tuple(sorted(launcher.commands)),
    "pinnace-build": tuple(sorted(builder.commands)),
}
_MODULES: Final = {"pinnace": "pinnace", "pinnace-build": "pinnace_builder.cli"}
_OPTION: Final = re.compile(r"^ +(?:-\w, )?(--[a-z][a-z-]+)", re.MULTILINE)


@cache
def options(program: str, *verb: str) -> frozenset[str]:
    """Read the options from the help."""
    argv = [sys.executable, "-m", _MODULES[program], *verb, "--help"]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    found = frozenset(_OPTION.findall(done.stdout))
    assert "--help" in found, "the help was not understood"
    return found
