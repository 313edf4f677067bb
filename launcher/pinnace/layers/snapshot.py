"""What a project was when a launch began: of each file number, size, times and rights.

Who changes a file changes one of them; a file's time of change nobody can choose. So nothing has to
be read, and a launch need not wait: a process of its own does it, while the container starts.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.layers.tree import Tree
from pinnace_core.errors import CannotWriteError
from pinnace_core.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FILE: Final = "base"
_MOST: Final = 2_000_000
# What the kernel's clock of files may be behind the one of programs.
_BEHIND_SECONDS: Final = 0.02
_TOUCHED: Final = "!"


def mark(status: os.stat_result | None) -> str:
    """Tell a file from what may lie at its place later; empty: none is there, or a directory."""
    if status is None or stat.S_ISDIR(status.st_mode):
        return ""
    parts = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode)
    return ".".join(f"{part:x}" for part in parts)


def take(root: str, begun: float) -> dict[str, str] | None:
    """Return the marks of all files; None: there are too many.

    What was changed after `begun` may be seen inside as it was before: it gets no mark that fits.
    """
    latest = begun - _BEHIND_SECONDS
    found: dict[str, str] = {}
    with Tree(root) as tree:
        for path, status in tree.files():
            found[path] = mark(status) if status.st_ctime < latest else _TOUCHED
            if len(found) > _MOST:
                return None
    return found


def write(place: Path, marks: Mapping[str, str], *, name: str = FILE) -> None:
    """Keep marks.

    Raises:
        CannotWriteError: they cannot be written.
    """
    pairs = (part for pair in marks.items() for part in pair)
    write_atomic(place / name, b"\0".join(map(os.fsencode, pairs)), mode=0o600)


def read(place: Path, *, name: str = FILE) -> dict[str, str] | None:
    """Return marks; None: nobody could take them, or has yet."""
    try:
        data = (place / name).read_bytes()
    except OSError:
        return None
    parts = os.fsdecode(data).split("\0") if data else []
    return dict(zip(parts[::2], parts[1::2], strict=True))


def start(place: Path, root: str, begun: float) -> int:
    """Take and keep marks in a process of its own; return its number, or 0: there is none."""
    # -P: the working directory is a project; nothing may be imported from there.
    argv = [sys.executable, "-P", "-m", __name__, str(place), root, repr(begun)]
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    with suppress(OSError):
        return os.posix_spawn(argv[0], argv, os.environ, file_actions=nothing, setpgroup=0)
    return 0


def main(arguments: Sequence[str]) -> int:
    """Do it without a word: nobody listens."""
    place, root, begun = arguments
    try:
        marks = take(root, float(begun))
        if marks is not None:
            write(Path(place), marks)
    except CannotWriteError as error:
        return error.exit_code
    except OSError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
