"""What one platform's publication needs for a while: a directory, and names in the engine.

A process that is killed removes nothing. So each directory holds a lock for as long as its process
lives, and what nobody holds any more is swept by the next publication: the directory, and the image
and containers whose names end with its own.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import Timeout

from pinnace_core import signals
from pinnace_core.console import say
from pinnace_core.engine import whales
from pinnace_core.files import is_own
from pinnace_core.locks import file_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace_core.engine import Engine

_PREFIX: Final = "pinnace-publish-"
_LOCK: Final = ".lock"
# Between a directory and its lock, or of a Pinnace that made none.
_YOUNG_SECONDS: Final = 3600.0


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a directory for a publication, gone afterwards; its name is nobody else's."""
    with signals.temporary_directory(_PREFIX) as directory, file_lock(directory / _LOCK):
        yield directory


def image_name(repository: str, directory: Path) -> str:
    """Name the image that is looked at on behalf of a directory."""
    return f"{repository}/verifying:{_nonce(directory)}"


def container_name(directory: Path) -> str:
    """Name its container likewise."""
    return f"pinnace-check-publish-{_nonce(directory)}"


def sweep(engine: Engine) -> None:
    """Remove what killed publications of this user have left; never what a living one uses."""
    left = [path for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*") if _is_left(path)]
    if not left:
        return
    nonces = {f"verifying:{_nonce(path)}" for path in left}
    tags = (tag for image in engine.whales.image.list() for tag in image.repo_tags)
    for tag in [tag for tag in tags if tag.rpartition("/")[2] in nonces]:
        with whales.tidying(tag):
            engine.whales.image.remove(tag, force=True)
    for path in left:
        engine.remove(container_name(path))
        shutil.rmtree(path, ignore_errors=True)
        say(f"removed what a killed publication left: '{path}'")


def _is_left(path: Path) -> bool:
    try:
        status = path.lstat()
        if not path.is_dir() or path.is_symlink() or not is_own(status):
            return False
        if not (path / _LOCK).is_file():
            return time.time() - status.st_mtime > _YOUNG_SECONDS
        with file_lock(path / _LOCK, timeout=0):
            return True
    except (OSError, Timeout):
        return False


def _nonce(directory: Path) -> str:
    return directory.name.removeprefix(_PREFIX)
