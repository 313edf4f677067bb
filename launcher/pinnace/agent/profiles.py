"""The user's accounts: each profile has a config directory of its own for Claude."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.config import project as workspace
from pinnace_core import host
from pinnace_core.errors import UnsafeRequestError, UsageError

if TYPE_CHECKING:
    from pinnace.config import Settings
    from pinnace.config.project import Workspace
    from pinnace_core.host import HostFacts

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# `work-54321` is the directory of profile `work` where Claude runs as uid 54321.
_OF_A_UID: Final = re.compile(r".*-[0-9]+")


def require_name(name: str) -> str:
    """Return `name` if it can name a profile: it becomes a directory's name.

    Raises:
        UsageError: it cannot.
    """
    if not _NAME.fullmatch(name) or _OF_A_UID.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be a profile's name",
            hint="use letters, digits, '-' and '_', up to 64, not ending in '-' and a number",
        )
    return name


def root() -> Path:
    """Return the directory that holds all profiles."""
    return host.directory("data") / "claude"


def names() -> list[str]:
    """Name the profiles that exist, sorted."""
    try:
        found = [entry.name for entry in root().iterdir() if entry.is_dir()]
    except OSError:
        return []
    return sorted(name for name in found if _NAME.fullmatch(name))


def choose(
    settings: Settings, facts: HostFacts, project: Workspace, *, owner: tuple[int, int] | None
) -> Path:
    """Decide the config directory on the host: one that was named, else the profile's.

    Args:
        settings: of the launch.
        facts: the host.
        project: the workspace.
        owner: uid and gid that it must belong to; None: this process's user. Somebody else's files
            must not lie in our own directory, nor ours in theirs.

    Raises:
        UsageError: the profile's name is none.
        UnsafeRequestError: the directory that was named opens too much, or is a stranger's.
    """
    name = require_name(settings.profile)
    if not settings.config_directory:
        return root() / (f"{name}-{owner[0]}" if owner else name)
    directory = Path(facts.cwd, settings.config_directory)
    workspace.require_apart(directory, project, Path(facts.home))
    if owner and directory.exists() and directory.stat().st_uid != owner[0]:
        raise UnsafeRequestError(
            f"'{directory}' does not belong to uid {owner[0]}, who Claude runs as",
            hint="name a directory of theirs, or one that does not exist yet",
        )
    return directory
