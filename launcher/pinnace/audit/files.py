"""Which files of a project changed while something ran, as the file system tells: by anybody.

Judged by the time of the last change of anything about a file, which no program can set back. So
much is looked at, and no more. What went away leaves no time: that is told by the names that there
were.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pinnace.workspace.gone import Gone

_MOST_LOOKED_AT: Final = 4_000
_MOST_NAMED: Final = 64
_SLACK_SECONDS: Final = 0.05
# Content by digest, and what package managers make.
_PASSED_OVER: Final = frozenset({".git/objects", "node_modules", ".venv"})


def changed(project: str, since: float) -> dict[str, Any]:
    """Return what changed in a project since a moment; the names nearest to its root come first.

    Args:
        project: its root.
        since: in seconds since 1970.
    """
    named: list[str] = []
    count = looked = 0
    waiting = [""]
    while waiting and looked < _MOST_LOOKED_AT:
        place = waiting.pop(0)
        for entry in _entries(os.path.join(project, place), _MOST_LOOKED_AT - looked):  # noqa: PTH118
            looked += 1
            name = f"{place}/{entry.name}" if place else entry.name
            if entry.is_dir(follow_symlinks=False):
                if name not in _PASSED_OVER and entry.name not in _PASSED_OVER:
                    waiting.append(name)
            elif _is_new(entry, since - _SLACK_SECONDS):
                count += 1
                named += [name] if len(named) < _MOST_NAMED else []
    whole = not waiting and looked < _MOST_LOOKED_AT
    return {"changed": named, "count": count, "looked_at": looked, "complete": whole}


def deleted(project: str, gone: Gone) -> dict[str, Any]:
    """Return which files of a project went.

    Args:
        project: its root.
        gone: what went of all that was looked at.
    """
    start = f"{os.path.realpath(project)}/"
    found = [path.removeprefix(start) for path in gone.paths if path.startswith(start)]
    own = [name for name in found if not _is_passed_over(name)]
    named = sorted(own, key=lambda name: (name.count("/"), name))[:_MOST_NAMED]
    return {"names": named, "count": len(own), "complete": gone.whole}


def _is_passed_over(name: str) -> bool:
    return any(f"/{one}/" in f"/{name}" for one in _PASSED_OVER)


def _entries(place: str, most: int) -> list[os.DirEntry[str]]:
    found: list[os.DirEntry[str]] = []
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if len(found) == most:
                    break
                found.append(entry)
    except OSError:
        return found
    return found


def _is_new(entry: os.DirEntry[str], since: float) -> bool:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    return max(status.st_ctime, status.st_mtime) >= since
