"""Which files git tracks, read from its index: names are looked for in it, it is not parsed.

Of an entry, the name comes behind two bytes that hold its length, after two more for some:
https://git-scm.com/docs/index-format. What cannot be told that way, git itself is asked.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace_core.files import read_untrusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MOST_BYTES: Final = 256 << 20
_HEAD: Final = 12
_SIGNATURE: Final = b"DIRC"
# From 4 on, names are cut.
_WHOLE_NAMES: Final = (2, 3)
_LENGTH: Final = 0xFFF
_EXTENDED: Final = 0x4000


def tracked(
    git_directory: str, names: Iterable[str], ask: Callable[[list[str]], str | None]
) -> frozenset[str]:
    """Return which of some names are tracked, themselves or what is below them.

    Args:
        git_directory: that holds the index.
        names: below the workspace.
        ask: has git list what it tracks of names, with zeros between; None: it cannot say.
    """
    wanted = list(names)
    if not wanted:
        return frozenset()
    data = _read(f"{git_directory}/index")
    if data == b"":
        return frozenset()
    if data is not None and not _is_split(git_directory):
        return frozenset(name for name in wanted if _holds(data, os.fsencode(name)))
    listed = ask(wanted)
    if listed is None:
        return frozenset(wanted)
    paths = listed.split("\0")
    return frozenset(n for n in wanted if any(f"{path}/".startswith(f"{n}/") for path in paths))


def _read(path: str) -> bytes | None:
    """Return an index with whole names; empty: there is none; None: git has to be asked."""
    try:
        data = read_untrusted(Path(path), most=_MOST_BYTES)
    except FileNotFoundError:
        return b""
    except OSError:
        return None
    if len(data) < _HEAD or not data.startswith(_SIGNATURE):
        return None
    (version,) = struct.unpack_from(">I", data, 4)
    return data if version in _WHOLE_NAMES else None


def _is_split(git_directory: str) -> bool:
    try:
        return any(name.startswith("sharedindex.") for name in os.listdir(git_directory))  # noqa: PTH208 (every launch)
    except OSError:
        return False


def _holds(data: bytes, name: bytes) -> bool:
    """Return whether an entry has this name, or one below it."""
    place = data.find(name, _HEAD)
    while place >= 0:
        end = data.find(b"\0", place, place + (1 << 16))
        whole = data[place:end]
        ends = whole == name or whole[len(name) :].startswith(b"/")
        if ends and end > 0 and _is_name(data, place, len(whole)):
            return True
        place = data.find(name, place + 1)
    return False


def _is_name(data: bytes, place: int, length: int) -> bool:
    (flags,) = struct.unpack_from(">H", data, place - 2)
    (before,) = struct.unpack_from(">H", data, place - 4)
    kept = min(length, _LENGTH)
    return (flags & _LENGTH == kept and not flags & _EXTENDED) or (
        before & _LENGTH == kept and bool(before & _EXTENDED)
    )
