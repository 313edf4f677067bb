"""A directory that somebody else writes to: each step into it is one that follows no link."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

_DIRECTORY: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
# The kernel's mark, and that of fuse-overlayfs, which has files besides.
_OPAQUE: Final = ("user.overlay.opaque", "user.fuseoverlayfs.opaque")
MARKS: Final = frozenset({".wh..wh..opq", ".wh..opq"})
"""Names of files that are marks, and nobody's."""
DEEPEST: Final = 128
"""Directories within each other; what is below is neither listed nor applied."""
CHUNK: Final = 1 << 20


class Entry(NamedTuple):
    """What lies at a path, relative to the tree's root."""

    path: str
    status: os.stat_result

    @property
    def is_directory(self) -> bool:
        """Whether it is one, and no link to one."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_whiteout(self) -> bool:
        """Whether it says that an overlay's lower directory has nothing there any more."""
        return stat.S_ISCHR(self.status.st_mode) and self.status.st_rdev == 0


def is_git(name: str) -> bool:
    """Return whether git may take a name for its own directory, on any file system.

    Those that fold letters, and those that drop what cannot be seen or give short names.
    """
    plain = "".join(c for c in name if c.isprintable() and ord(c) < 0x80)  # noqa: PLR2004 (ASCII)
    folded = plain.lower().rstrip(". ")
    return folded.partition(":")[0].rstrip(". ") in {".git", "git~1"}


class Tree:
    """A directory, held open."""

    def __init__(self, root: Path | str, below: str = "") -> None:
        """Open it.

        Args:
            root: a place that only its user chooses; it may be reached through links.
            below: where it is in that; no link is followed on this part of the way.

        Raises:
            OSError: it is not there.
        """
        self.place = Path(root, below)
        self._root = os.open(root, _DIRECTORY & ~getattr(os, "O_NOFOLLOW", 0))
        self._known: tuple[str, int] = ("", self._root)
        if below:
            around = self._root
            try:
                self._root = self._walk(below.split("/"), None)
            finally:
                os.close(around)
            self._known = ("", self._root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        os.close(self._root)

    def _forget(self) -> None:
        path, descriptor = self._known
        if path:
            os.close(descriptor)
        self._known = ("", self._root)

    def parent(self, path: str, *, make: int | None = None) -> int:
        """Return the open directory that a path is in; it stays open until the next question.

        Args:
            path: relative to the root.
            make: directories that are missing are made, with these rights.

        Raises:
            OSError: there is none, or something on the way is no directory.
        """
        above = path.rpartition("/")[0]
        if above != self._known[0] or not above:
            self._forget()
            if above:
                self._known = (above, self._walk(above.split("/"), make))
        return self._known[1]

    def _walk(self, names: list[str], make: int | None) -> int:
        if len(names) > DEEPEST or any(name in {"", ".", ".."} for name in names):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), "/".join(names)[:80])
        here = self._root
        for name in names:
            try:
                below = _step(name, here, make)
            finally:
                if here != self._root:
                    os.close(here)
            here = below
        return here

    def status(self, path: str) -> os.stat_result | None:
        """Return what lies at a path; None: nothing, or nothing that can be reached."""
        try:
            return os.stat(_name(path), dir_fd=self.parent(path), follow_symlinks=False)
        except OSError:
            return None

    def open(self, path: str) -> int:
        """Open a plain file to be read.

        Raises:
            OSError: it is something else, or not there.
        """
        descriptor = os.open(_name(path), _FILE, dir_fd=self.parent(path))
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a plain file", path)
        return descriptor

    def link(self, path: str) -> str:
        """Return what a link says.

        Raises:
            OSError: it is none.
        """
        return os.readlink(_name(path), dir_fd=self.parent(path))

    def entries(self, path: str) -> list[Entry]:
        """List a directory by name; nothing of what cannot be read, or lies too deep."""
        try:
            descriptor = self._directory(path)
        except OSError:
            return []
        found = []
        try:
            for name in sorted(os.listdir(descriptor)):  # noqa: PTH208 (of a descriptor)
                with suppress(OSError):
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    found.append(Entry(f"{path}/{name}" if path else name, status))
        finally:
            os.close(descriptor)
        return found

    def _directory(self, path: str) -> int:
        if not path:
            return os.open(".", _DIRECTORY, dir_fd=self._root)
        if path.count("/") >= DEEPEST:
            raise OSError(errno.EINVAL, "too deep", path[:80])
        return os.open(_name(path), _DIRECTORY, dir_fd=self.parent(path))

    def is_opaque(self, path: str) -> bool:
        """Return whether an overlay's directory hides all that the one below it has."""
        try:
            descriptor = self._directory(path)
        except OSError:
            return False
        try:
            return any(_attribute(descriptor, name) == b"y" for name in _OPAQUE)
        finally:
            os.close(descriptor)

    def files(self, path: str = "") -> Iterator[Entry]:
        """Give all below a directory that is none itself, in order; git's own are left out."""
        stack = [path]
        while stack:
            below = [e for e in self.entries(stack.pop()) if not is_git(_name(e.path))]
            stack += reversed([e.path for e in below if e.is_directory])
            yield from (entry for entry in below if not entry.is_directory)


def _attribute(descriptor: int, name: str) -> bytes:
    try:
        return os.getxattr(descriptor, name)
    except (OSError, AttributeError):  # none; or a system without
        return b""


def _step(name: str, here: int, make: int | None) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=here)
    except FileNotFoundError:
        if make is None:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, make, dir_fd=here)
    descriptor = os.open(name, _DIRECTORY, dir_fd=here)
    give(descriptor, here)
    return descriptor


def give(descriptor: int, parent: int) -> None:
    """Let what root has made belong to whom the directory belongs to that it is in."""
    if os.geteuid() == 0:
        status = os.fstat(parent)
        os.fchown(descriptor, status.st_uid, status.st_gid)


def _name(path: str) -> str:
    name = path.rpartition("/")[2]
    if name in {"", ".", ".."} or "\0" in name:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path[:80])
    return name
