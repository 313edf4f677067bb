"""Claude's config directory, ready for a first launch: what is the same in any.

Without these entries the first interactive start asks for a theme, a login and trust, and wants
the network for it. What each one does was measured with CLI 2.1.330.
"""

from __future__ import annotations

import copy
import json
import math
import os
from typing import TYPE_CHECKING, Any, Final

from pinnace_core import host
from pinnace_core.errors import BadClaudeConfigError
from pinnace_core.files import cannot_write, make_directory, read_untrusted, write_atomic
from pinnace_core.locks import file_lock
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

STATE_FILE: Final = ".claude.json"
SETTINGS_FILE: Final = "settings.json"
# https://code.claude.com/docs/en/settings; seen to be read since the answer moved there.
BYPASS_SETTING: Final = "skipDangerousModePermissionPrompt"
_MOST_BYTES: Final = 8 << 20
_PRIVATE: Final = 0o700


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
    """A config directory of the user's own, and what it has to be ready for.

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

    def prepare(self) -> None:
        """Make the directory and preseed its files, under a lock and only if something is missing.

        Raises:
            CannotWriteError: the directory or a file in it cannot be made.
            BadClaudeConfigError: one of the files is not what Claude writes.
        """
        make_private(self.directory)
        if self._missing():
            with file_lock(self.lock):
                # Another launch may have been here meanwhile.
                for path, document in self._missing().items():
                    write_atomic(path, dumps(document, path), mode=0o600)
        if self.owner is not None:
            give((self.directory, *self._files()), self.owner)

    def pending(self) -> str:
        """Return what `prepare` would write.

        Raises:
            PinnaceError: as `prepare`, as far as reading tells.
        """
        named = ", ".join(f"'{path}'" for path in self._missing())
        return f"write {named}" if named else ""

    def notes(self) -> tuple[str, ...]:
        """Return what the user should know about the files in it."""
        path = self.directory / SETTINGS_FILE
        if not path.is_symlink():
            return ()
        return (f"'{path}' is a link, to what is not inside: Claude goes without; copy the file",)

    def _files(self) -> tuple[Path, ...]:
        return self.directory / STATE_FILE, self.directory / SETTINGS_FILE

    def _missing(self) -> dict[Path, dict[str, Any]]:
        """Return the files as they have to be; those that are so are not among them."""
        path, settings = self._files()
        state = read_document(path)
        try:
            wanted = preseeded(
                state, workdir=self.workdir, key_suffix=self.key_suffix, bypass=self.bypass
            )
        except RecursionError:
            raise _not_claudes(path) from None
        missing = {} if wanted == state else {path: wanted}
        if self.bypass and not settings.is_symlink():
            # Versions that have moved the answer there look nowhere else; older ones ignore it.
            document = read_document(settings)
            if document.get(BYPASS_SETTING) is not True:
                missing[settings] = {**document, BYPASS_SETTING: True}
        return missing


def is_private(directory: Path) -> bool:
    """Return whether a directory is the user's alone; one that is not there yet will be."""
    try:
        return directory.stat().st_mode & 0o777 == _PRIVATE
    except FileNotFoundError:
        return True


def make_private(directory: Path) -> None:
    """Make a config directory, or close one that was opened, or locked, from inside.

    Raises:
        CannotWriteError: it cannot be made.
    """
    try:
        if not is_private(directory):
            directory.chmod(_PRIVATE)
    except OSError as error:
        raise cannot_write(directory, error) from error
    make_directory(directory, mode=_PRIVATE)


def remember_account(directory: Path, account: Mapping[str, Any]) -> None:
    """Note whose login it is, as Claude does, which shows that.

    Raises:
        PinnaceError: the file cannot be written, or is not Claude's.
    """
    path = directory / STATE_FILE
    make_directory(directory, mode=0o700)
    with file_lock(host.directory("state") / "config.lock"):
        document = {**read_document(path), "oauthAccount": dict(account)}
        write_atomic(path, dumps(document, path), mode=0o600)


def account(directory: Path) -> dict[str, Any]:
    """Return whose login it is, as Claude noted it; empty: it did not."""
    found = read_document(directory / STATE_FILE).get("oauthAccount")
    return found if isinstance(found, dict) else {}


def read_document(path: Path) -> dict[str, Any]:
    """Return what a file of Claude's holds, which an agent may have written; nothing if none.

    Raises:
        BadClaudeConfigError: it is not what Claude writes.
        CannotWriteError: it cannot be read, so not be changed either.
    """
    try:
        data = read_untrusted(path, most=_MOST_BYTES) or b"{}"
        document = json.loads(data, parse_constant=_finite, parse_float=_finite)
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise cannot_write(path, error) from error
    except (OSError, ValueError, RecursionError):
        if path.is_symlink():
            raise BadClaudeConfigError(
                f"'{path}' is a link: what it names is not inside",
                hint="put the file itself there",
            ) from None
        document = None
    if not (_is_state(document) if path.name == STATE_FILE else isinstance(document, dict)):
        raise _not_claudes(path)
    state: dict[str, Any] = document
    return state


def _finite(text: str) -> float:
    """Read a number; what JSON has not, cannot be written again."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def dumps(state: dict[str, Any], path: Path) -> bytes:
    """Return a file of Claude's.

    Raises:
        BadClaudeConfigError: Claude could not have written it.
    """
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


def give(paths: Iterable[Path], owner: tuple[int, int]) -> None:
    """Let files belong to somebody else, whose directory root prepares."""
    for path in paths:
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if (status.st_uid, status.st_gid) != owner:
            os.chown(path, *owner, follow_symlinks=False)


def has_helper(directory: Path) -> bool:
    """Return whether a config directory names a program that has a key."""
    try:
        return b"apiKeyHelper" in read_untrusted(directory / SETTINGS_FILE, most=_MOST_BYTES)
    except OSError:
        return False
