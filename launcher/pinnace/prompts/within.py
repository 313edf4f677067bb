"""Files that a prompt file names: below its own directory, and nowhere else.

Who wrote the prompt chose the names; who runs it must not send along what lies elsewhere. So no
link is followed, and nothing hidden (`.ssh`, `.env`, `..`) is read.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.prompts.decoded import decoded
from pinnace_core.errors import BadPromptError
from pinnace_core.files import open_untrusted

if TYPE_CHECKING:
    from typing import BinaryIO

MOST_BYTES: Final = 1 << 20
_DIRECTORY: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_HINT: Final = "name a plain file below the prompt file's own directory, by a path without links"


def read(directory: str, name: str) -> str:
    """Return the text of a file.

    Args:
        directory: the prompt file's; empty: there is none.
        name: as the prompt file has it.

    Raises:
        BadPromptError: it is not there, or may not be read from there.
    """
    parts = _parts(name)
    if not directory:
        raise BadPromptError(f"'{name}' is read from nowhere: the prompt is no file", hint=_HINT)
    try:
        with _opened(directory, parts) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadPromptError(f"'{name}' is no plain file", hint=_HINT)
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        why = "a link" if error.errno == errno.ELOOP else error.strerror or str(error)
        raise BadPromptError(f"cannot read '{name}': {why}", hint=_HINT) from None
    if len(data) > MOST_BYTES:
        raise BadPromptError(f"'{name}' is larger than {MOST_BYTES >> 20} MiB", hint="shorten it")
    return decoded(data, name)


def _parts(name: str) -> list[str]:
    parts = name.removeprefix("./").split("/")
    if any(not part or part.startswith(".") or set(part) & set("\\:\0") for part in parts):
        raise BadPromptError(f"'{name}' is not read: it leads elsewhere, or is hidden", hint=_HINT)
    return parts


def _opened(directory: str, parts: list[str]) -> BinaryIO:
    if os.open not in os.supports_dir_fd:
        return _opened_by_path(Path(directory), parts)
    # Step by step: what is looked at is what is read, whatever is put in its place meanwhile.
    place = os.open(directory, _DIRECTORY)
    try:
        for part in parts[:-1]:
            below = os.open(part, _DIRECTORY, dir_fd=place)
            os.close(place)
            place = below
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        return os.fdopen(os.open(parts[-1], flags, dir_fd=place), "rb")
    finally:
        os.close(place)


def _opened_by_path(directory: Path, parts: list[str]) -> BinaryIO:
    path = directory.joinpath(*parts)
    if os.path.realpath(path) != os.path.join(os.path.realpath(directory), *parts):  # noqa: PTH118
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return open_untrusted(path)
