"""Where Claude's files of a profile and of a project lie on the host.

    CONFIG/profiles/NAME/    what the user wants in all projects; nobody else writes there
    DATA/projects/SLOT/      of one project:
        project.json         which one, and the version of the CLI that it ran last
        NAME/                Claude's config directory with a profile; an agent writes there
        NAME.json            what its settings were when Pinnace saw them last
    DATA/claude/NAME/        what 0.1 had, one directory for all projects; not mounted any more

A slot is called by the project's name and a checksum of its path. The record in it says whose it
is, so that no two paths share one, whatever they are called.
"""

from __future__ import annotations

import json
import os
import re
from binascii import crc32
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.config import project as workspace
from pinnace_core import host
from pinnace_core.errors import BusyError, UnsafeRequestError, UsageError
from pinnace_core.files import make_directory, read_own, write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.config import Settings
    from pinnace.config.project import Workspace
    from pinnace_core.host import HostFacts

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
# `work-54321` is the directory of profile `work` where Claude runs as uid 54321.
_OF_A_UID: Final = r".*-[0-9]+"
_RECORD: Final = "project.json"
_SCHEMA: Final = 1
_MOST_BYTES: Final = 1 << 16
_NAME_LENGTH: Final = 40


class Place(NamedTuple):
    """Where Claude's files of a launch lie.

    Attributes:
        config: Claude's config directory; what is in it, a container may have put there.
        profile: what is the user's in all projects; None: `config` is the user's own, and all.
        slot: of the project; None likewise.
    """

    config: Path
    profile: Path | None = None
    slot: Path | None = None

    @property
    def account(self) -> Path:
        """The directory by which a login is called."""
        return self.profile or self.config

    @property
    def memory(self) -> Path:
        """What the settings were when Pinnace saw them last; outside of what is mounted."""
        return self.config.with_name(f"{self.config.name}.json")

    @property
    def shared(self) -> Path:
        """The directory that 0.1 had for all projects of this profile."""
        return shared_root() / self.config.name


class Record(NamedTuple):
    """What is known of a project.

    Attributes:
        root: its path on the host.
        version: of the CLI that it ran last; empty: none yet.
    """

    root: str
    version: str = ""


def root() -> Path:
    """Return the directory that holds all profiles."""
    return host.directory("config") / "profiles"


def shared_root() -> Path:
    """Return the directory that held the profiles of 0.1."""
    return host.directory("data") / "claude"


def projects_root() -> Path:
    """Return the directory that holds the slots of all projects."""
    return host.directory("data") / "projects"


def require_name(name: str) -> str:
    """Return `name` if it can name a profile: it becomes a directory's name.

    Raises:
        UsageError: it cannot.
    """
    if not re.fullmatch(_NAME, name) or re.fullmatch(_OF_A_UID, name):
        raise UsageError(
            f"'{name}' cannot be a profile's name",
            hint="use letters, digits, '-' and '_', up to 64, not ending in '-' and a number",
        )
    return name


def names() -> list[str]:
    """Name the profiles that have a directory, sorted."""
    found: set[str] = set()
    for place in (root(), shared_root()):
        if place.is_dir():
            found.update(entry.name for entry in place.iterdir() if entry.is_dir())
    return sorted(name for name in found if re.fullmatch(_NAME, name))


def choose(
    settings: Settings, facts: HostFacts, project: Workspace, *, owner: tuple[int, int] | None
) -> Place:
    """Decide where Claude's files are: in a directory that was named, else the project's own.

    Args:
        settings: of the launch.
        facts: the host.
        project: the workspace.
        owner: uid and gid that they must belong to; None: this process's user. Somebody else's
            files must not lie in our own directory, nor ours in theirs.

    Raises:
        UsageError: the profile's name is none.
        UnsafeRequestError: the directory that was named opens too much, or is a stranger's.
    """
    name = require_name(settings.profile)
    if not settings.config_directory:
        name = f"{name}-{owner[0]}" if owner else name
        found = slot(project.source)
        return Place(found / name, root() / name, found)
    directory = Path(facts.cwd, settings.config_directory)
    workspace.require_apart(directory, project, Path(facts.home))
    if owner and directory.exists() and directory.stat().st_uid != owner[0]:
        raise UnsafeRequestError(
            f"'{directory}' does not belong to uid {owner[0]}, who Claude runs as",
            hint="name a directory of theirs, or one that does not exist yet",
        )
    return Place(directory)


def slot(source: str) -> Path:
    """Return the slot of a project, whether or not it is there yet.

    Args:
        source: the project's root on the host.
    """
    name = source.rpartition(os.sep)[2][:_NAME_LENGTH]
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name).strip("-")
    first = projects_root() / f"{kept or 'project'}-{crc32(os.fsencode(source)):08x}"
    for number in count(1):
        found = first if number == 1 else first.with_name(f"{first.name}-{number}")
        record = read(found)
        if record is None or record.root == source:
            return found
    raise AssertionError(source)  # pragma: no cover (`count` has no end)


def read(found: Path) -> Record | None:
    """Return the record in a slot; None if it is nobody's yet."""
    try:
        document: Any = json.loads(read_own(found / _RECORD, most=_MOST_BYTES))
        record = Record(document["root"], document["version"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return record if all(isinstance(value, str) for value in record) else None


def keep(found: Path, record: Record) -> None:
    """Write a record, if it says anything new.

    Raises:
        BusyError: the slot became another project's meanwhile.
        CannotWriteError: it cannot be written.
    """
    held = read(found)
    if held == record:
        return
    if held is not None and held.root != record.root:
        raise BusyError(f"'{found}' is another project's", hint="run this again")
    make_directory(projects_root(), mode=0o700)
    make_directory(found, mode=0o700)
    document = {"schema": _SCHEMA, **record._asdict()}
    write_atomic(found / _RECORD, json.dumps(document, sort_keys=True).encode(), mode=0o600)


def went_back(source: str, version: str) -> None:
    """Remember that the user himself chose a version for a project that has run another one.

    Raises:
        CannotWriteError: it cannot be written.
    """
    found = slot(source)
    record = read(found)
    if record is not None:
        keep(found, record._replace(version=version))


def records() -> Iterator[tuple[Path, Record]]:
    """Return all slots that are somebody's, and their records."""
    try:
        entries = sorted(projects_root().iterdir())
    except OSError:
        return
    for entry in entries:
        record = read(entry)
        if record is not None:
            yield entry, record
