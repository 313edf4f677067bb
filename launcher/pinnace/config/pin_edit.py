"""Write and remove pins where they stand; all else in a file stays as it is, byte for byte."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from pinnace.config import load, pin, project
from pinnace.config.project import LOCK_FILE
from pinnace_core import temporaries
from pinnace_core.errors import BadLockError, BadPinError, VerificationFailedError
from pinnace_core.files import read_untrusted
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pinnace.config.files import Files, SettingsFile
    from pinnace_core.host import HostFacts
    from pinnace_core.image import Image
    from pinnace_images.lock import Lock, LockEntry
    from pinnace_images.versions import CliVersion

_STRING: Final = rb"\"[^\"\r\n]*\"|'[^'\r\n]*'"
_MOST_BYTES: Final = 1 << 20
_HINT: Final = "restore it, or write it anew: pinnace pin VERSION --lock"


def place_for(path: Path | None, files: Files) -> Path:
    """Decide which file a new pin goes to: `path`, where it is now, if that is ours to write.

    Else a `.claude-version` beside it, which counts for more; without a pin in the project, one at
    its root.
    """
    if path is None or not path.is_relative_to(files.root):
        return files.root / project.PIN_FILE
    return (
        path
        if path.name in {project.PIN_FILE, project.SETTINGS_FILE}
        else path.parent / pin.PIN_FILE
    )


def write(path: Path, version: CliVersion, files: Files, facts: HostFacts) -> None:
    """Write a pin.

    Raises:
        BadPinError: the version in a `pinnace.toml` stands where it cannot be changed alone.
        CannotWriteError: it cannot be written.
    """
    if path.name == project.PIN_FILE:
        pin.write(path, version)
        return
    file = _file(path, files)
    _replace(file, edited(path, file.data, str(version)), files, facts)


def remove(path: Path, files: Files, facts: HostFacts) -> None:
    """Remove a pin; what is left of a `pinnace.toml` stays.

    Raises:
        BadPinError: it stands in a file that is not ours to change.
    """
    if path.name == project.PIN_FILE:
        path.unlink()
    elif path.name == project.SETTINGS_FILE:
        file = _file(path, files)
        _replace(file, without(path, file.data), files, facts)
    else:
        raise BadPinError(
            f"the pin stands in '{path}', which is not Pinnace's",
            hint="take it out there, or let another one count: pinnace pin VERSION",
        )


def _replace(file: SettingsFile, after: bytes, files: Files, facts: HostFacts) -> None:
    """Write a settings file; what was approved stays so: a version reaches nowhere."""
    from pinnace.config.files import approve, is_approved

    path, values = file.path, load.of_file(file, facts)
    before = load.approvable(file, values, files.root)
    temporaries.write(path, after, mode=path.stat().st_mode & 0o777)
    if is_approved(str(path), before):
        approve(str(path), after + before[len(file.data) :])


def _file(path: Path, files: Files) -> SettingsFile:
    return next(file for file in files.project if file.path == path)


def edited(path: Path, data: bytes, version: str) -> bytes:
    """Return the file with another version: of the texts that could be it, the one that is it."""
    wanted = _parsed(data)
    wanted["claude"]["version"] = version
    for found in re.finditer(_STRING, data):
        changed = data[: found.start()] + f'"{version}"'.encode() + data[found.end() :]
        if _means(changed, wanted):
            return changed
    raise _not_alone(path)


def without(path: Path, data: bytes) -> bytes:
    """Return the file without its version: a line less, and the table's if it is empty then."""
    wanted = _parsed(data)
    del wanted["claude"]["version"]
    empty = {name: table for name, table in wanted.items() if name != "claude" or table}
    lines = data.splitlines(keepends=True)
    for number in range(len(lines)):
        rest = [*lines[:number], *lines[number + 1 :]]
        if _means(b"".join(rest), wanted):
            return next(_without_table(rest, empty), b"".join(rest))
        if _means(b"".join(rest), empty):
            return b"".join(rest)
    raise _not_alone(path)


def _without_table(lines: list[bytes], wanted: dict[str, Any]) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        if line.strip() == b"[claude]":
            rest = b"".join([*lines[:number], *lines[number + 1 :]])
            if _means(rest, wanted):
                yield rest


def _parsed(data: bytes) -> dict[str, Any]:
    # A launch reads the project's lock, and no pin's file with this.
    import tomllib

    return tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))


def _means(data: bytes, wanted: dict[str, Any]) -> bool:
    try:
        return _parsed(data) == wanted
    except ValueError:
        return False


def _not_alone(path: Path) -> BadPinError:
    return BadPinError(
        f"the version in '{path}' cannot be changed without changing more",
        hint="change it by hand",
    )


def load_lock(root: Path) -> Lock | None:
    """Read the lock at a project's root, if there is one.

    Raises:
        BadLockError: a link, a pipe, too large, or not a lock of one version.
    """
    path = root / LOCK_FILE
    try:
        text = read_untrusted(path, most=_MOST_BYTES).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        raise BadLockError(f"cannot read '{path}': {reason}", hint=_HINT) from error
    # Imported only where there is one.
    from pinnace_images import lock

    try:
        found = lock.loads(text, source=str(path))
    except BadLockError as error:
        raise BadLockError(error.message, hint=_HINT) from error
    except RecursionError as error:
        raise BadLockError(f"'{path}' is nested too deeply", hint=_HINT) from error
    if len(found.entries) != 1:
        raise BadLockError(f"'{path}' locks {len(found.entries)} versions, not one", hint=_HINT)
    return found


def save_lock(root: Path, entry: LockEntry, images: Sequence[Image]) -> Path:
    """Write the lock, whole or not at all; return its path."""
    from pinnace_images import lock

    document = json.loads(lock.Lock({entry.version: entry}).dumps())
    document["images"] = [
        {"id": image.id, "labels": dict(sorted(image.labels.items()))} for image in images
    ]
    path = root / LOCK_FILE
    temporaries.write(path, (json.dumps(document, indent=2) + "\n").encode())
    return path


def require_fresh(root: Path, version: CliVersion, project: Lock | None, *, strict: bool) -> str:
    """Return what is wrong with a project's lock: it is of another version than the pin; or empty.

    Args:
        root: of the project.
        version: that is pinned.
        project: the lock; None: there is none.
        strict: the lock has to be there, and of this version.

    Raises:
        VerificationFailedError: it has to, and is not.
    """
    if project and version in project.entries:
        return ""
    held = ", ".join(map(str, project.entries)) if project else ""
    problem = f"{LOCK_FILE} is of {held}, not of {version}" if held else f"there is no {LOCK_FILE}"
    if strict:
        raise VerificationFailedError(
            f"{problem}, in '{root}'", hint=f"write it anew: pinnace pin {version} --lock"
        )
    return f"{problem}: pinnace pin {version} --lock" if held else ""


def require_locked(image: Image, version: CliVersion, project: Lock | None) -> None:
    """See that an image holds the CLI that the project's lock names, if it is of that version.

    Raises:
        VerificationFailedError: it does not.
    """
    entry = project.entries.get(version) if project else None
    digest = image.labels.get(contract.LABEL_SHA256)
    if entry and digest not in {p.executable_sha256 for p in entry.packages}:
        raise VerificationFailedError(
            f"image {image.id[:19]} does not hold the Claude Code {version} of {LOCK_FILE}",
            hint=f"remove the image (docker image rm {image.id[:19]}), or restore {LOCK_FILE}",
        )
