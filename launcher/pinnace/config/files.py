"""The settings files that count here: each read once, what is hashed is what is parsed."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.config import project as workspace
from pinnace.config.project import PYPROJECT, SETTINGS_FILE
from pinnace_core import host
from pinnace_core.digest import hexdigest
from pinnace_core.errors import BadSettingsError, UnsafeRequestError
from pinnace_core.files import is_own, make_directory, open_untrusted, read_own, write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pinnace_core.host import HostFacts

MOST_BYTES: Final = 1 << 20
PYPROJECT_TABLE: Final = "tool.pinnace"
_HINT: Final = "make it a plain text file, or remove it"
_SCHEMA: Final = 1
_MOST_BYTES: Final = 1 << 16


class SettingsFile(NamedTuple):
    """A settings file.

    Attributes:
        path: absolute, as the user's shell names it; relative values start from its directory.
        data: its content.
        values: what it says, by the keys' names, not checked yet.
        prefix: the table that they are in; empty: the whole file.
        levels: tables of the user's own levels of isolation, not checked yet.
    """

    path: Path
    data: bytes
    values: dict[str, object]
    prefix: str = ""
    levels: Mapping[str, object] = {}


class Files(NamedTuple):
    """All settings files of a launch.

    Attributes:
        root: of the project.
        user: the user's own, if there is one.
        project: the project's; the nearest is first.
    """

    root: Path
    user: SettingsFile | None
    project: tuple[SettingsFile, ...]


def user_path() -> Path:
    """Return the path of the user's own settings file."""
    return host.directory("config") / "config.toml"


def read(facts: HostFacts, *, of_project: bool = True) -> Files:
    """Read the settings files for a working directory.

    Args:
        facts: the host, with the working directory.
        of_project: the project's files, too, and not the user's alone.

    Raises:
        BadSettingsError: one of them is not what it should be.
    """
    cwd = Path(facts.cwd)
    root = workspace.find_root(cwd, home=Path(facts.home))
    owners = {facts.uid, 0, cwd.stat().st_uid}
    found = (
        file
        for directory in (between(cwd, root) if of_project else ())
        for file in _in(directory, None if directory == cwd else owners)
    )
    return Files(root, _load(user_path(), follow=True, own=True), tuple(found))


def between(cwd: Path, root: Path) -> Iterator[Path]:
    """Return the directories from the working directory up to the project's root."""
    for directory in (cwd, *cwd.parents):
        yield directory
        if directory == root:
            return


def _in(directory: Path, owners: Collection[int] | None) -> Iterator[SettingsFile]:
    settings = _load(directory / SETTINGS_FILE, owners=owners)
    if settings is not None:
        yield settings
    table = _load(directory / PYPROJECT, owners=owners, prefix=PYPROJECT_TABLE)
    if table is not None:
        yield table


def _load(
    path: Path,
    *,
    owners: Collection[int] | None = None,
    follow: bool = False,
    prefix: str = "",
    own: bool = False,
) -> SettingsFile | None:
    # A pyproject.toml is somebody else's business until it names us.
    data = read_bytes(path, owners=owners, follow=follow or bool(prefix), foreign=bool(prefix))
    if data is None or (prefix and prefix.encode() not in data):
        return None
    if prefix and path.is_symlink():
        raise BadSettingsError(f"'{path}' is a link", hint=_HINT)
    if len(data) > MOST_BYTES:
        raise BadSettingsError(f"'{path}' is larger than {MOST_BYTES} bytes", hint=_HINT)
    # Imported only where there is a file: it takes 3 ms.
    from pinnace.config import toml

    levels = toml.levels(str(path), data) if own else {}
    return SettingsFile(
        path, data, toml.values(str(path), data, prefix=prefix, own=own), prefix, levels
    )


def read_bytes(
    path: Path, *, owners: Collection[int] | None, follow: bool, foreign: bool
) -> bytes | None:
    """Read a file if it is there and counts; a byte more than `MOST_BYTES` if it is too large.

    Args:
        path: where.
        owners: whose files count; None: anybody's.
        follow: a link is all right.
        foreign: what cannot be read is no concern of ours.

    Raises:
        BadSettingsError: a link, a pipe, too large, unreadable.
    """
    try:
        with open_untrusted(path, follow=follow) as stream:
            status = os.fstat(stream.fileno())
            if owners is not None and status.st_uid not in owners:
                return None
            if not stat.S_ISREG(status.st_mode):
                if foreign:
                    return None
                raise BadSettingsError(f"'{path}' is not a file", hint=_HINT)
            return stream.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        if foreign or not path.is_symlink():
            return None
        raise BadSettingsError(f"'{path}' is a link to nothing", hint=_HINT) from None
    except OSError as error:
        if foreign or (owners is not None and path.lstat().st_uid not in owners):
            return None
        is_link = error.errno == errno.ELOOP
        reason = "is a link" if is_link else f"cannot be read: {error.strerror}"
        raise BadSettingsError(f"'{path}' {reason}", hint=_HINT) from error


class Approval(NamedTuple):
    """An approved file: its path, and the digest of its content (hexadecimal)."""

    path: str
    sha256: str


def is_approved(path: str, data: bytes) -> bool:
    """Return whether this content was approved for a path."""
    return _read(_place(path)) == Approval(path, hexdigest(data))


def is_known(path: str) -> bool:
    """Return whether any content was approved for a path."""
    found = _read(_place(path))
    return found is not None and found.path == path


def approve(path: str, data: bytes) -> None:
    """Approve a content; what was approved for the path before no longer is.

    Raises:
        CannotWriteError: the record cannot be written.
        UnsafeRequestError: the directory of records belongs to somebody else.
    """
    make_directory(directory(), mode=0o700)
    if not is_own(directory().lstat()):
        raise UnsafeRequestError(
            f"'{directory()}' belongs to somebody else, or others can write to it",
            hint="remove it, or make it yours: chmod go-w",
        )
    write_atomic(_place(path), _record(Approval(path, hexdigest(data))), mode=0o600)


def revoke(path: str) -> bool:
    """Take an approval back; tell whether there was one."""
    try:
        _place(path).unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def approvals() -> Iterator[Approval]:
    """List what is approved, by path."""
    try:
        places_ = sorted(directory().iterdir())
    except OSError:
        return
    found = (_read(place) for place in places_ if place.suffix == ".json")
    yield from sorted(approval for approval in found if approval is not None)


def directory() -> Path:
    """Return the directory of records."""
    return host.directory("state") / "trusted"


def _place(path: str) -> Path:
    return directory() / f"{hexdigest(os.fsencode(path))}.json"


def _record(approval: Approval) -> bytes:
    return json.dumps({"schema": _SCHEMA, **approval._asdict()}, sort_keys=True).encode()


def _read(place: Path) -> Approval | None:
    try:
        if not is_own(place.parent.lstat()):
            return None
        data = read_own(place, most=_MOST_BYTES)
        document = json.loads(data)
        approval = Approval(document["path"], document["sha256"])
        genuine = _record(approval) == data and _place(approval.path) == place
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return approval if genuine else None
