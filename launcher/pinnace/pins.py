"""Find and write a project's pin."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pinnace_images.errors import BadPinError
from pinnace_images.files import write_atomic
from pinnace_images.versions import Specifier

if TYPE_CHECKING:
    from pinnace.facts import HostFacts
    from pinnace_images.versions import CliVersion

PIN_FILE: Final = ".claude-version"
VARIABLE: Final = "PINNACE_CLAUDE_VERSION"
_MOST_BYTES: Final = 1024
_HINT: Final = f"write one line like 2.1.330 into it, or run: pinnace pin VERSION ({PIN_FILE})"


class Pin(NamedTuple):
    """What was asked for, and where."""

    specifier: Specifier
    source: str


def find(facts: HostFacts, *, flag: str | None = None) -> Pin | None:
    """Find the pin: the flag, the environment, then the nearest file in the directory or above.

    Raises:
        BadPinError: the first one found is not a version.
    """
    if flag is not None:
        return Pin(Specifier.parse(flag), "--claude-version")
    from_environment = facts.environment.get(VARIABLE, "").strip()
    if from_environment:
        return Pin(Specifier.parse(from_environment), VARIABLE)
    path = find_file(Path(facts.cwd), uid=facts.uid)
    return None if path is None else Pin(read(path), str(path))


def find_file(directory: Path, *, uid: int) -> Path | None:
    """Give the nearest pin file in `directory` or above.

    Above, a stranger's file does not count: anybody may write to `/tmp`.
    """
    trusted = {uid, 0, directory.stat().st_uid}
    for parent in (directory, *directory.parents):
        path = parent / PIN_FILE
        if os.path.lexists(path) and (parent == directory or path.lstat().st_uid in trusted):
            return path
    return None


def read(path: Path) -> Specifier:
    """Read a pin file: one line; a byte order mark, CRLF and `#` comments are harmless.

    Raises:
        BadPinError: unreadable, too large, binary, empty, more than one line, or not a version.
    """
    lines = [line.partition("#")[0].strip() for line in _text(path).splitlines()]
    lines = [line for line in lines if line]
    if len(lines) != 1:
        count = "nothing" if not lines else f"{len(lines)} lines"
        raise BadPinError(f"'{path}' holds {count}, expected one version", hint=_HINT)
    try:
        return Specifier.parse(lines[0])
    except BadPinError as error:
        raise BadPinError(f"'{path}': {error.message}", hint=error.hint) from error


def _text(path: Path) -> str:
    try:
        # Checked before it is opened: a named pipe would never deliver.
        if not stat.S_ISREG(path.stat().st_mode):
            raise BadPinError(f"'{path}' is not a file", hint=_HINT)
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BadPinError(f"cannot read '{path}': {error.strerror}", hint=_HINT) from error
    if len(data) > _MOST_BYTES:
        raise BadPinError(f"'{path}' is larger than {_MOST_BYTES} bytes", hint=_HINT)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadPinError(f"'{path}' is not text in UTF-8", hint=_HINT) from error
    if not text.replace("\r", "").replace("\n", "").replace("\t", "").isprintable():
        raise BadPinError(f"'{path}' is not text", hint=_HINT)
    return text


def write(path: Path, version: CliVersion) -> None:
    """Write a pin file, whole or not at all."""
    write_atomic(path, f"{version}\n".encode())
