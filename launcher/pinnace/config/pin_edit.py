"""Write and remove pins where they stand; all else in a file stays as it is, byte for byte."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from pinnace.config import load, names, pin, trust
from pinnace_core.errors import BadPinError
from pinnace_core.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinnace.config.files import Files, SettingsFile
    from pinnace_core.host import HostFacts
    from pinnace_images.versions import CliVersion

_STRING: Final = re.compile(rb"\"[^\"\r\n]*\"|'[^'\r\n]*'")


def place_for(path: Path | None, files: Files) -> Path:
    """Decide which file a new pin goes to: `path`, where it is now, if that is ours to write.

    Else a `.claude-version` beside it, which counts for more; without a pin in the project, one at
    its root.
    """
    if path is None or not path.is_relative_to(files.root):
        return files.root / names.PIN_FILE
    return (
        path if path.name in {names.PIN_FILE, names.SETTINGS_FILE} else path.parent / pin.PIN_FILE
    )


def write(path: Path, version: CliVersion, files: Files, facts: HostFacts) -> None:
    """Write a pin.

    Raises:
        BadPinError: the version in a `pinnace.toml` stands where it cannot be changed alone.
        CannotWriteError: it cannot be written.
    """
    if path.name == names.PIN_FILE:
        pin.write(path, version)
        return
    file = _file(path, files)
    _replace(file, edited(path, file.data, str(version)), files, facts)


def remove(path: Path, files: Files, facts: HostFacts) -> None:
    """Remove a pin; what is left of a `pinnace.toml` stays.

    Raises:
        BadPinError: it stands in a file that is not ours to change.
    """
    if path.name == names.PIN_FILE:
        path.unlink()
    elif path.name == names.SETTINGS_FILE:
        file = _file(path, files)
        _replace(file, without(path, file.data), files, facts)
    else:
        raise BadPinError(
            f"the pin stands in '{path}', which is not Pinnace's",
            hint="take it out there, or let another one count: pinnace pin VERSION",
        )


def _replace(file: SettingsFile, after: bytes, files: Files, facts: HostFacts) -> None:
    """Write a settings file; what was approved stays so: a version reaches nowhere."""
    path, values = file.path, load.of_file(file, facts)
    before = load.approvable(file, values, files.root)
    write_atomic(path, after, mode=path.stat().st_mode & 0o777)
    if trust.is_approved(str(path), before):
        trust.approve(str(path), after + before[len(file.data) :])


def _file(path: Path, files: Files) -> SettingsFile:
    return next(file for file in files.project if file.path == path)


def edited(path: Path, data: bytes, version: str) -> bytes:
    """Return the file with another version: of the texts that could be it, the one that is it."""
    wanted = _parsed(data)
    wanted["claude"]["version"] = version
    for found in _STRING.finditer(data):
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
