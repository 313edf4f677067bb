"""What 0.1 had in one directory for all projects goes to where it belongs; that directory stays.

Everything is copied, first to a place beside, which is then renamed: whoever is killed in between
has changed nothing, and the next launch begins anew. The way back is the directory itself.

    of the user      CLAUDE.md, agents, settings, MCP servers ...: to the profile, once
    of a project     its sessions and what hangs on them, by their names: at its first launch
    of nobody        what cannot be told: stays there

An agent may have written any of it: links are not followed, and nothing but files, directories and
links is copied.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pinnace.agent import claude_config, places, user_parts
from pinnace.agent.claude_config import SETTINGS_FILE, STATE_FILE
from pinnace.config import project as workspace
from pinnace_core import console
from pinnace_core.errors import PinnaceError
from pinnace_core.files import cannot_write, make_directory, open_untrusted, write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pinnace.agent.places import Place
    from pinnace.config.project import Workspace

_SESSIONS: Final = "projects"
_NUMBER: Final = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_HISTORY: Final = "history.jsonl"
_CREDENTIALS: Final = ".credentials.json"
_OF_SERVERS: Final = "mcpOAuth"
# What of a transcript is looked at for the directory that it was made in.
_MOST_BYTES: Final = 4 << 20
# Not of one project: made again, or of the user's.
_SKIPPED: Final = frozenset({*user_parts.PARTS, SETTINGS_FILE, STATE_FILE, _SESSIONS, _HISTORY})


class _Before(NamedTuple):
    """What there was.

    Attributes:
        directory: for all projects.
        state: its `.claude.json`.
        project: the one that is launched.
        home: the user's.
    """

    directory: Path
    state: dict[str, Any]
    project: Workspace
    home: Path

    def is_ours(self, cwd: str) -> bool:
        """Return whether the project is the one that a directory inside belongs to."""
        path, root = PurePosixPath(cwd), PurePosixPath(self.project.target)
        if not path.is_absolute() or ".." in path.parts or not path.is_relative_to(root):
            return False
        # A repository within this one is a project of its own. Windows' paths are others outside.
        outside = Path(cwd)
        if os.name == "nt" or not outside.is_dir():
            return True
        found = workspace.find_root(outside, home=self.home)
        return os.path.realpath(found) == self.project.source


def migrate(place: Place, project: Workspace, home: Path) -> None:
    """Copy what is the user's, and what is this project's; say what was done.

    Raises:
        CannotWriteError: it cannot be written; then nothing has changed.
    """
    profile, slot = place.profile, place.slot
    assert profile is not None  # noqa: S101 (only such a place has anything before it)
    assert slot is not None  # noqa: S101 (likewise)
    state = _state(place.shared / STATE_FILE)
    before = _Before(place.shared, state, project, home)
    if not profile.is_dir():
        _renamed(profile, lambda made: _of_user(before, made))
        console.stderr(
            f"pinnace: each project has a config directory of its own now; what is yours in all of "
            f"them is copied to '{profile}': look it through, as agents could write it"
        )
    if not place.config.is_dir():
        places.keep(slot, places.read(slot) or places.Record(project.source))
        count = _renamed(place.config, lambda made: _of_project(before, made))
        console.stderr(
            f"pinnace: {count} of this project's transcripts are copied to '{place.config}'; all "
            f"that was before is still in '{place.shared}', untouched; to go back: "
            "pinnace help accounts"
        )


def _renamed(target: Path, fill: Callable[[Path], int | None]) -> int:
    """Fill a directory beside, and let it take its place in one step."""
    make_directory(target.parent, mode=0o700)
    # The same name again: what a killed one has left is gone then.
    made = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(mode=0o700)
        count = fill(made)
        made.rename(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    return count or 0


def _of_user(before: _Before, made: Path) -> None:
    for name in user_parts.PARTS:
        _copy(before.directory / name, made / name)
    settings = _state(before.directory / SETTINGS_FILE)
    # Its answer is given again to a command that asks for it.
    settings.pop(claude_config.BYPASS_SETTING, None)
    if settings:
        _write(made / SETTINGS_FILE, settings)
    servers = before.state.get("mcpServers")
    if servers and isinstance(servers, dict):
        _write(made / user_parts.SERVERS, {"mcpServers": servers})


def _of_project(before: _Before, made: Path) -> int:
    sessions = list(_sessions(before, made))
    # A name that an agent made up could be the beginning of many.
    numbers = tuple(name for name in sessions if re.fullmatch(_NUMBER, name))
    for entry in _entries(before.directory):
        # Of a session: todos, file-history, tasks and whatever comes: called by its number.
        for one in _entries(entry) if entry.name not in _SKIPPED else ():
            if one.name.startswith(numbers):
                _copy(one, made / entry.name / one.name)
    _copy_history(before, made)
    _copy_servers_logins(before, made)
    told = {n: v for n, v in before.state.items() if n not in {"mcpServers", "projects"}}
    ours = {cwd: one for cwd, one in _projects(before.state) if before.is_ours(cwd)}
    _write(made / STATE_FILE, {**told, "projects": ours})
    return len(sessions)


def _sessions(before: _Before, made: Path) -> Iterator[str]:
    """Copy the project's transcripts, with what is called like them; return their names."""
    known = {_encoded(cwd) for cwd, _ in _projects(before.state) if before.is_ours(cwd)}
    for directory in _entries(before.directory / _SESSIONS):
        entries = _entries(directory)
        where = {e.stem: _cwd(e) for e in entries if e.suffix == ".jsonl"}
        named = directory.name in known
        ours = {name for name, cwd in where.items() if (before.is_ours(cwd) if cwd else named)}
        # What is of no session (Claude's notes on the project) is of the directory.
        all_ours = len(ours) == len(where) and bool(ours or named)
        for entry in entries:
            session = entry.name.removesuffix(".jsonl")
            if session in ours or (all_ours and session not in where):
                _copy(entry, made / _SESSIONS / directory.name / entry.name)
        yield from ours


def _encoded(cwd: str) -> str:
    """Return what Claude calls the directory of a working directory's transcripts."""
    return re.sub(r"[^A-Za-z0-9]", "-", cwd)


def _cwd(transcript: Path) -> str:
    """Return the directory that a transcript was made in; empty if it does not say."""
    for line in _lines(transcript):
        with suppress(ValueError, RecursionError):
            document = json.loads(line)
            found = document.get("cwd") if isinstance(document, dict) else None
            if isinstance(found, str) and found:
                return found
    return ""


def _lines(path: Path) -> list[bytes]:
    try:
        with open_untrusted(path) as stream:
            if not _is_file(stream.fileno()):
                return []
            return stream.read(_MOST_BYTES).splitlines()
    except OSError:
        return []


def _is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _copy_history(before: _Before, made: Path) -> None:
    """Copy the prompts that were typed in this project."""
    kept = []
    with suppress(OSError), open_untrusted(before.directory / _HISTORY) as stream:
        for line in stream if _is_file(stream.fileno()) else ():
            with suppress(ValueError, RecursionError, AttributeError):
                cwd = json.loads(line).get("project")
                if isinstance(cwd, str) and before.is_ours(cwd):
                    kept.append(line)
    if kept:
        write_atomic(made / _HISTORY, b"".join(kept), mode=0o600)


def _copy_servers_logins(before: _Before, made: Path) -> None:
    """Copy the logins of MCP servers that are there in this project, too."""
    every: set[str] = set()
    ours = [one for cwd, one in _projects(before.state) if before.is_ours(cwd)]
    for one in (before.state, *ours):
        servers = one.get("mcpServers")
        every.update(servers if isinstance(servers, dict) else ())
    found = _state(before.directory / _CREDENTIALS).get(_OF_SERVERS)
    logins = found if isinstance(found, dict) else {}
    kept = {key: value for key, value in logins.items() if key.partition("|")[0] in every}
    if kept:
        _write(made / _CREDENTIALS, {_OF_SERVERS: kept})


def _projects(state: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = state.get("projects")
    items = found.items() if isinstance(found, dict) else ()
    return [(cwd, one) for cwd, one in items if isinstance(one, dict)]


def _state(path: Path) -> dict[str, Any]:
    """Return what a file says; nothing if it is not Claude's: it stays where it is."""
    try:
        return claude_config.read_document(path)
    except PinnaceError:
        return {}


def _write(path: Path, document: dict[str, Any]) -> None:
    write_atomic(path, claude_config.dumps(document, path), mode=0o600)


def _entries(directory: Path) -> list[Path]:
    """Return what is in a directory, by name; a link to one has nothing."""
    if directory.is_symlink():
        return []
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _copy(source: Path, target: Path) -> None:
    """Copy a file, a link as a link, or a directory with all of that; pass over all else."""
    if source.is_symlink():
        make_directory(target.parent, mode=0o700)
        with suppress(OSError):
            target.symlink_to(source.readlink())
    elif source.is_dir():
        make_directory(target, mode=0o700)
        for entry in _entries(source):
            _copy(entry, target / entry.name)
    else:
        copy_file(source, target)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, with its times; what is none, or is gone by now, is passed over.

    Raises:
        OSError: it cannot be written.
    """
    try:
        stream = open_untrusted(source)
    except OSError:
        return
    with stream:
        if not _is_file(stream.fileno()):
            return
        make_directory(target.parent, mode=0o700)
        status = os.fstat(stream.fileno())
        with target.open("xb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
        target.chmod(0o700 if status.st_mode & 0o100 else 0o600)
        # Claude shows the newest session first.
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
