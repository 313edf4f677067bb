"""Where Claude's files of a launcher's projects lie."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher


def profile_of(launcher: Launcher) -> Path:
    """Return the directory of what the user wants in all projects."""
    return Path(launcher.environment["HOME"]) / ".config/pinnace/profiles/default"


def shared_of(launcher: Launcher) -> Path:
    """Return the directory that 0.1 had for all projects."""
    return Path(launcher.environment["HOME"]) / ".local/share/pinnace/claude/default"


def config_of(launcher: Launcher) -> Path:
    """Return the config directory of the launcher's project."""
    projects = Path(launcher.environment["HOME"]) / ".local/share/pinnace/projects"
    name = launcher.project.name
    (found,) = (path for path in projects.glob(f"{name}-*/default") if _is_of(path, launcher))
    return found


def _is_of(config: Path, launcher: Launcher) -> bool:
    return f'"{launcher.project.resolve()}"' in (config.parent / "project.json").read_text()


def encoded(project: Path) -> str:
    """Return what Claude calls the directory of a project's transcripts."""
    return re.sub(r"[^A-Za-z0-9]", "-", str(project))
