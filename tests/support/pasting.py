"""A printed command, split by the shell that it is meant for."""

from __future__ import annotations

import subprocess


def words(line: str) -> list[str]:
    """Return the words of a command."""
    script = f"set -- {line}\n(($# == 0)) || printf '%s\\0' \"$@\""
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True)
    return done.stdout.decode(errors="surrogateescape").split("\0")[:-1]
