"""The checkout that Pinnace runs from, if it does not run from an installed package."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pinnace_images


def root() -> Path | None:
    """Return the checkout's directory."""
    place = Path(pinnace_images.__file__).parents[2]
    return place if (place / "pyproject.toml").is_file() else None


def revision() -> str:
    """Name the commit that the recipes come from; empty if that would not be the whole truth."""
    place = root()
    if place is None or not (place / ".git").exists():
        return ""
    try:
        changed = _git(place, "status", "--porcelain", "--", "builder", "dockerfiles")
        return "" if changed else _git(place, "rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(place: Path, *arguments: str) -> str:
    command = ["git", "-C", str(place), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
