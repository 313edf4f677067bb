"""The host's git, as the user of a project has it: no configuration of this machine counts."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_OPTIONS: Final = (
    *("-c", "user.name=Ada", "-c", "user.email=ada@example.com"),
    *("-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"),
)


def git(place: Path, *words: str, check: bool = True) -> str:
    """Run it somewhere; return what it printed, without white space around it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *_OPTIONS, *words],
        cwd=place,
        env=kept | nobody,
        check=check,
        capture_output=True,
        text=True,
        errors="replace",
    )
    return done.stdout.strip()
