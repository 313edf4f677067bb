"""Look at one path: a digest of what counts there, whatever it is; nothing here waits or follows.

Only content tells whether something has changed: sizes and times can be made alike. Where there is
too much of it, the time of the last change does, which nobody can set.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.workspace import contents, links, listed, names
from pinnace_core.digest import hexdigest, sha256
from pinnace_core.files import read_untrusted
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from pinnace.workspace.rules import Rule

_MOST_BYTES: Final = 8 << 20
_MOST_BEHIND: Final = 500
_MOST_NAMED: Final = 20_000
_RUNS: Final = 0o111
NOTHING: Final = ""
"""Digest of what is not there."""
PLAIN: Final = "plain"
"""Digest of a file in which nothing counts."""
UNKNOWN: Final = "unknown"
"""Digest of what nobody saw before the agent did."""


class Raw(NamedTuple):
    """What was read, not judged.

    Attributes:
        kind: `file`, or what else it is; empty: it is not there.
        data: the whole file, where it is one.
        mode: its permissions.
    """

    kind: str
    data: bytes | None = None
    mode: int = 0


class Look(NamedTuple):
    """What is at a path.

    Attributes:
        digest: of what counts.
        data: the whole file, where it is one.
        mode: the file's permissions.
    """

    digest: str = NOTHING
    data: bytes | None = None
    mode: int = 0


_ABSENT: Final = Look()


def raw(path: str, root: str) -> Raw:
    """Read what is at a path."""
    try:
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode):
            return _file(path, status)
        if stat.S_ISLNK(status.st_mode):
            return Raw(f"link:{os.readlink(path)}:{_behind(path, root)}")  # noqa: PTH115
    except (FileNotFoundError, NotADirectoryError):
        return Raw("")
    except (OSError, ValueError):
        return Raw("unread")
    kind = stat.S_IFMT(status.st_mode)
    return Raw("directory" if stat.S_ISDIR(kind) else f"special:{kind:o}")


def _file(path: str, status: os.stat_result) -> Raw:
    mode = stat.S_IMODE(status.st_mode)
    if status.st_size > _MOST_BYTES:
        times = f"{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"
        return Raw(f"large:{status.st_size}:{times}", None, mode)
    ids = mode & (stat.S_ISUID | stat.S_ISGID)
    data = read_untrusted(Path(path), most=_MOST_BYTES)
    return Raw(f"set-id:{ids:o}" if ids else "file", data, mode)


def look(path: str, root: str, rule: Rule) -> Look:
    """Return what is at a path now."""
    return judged(path, root, rule, raw(path, root))


def judged(path: str, root: str, rule: Rule, read: Raw) -> Look:
    """Return what counts of what was read."""
    kind, data, mode = read
    if kind in {"", "directory"} and rule is not names.UNREAD:
        return _ABSENT
    if rule is names.SET_ID and not kind.startswith("set-id"):
        return _ABSENT
    if data is None or kind != "file" or rule in {names.SPECIAL, links.OUTSIDE}:
        special = kind != "file" and (kind or rule is names.UNREAD)
        return Look(kind, data, mode) if special else _ABSENT
    counts = _counts(path, root, rule, data)
    return Look(_digest(counts, mode) if counts else PLAIN, data, mode)


def _digest(counts: bytes, mode: int) -> str:
    return f"{'x' if mode & _RUNS else '-'}{hexdigest(counts)}"


def _counts(path: str, root: str, rule: Rule, data: bytes) -> bytes:
    if rule is listed.REPOSITORY:
        return b"" if _is_own_link(path, root, data) else data or b" "
    if rule is listed.FORWARD:
        return b"" if _is_own_forward(path, data) else data or b" "
    return contents.counting(rule, data)


def _is_own_link(path: str, root: str, data: bytes) -> bool:
    """Return whether a `.git` file leads to what the project's own repository keeps.

    That has a configuration that is looked at, as its worktrees and submodules have.
    """
    target = os.fsdecode(data.removeprefix(b"gitdir: ").rstrip(b"\r\n"))
    own = os.path.realpath(f"{root}/.git")
    if path == f"{root}/.git" or "\0" in target or "\n" in target:
        return False
    place = os.path.realpath(os.path.join(os.path.dirname(path), target))  # noqa: PTH118, PTH120
    return place.startswith((f"{own}/worktrees/", f"{own}/modules/"))


def _is_own_forward(path: str, data: bytes) -> bool:
    """Return whether a `commondir` leads to the repository that it lies in."""
    text, directory = data.strip(), os.path.dirname(path)  # noqa: PTH120
    if text in {b".", b"./"}:
        return True
    above = os.path.dirname(directory)  # noqa: PTH120
    placed = os.path.basename(above) == "worktrees"  # noqa: PTH119
    return text == b"../.." and placed and os.path.isfile(f"{above}/../HEAD")  # noqa: PTH113


def _behind(path: str, root: str) -> str:
    """Digest what a link leads to, if it lies in the workspace: of a directory, what is in it."""
    place = os.path.realpath(path)
    if not place.startswith(f"{root}/"):
        return ""
    files = [place]
    if os.path.isdir(place):  # noqa: PTH112
        files = sorted(_files(place))
    digest = sha256()
    for file in files[_MOST_BEHIND:]:
        digest.update(os.fsencode(f"{file}\0{_times(file)}\0"))
    for file in files[:_MOST_BEHIND]:
        try:
            data = read_untrusted(Path(file), most=_MOST_BYTES)
        except OSError:
            data = b"?"
        digest.update(os.fsencode(file) + b"\0" + sha256(data).digest())
    return digest.hexdigest()


def _times(path: str) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return "?"
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def _files(directory: str) -> list[str]:
    found: list[str] = []
    waiting = [directory]
    while waiting and len(found) < _MOST_NAMED:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    is_dir = entry.is_dir(follow_symlinks=False)
                    (waiting if is_dir else found).append(entry.path)
        except OSError:
            continue
    return found
