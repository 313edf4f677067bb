"""What was launched lately: only for such a launch is it worth to prepare the next one.

A file for each, named by what was asked for; its time says when.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pinnace.launch.standby import make
from pinnace_core import host
from pinnace_core.digest import hexdigest
from pinnace_core.errors import CannotWriteError
from pinnace_core.files import make_directory

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.request import RunRequest

_SECONDS: Final = 3600.0
_DIRECTORY: Final = "launched"


def again(project: str, request: RunRequest) -> bool:
    """Note that something was launched; return whether it was within the last hour, too.

    Where that cannot be noted, nothing is known to be in use.

    Args:
        project: path of the workspace.
        request: what was asked for.
    """
    about = f"{project}\n{make.asked(request)}"
    place = host.directory("state") / _DIRECTORY
    note = place / hexdigest(os.fsencode(about))[:32]
    now = time.time()
    with suppress(OSError, CannotWriteError):
        is_recent = _is_recent(note, now)
        make_directory(place, mode=0o700)
        for old in place.iterdir():
            if not _is_recent(old, now):
                old.unlink()
        note.touch()
        return is_recent
    return False


def _is_recent(note: Path, now: float) -> bool:
    """Return whether that was within the last hour, and not in the future by a clock set back."""
    try:
        return 0 <= now - note.stat().st_mtime < _SECONDS
    except OSError:
        return False
