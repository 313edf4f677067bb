"""Claude's config directory: Pinnace's own, shared by all projects, ready for a first launch.

Without these entries the first interactive start asks for a theme, a login and trust, and wants
the network for it. What each one does was measured with CLI 2.1.330.
"""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pinnace.config import project as workspace
from pinnace_core import host
from pinnace_core.errors import BadClaudeConfigError, UnsafeRequestError, UsageError
from pinnace_core.files import cannot_write, make_directory, read_untrusted, write_atomic

if TYPE_CHECKING:
    from pinnace.config import Settings
    from pinnace.config.project import Workspace
    from pinnace_core.host import HostFacts

STATE_FILE: Final = ".claude.json"
SETTINGS_FILE: Final = "settings.json"
_MOST_BYTES: Final = 8 << 20
_BYPASS_FLAGS: Final = ("--dangerously-skip-permissions", "--permission-mode=bypassPermissions")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# `work-54321` is the directory of profile `work` where Claude runs as uid 54321.
_OF_A_UID: Final = re.compile(r".*-[0-9]+")


def wants_bypass(claude_arguments: tuple[str, ...]) -> bool:
    """Return whether the user chose bypass mode in this very command."""
    joined = "\0".join(claude_arguments).replace("--permission-mode\0", "--permission-mode=")
    return any(flag in joined.split("\0") for flag in _BYPASS_FLAGS)


def preseeded(
    state: dict[str, Any], *, workdir: str, key_suffix: str, bypass: bool
) -> dict[str, Any]:
    """Return `state` with what a first launch in `workdir` needs; what is there stays."""
    state = copy.deepcopy(state)
    state.setdefault("hasCompletedOnboarding", True)
    state.setdefault("theme", "dark")
    project = state.setdefault("projects", {}).setdefault(workdir, {})
    project["hasTrustDialogAccepted"] = True
    # Versions before 2 crash without it.
    project.setdefault("allowedTools", [])
    if key_suffix:
        approved = state.setdefault("customApiKeyResponses", {}).setdefault("approved", [])
        if key_suffix not in approved:
            approved.append(key_suffix)
    if bypass:
        state["bypassPermissionsModeAccepted"] = True
    return state


class ClaudeConfig(NamedTuple):
    """A config directory, and what it has to be ready for.

    Attributes:
        directory: on the host; what is in it, a container may have put there.
        lock: a file outside of it.
        workdir: inside.
        key_suffix: of an API key that the user passes.
        bypass: the user chose bypass mode.
        owner: uid and gid who must own what is made; None: this process's user.
    """

    directory: Path
    lock: Path
    workdir: str
    key_suffix: str
    bypass: bool
    owner: tuple[int, int] | None

    @property
    def path(self) -> Path:
        """The file that holds Claude's state."""
        return self.directory / STATE_FILE

    def prepare(self) -> None:
        """Make the directory and preseed its state, under a lock and only if something is missing.

        Raises:
            CannotWriteError: the directory or a file in it cannot be made.
            BadClaudeConfigError: the state is not JSON.
        """
        make_directory(self.directory, mode=0o700)
        # From inside it can be opened to everybody.
        if self.directory.stat().st_mode & 0o077:
            self.directory.chmod(0o700)
        if self._missing() is not None:
            from filelock import FileLock

            with FileLock(make_directory(self.lock.parent) / self.lock.name):
                # Another launch may have been here meanwhile.
                state = self._missing()
                if state is not None:
                    write_atomic(self.path, _dumps(state, self.path), mode=0o600)
        if self.owner is not None:
            _give(self.directory, self.path, self.owner)

    def pending(self) -> str:
        """Return what `prepare` would write.

        Raises:
            PinnaceError: as `prepare`, as far as reading tells.
        """
        return "" if self._missing() is None else f"write '{self.path}'"

    def _missing(self) -> dict[str, Any] | None:
        """Return the state as it has to be; None if it is."""
        state = _read(self.path)
        bypass = self.bypass and not _bypass_settled(self.directory / SETTINGS_FILE)
        try:
            wanted = preseeded(
                state, workdir=self.workdir, key_suffix=self.key_suffix, bypass=bypass
            )
        except RecursionError:
            raise _not_claudes(self.path) from None
        return None if wanted == state else wanted


def _bypass_settled(settings: Path) -> bool:
    """Newer versions move the answer from the state to the settings, and delete it there."""
    try:
        document = json.loads(read_untrusted(settings, most=_MOST_BYTES))
        return document.get("skipDangerousModePermissionPrompt") is True
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_untrusted(path, most=_MOST_BYTES) or b"{}")
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise cannot_write(path, error) from error
    except (OSError, ValueError, RecursionError):
        document = None
    if not _is_state(document):
        raise _not_claudes(path)
    state: dict[str, Any] = document
    return state


def _dumps(state: dict[str, Any], path: Path) -> bytes:
    try:
        return json.dumps(state, indent=2, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise _not_claudes(path) from None


def _not_claudes(path: Path) -> BadClaudeConfigError:
    return BadClaudeConfigError(
        f"'{path}' is not the JSON that Claude writes",
        hint="restore it from the directory 'backups' beside it, or move it away",
    )


def _is_state(document: object) -> bool:
    """Check the shape of what is to be added to."""
    if not isinstance(document, dict):
        return False
    projects, keys = document.get("projects", {}), document.get("customApiKeyResponses", {})
    return (
        isinstance(projects, dict)
        and all(isinstance(project, dict) for project in projects.values())
        and isinstance(keys, dict)
        and isinstance(keys.get("approved", []), list)
    )


def _give(directory: Path, path: Path, owner: tuple[int, int]) -> None:
    """Root prepares the directory of somebody else."""
    for place in (directory, path):
        status = place.lstat()
        if (status.st_uid, status.st_gid) != owner:
            os.chown(place, *owner, follow_symlinks=False)


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
