"""Files, written whole or not at all and read without trust."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from pinnace_core import host
from pinnace_core.errors import CannotWriteError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


_DENIED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
# Something else stands there than what is to be written.
_ANOTHER: Final = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENOTEMPTY)


def write_atomic(  # noqa: PLR0913 (what, where, how)
    path: Path,
    data: bytes,
    *,
    mode: int = 0o644,
    exact: bool = False,
    durable: bool = False,
    temporary: str = "",
) -> None:
    """Replace `path` by `data` in one step; parents are made.

    What root makes belongs to the directory's owner: `sudo -E` must not lock them out.

    Args:
        path: of the file; a link there is replaced, not followed.
        data: all of it.
        mode: of the file, less what the umask takes.
        exact: the umask takes nothing: a container's user has another number.
        durable: a machine that loses its power keeps it, too.
        temporary: a name in the same directory, which is free; see `temporaries`.

    Raises:
        CannotWriteError: the directory is not writable, or the disk is full.
    """
    made = path.with_name(temporary or f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        _make(path.parent, 0o755)
        # Exclusive: in a directory that a container writes to, a name may be a trap.
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        give(descriptor, path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            if exact and sys.platform != "win32":
                os.fchmod(descriptor, mode)
            stream.write(data)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        made.replace(path)
        if durable:
            sync_directory(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        _unlink(made)


def write_over(path: Path, data: bytes) -> bool:
    """Replace what a file holds, and leave the file itself; return whether there is one.

    Linux ends what is mounted over a file, in any container, once another one takes its place.

    Args:
        path: of the file; a link is none, nor is a pipe.
        data: all of it, in a form that blanks may follow.

    Raises:
        CannotWriteError: it cannot be written.
    """
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with open(path, "r+b", opener=lambda name, _: os.open(name, flags)) as stream:
            size = stream.seek(0, os.SEEK_END)
            # A full disk says so now, before anything is lost.
            stream.write(b" " * (len(data) - size))
            stream.flush()
            stream.seek(0)
            # In one piece: nobody reads half of it.
            stream.write(data.ljust(size))
            stream.truncate(len(data))
            os.fsync(stream.fileno())
    except FileNotFoundError:
        return False
    except OSError as error:
        raise cannot_write(path, error) from error
    return True


def sync_directory(path: Path) -> None:
    """See that the names in a directory outlive a loss of power.

    Raises:
        OSError: the disk refuses.
    """
    if os.name == "nt":  # its directories cannot be opened
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_untrusted(path: Path, *, follow: bool = False) -> BinaryIO:
    """Open, for reading, what somebody else may have put there; a pipe is not waited for.

    Args:
        path: of anything; what it is, the stream's `fstat` tells.
        follow: a link is all right.

    Raises:
        OSError: it cannot be opened, or is a directory, or a link (ELOOP).
    """
    nofollow = 0 if follow else getattr(os, "O_NOFOLLOW", 0)
    if not follow and not nofollow and path.is_symlink():  # Windows
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    extra = nofollow | getattr(os, "O_NONBLOCK", 0)
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | extra))


def resolved(path: Path) -> Path:
    """Follow all links; a path that leads in a circle is returned as it is.

    So does `resolve` from Python 3.13 on; before, it raises RuntimeError.
    """
    return type(path)(os.path.realpath(path))


def read_untrusted(path: Path, *, most: int) -> bytes:
    """Read a file that a container may have put there: no link, no pipe, no more than `most` bytes.

    Raises:
        FileNotFoundError: there is none.
        OSError: it is something else than a regular file, or larger.
    """
    with open_untrusted(path) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise OSError(errno.EINVAL, "not a regular file of a sane size", str(path))
        return stream.read(most)


def read_own(path: Path, *, most: int) -> bytes:
    """Read a file that only we can have written: a plain one, ours, that nobody else may write.

    Raises:
        FileNotFoundError: there is none.
        OSError: it is anything else, or larger than `most` bytes.
    """
    with open_untrusted(path) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode) or not is_own(status) or status.st_size > most:
            raise OSError(errno.EPERM, "not a plain file of ours", str(path))
        return stream.read(most)


def is_own(status: os.stat_result) -> bool:
    """Return whether a file or directory is ours, and nobody else can write to it."""
    if os.name == "nt":  # nothing in it says so: who may write there is up to the user's profile
        return True
    plain = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return plain and not others and status.st_uid in {os.geteuid(), _owner_of_home()}


def _owner_of_home() -> int:
    """Return who root acts for: with `sudo -E`, the directories are another's; else it is us."""
    if os.geteuid() != 0:
        return os.geteuid()
    try:
        return host.home().stat().st_uid
    except (OSError, UsageError):
        return 0


def make_directory(path: Path, *, mode: int = 0o755) -> Path:
    """Make `path` and its parents.

    Raises:
        CannotWriteError: it cannot be made, or cannot be written to.
    """
    try:
        _make(path, mode)
    except OSError as error:
        raise cannot_write(path, error) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise CannotWriteError(f"'{path}' is not writable", hint="make it writable for this user")
    return path


def _make(path: Path, mode: int) -> None:
    """Make a directory, and what is missing above it: nobody else's to write to, with any umask."""
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    except FileNotFoundError:
        if path.parent == path:
            raise
        _make(path.parent, 0o755)
        # Again in vain where nothing can be made, as in /proc, or what an automounter serves.
        path.mkdir(mode=mode, exist_ok=True)
    if os.name == "posix" and os.geteuid() == 0:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            give(descriptor, path.parent)
        finally:
            os.close(descriptor)


def give(descriptor: int, parent: Path) -> None:
    """Let what root has made belong to who the directory belongs to that it is in."""
    if os.name == "posix" and os.geteuid() == 0:
        status = parent.stat()
        if status.st_uid != 0:
            os.fchown(descriptor, status.st_uid, status.st_gid)


def like(place: Path, other: Path) -> None:
    """Give a directory the owner and the rights of another one.

    Raises:
        OSError: that cannot be.
    """
    status = other.stat()
    if os.geteuid() == 0:
        os.chown(place, status.st_uid, status.st_gid)
    elif place.stat().st_gid != status.st_gid:
        # Who is not in that group cannot give it.
        with suppress(PermissionError):
            os.chown(place, -1, status.st_gid)
    place.chmod(stat.S_IMODE(status.st_mode))


def cannot_write(path: Path, error: OSError) -> CannotWriteError:
    """Translate an operating system's error about `path`."""
    reason = error.strerror or str(error)
    way = "make it writable for you" if error.errno in _DENIED else "free some space there"
    if error.errno == errno.ENOENT:
        way = "make the directory that it lies in"
    elif error.errno in _ANOTHER:
        way = "see what is there, and move it away"
    return CannotWriteError(
        f"cannot write '{path}': {reason}",
        hint=f"{way}; where Pinnace keeps its own files, XDG_* variables say",
    )


def _unlink(path: Path) -> None:
    """Remove a temporary file if it is there, whatever state its directory is in."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def open_own(path: Path, *, append: bool = False) -> BinaryIO:
    """Open a file of ours, to read and write it, unbuffered; it is made if it is not there.

    Args:
        path: of a plain file, ours, that nobody else may write; parents are made.
        append: what is written goes to its end.

    Raises:
        CannotWriteError: it is anything else, or cannot be made.
    """
    extra = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags = os.O_RDWR | os.O_CREAT | extra | (os.O_APPEND if append else 0)
    try:
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            _make(path.parent, 0o700)
            descriptor = os.open(path, flags, 0o600)
        stream = os.fdopen(descriptor, "r+b", buffering=0)
    except OSError as error:
        raise cannot_write(path, error) from error
    status = os.fstat(descriptor)
    # Who may write to the directory may put another one in its place.
    if not stat.S_ISREG(status.st_mode) or not (is_own(status) and is_own(path.parent.stat())):
        stream.close()
        reason = "it is no plain file of yours, or others can write to it"
        raise cannot_write(path, OSError(errno.EPERM, reason))
    if not status.st_size:
        give(descriptor, path.parent)
    return stream
