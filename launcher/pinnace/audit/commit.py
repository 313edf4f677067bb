"""Which commit a project is at, read from git's files: no program of its is run for that.

All of them may be written by who works in the project; what is taken from them is a digest alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pinnace_core.files import read_untrusted

_MOST_BYTES: Final = 4 << 10
# https://git-scm.com/docs/git-pack-refs
_MOST_PACKED: Final = 8 << 20
_LENGTHS: Final = (40, 64)
_HEXADECIMAL: Final = frozenset("0123456789abcdef")
_REF: Final = "ref: refs/"
_LONGEST: Final = 250
_POINTER: Final = "gitdir: "


def commit_of(project: str) -> str:
    """Return the digest of the commit that is checked out; empty if that is not known."""
    directory = _git_directory(Path(project))
    head = _line(directory / "HEAD")
    if _is_digest(head):
        return head
    if not _is_name(head):
        return ""
    name = head.removeprefix("ref: ")
    common = Path(directory, _line(directory / "commondir") or ".")
    for place in dict.fromkeys((directory, common)):
        found = _line(place / name)
        if _is_digest(found):
            return found
    return _packed(common / "packed-refs", name)


def _is_digest(text: str) -> bool:
    # No pattern: to compile one takes longer than all of this.
    return len(text) in _LENGTHS and _HEXADECIMAL.issuperset(text)


def _is_name(text: str) -> bool:
    sane = text.isprintable() and len(text) <= _LONGEST
    return sane and text.startswith(_REF) and ".." not in text and "//" not in text


def _git_directory(project: Path) -> Path:
    """Return the git directory; of a worktree, the file `.git` names it."""
    place = project / ".git"
    if os.path.isdir(place):  # noqa: PTH112 (every launch)
        return place
    text = _line(place)
    return Path(project, text.removeprefix(_POINTER)) if text.startswith(_POINTER) else place


def _line(path: Path) -> str:
    try:
        return read_untrusted(path, most=_MOST_BYTES).decode().strip()
    except (OSError, ValueError):
        return ""


def _packed(path: Path, name: str) -> str:
    try:
        data = read_untrusted(path, most=_MOST_PACKED)
    except (OSError, ValueError):
        return ""
    end = data.find(b" %s\n" % name.encode())
    found = data[data.rfind(b"\n", 0, max(end, 0)) + 1 : max(end, 0)].decode(errors="replace")
    return found if _is_digest(found) else ""
