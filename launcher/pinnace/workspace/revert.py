"""Put a file back, or take it away, without following what the agent may have put on the way."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace_core import temporaries
from pinnace_core.errors import CannotWriteError, UnsafeRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


def restore(root: str, path: str, data: bytes, mode: int) -> None:
    """Put a content back, in one step; what is there now goes.

    Raises:
        CannotWriteError: it cannot be written.
        UnsafeRequestError: a part of the path is a link.
    """
    around = Path(path).parent
    with _parent(root, path) as (place, name), temporaries.name_in(around) as temporary:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = os.open(temporary, flags, 0o600, dir_fd=place)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                os.fchmod(descriptor, mode & ~(stat.S_ISUID | stat.S_ISGID))
                _give(descriptor, place)
            os.rename(temporary, name, src_dir_fd=place, dst_dir_fd=place)
        except OSError:
            os.unlink(temporary, dir_fd=place)
            raise


def remove(root: str, path: str) -> None:
    """Take away what was not there: a file, a link, a pipe; of a set-id program only that bit.

    Raises:
        CannotWriteError: it cannot be removed.
        UnsafeRequestError: a part of the path is a link.
    """
    with _parent(root, path) as (place, name):
        try:
            os.unlink(name, dir_fd=place)
        except FileNotFoundError:
            return


def clear_set_id(root: str, path: str) -> None:
    """Take set-id bits off a file.

    Raises:
        CannotWriteError: they cannot be.
        UnsafeRequestError: a part of the path is a link.
    """
    with _parent(root, path) as (place, name):
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
        try:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            os.fchmod(descriptor, mode & ~(stat.S_ISUID | stat.S_ISGID))
        finally:
            os.close(descriptor)


def _give(descriptor: int, place: int) -> None:
    """Let what root puts back belong to who the directory belongs to."""
    if os.geteuid() == 0:
        status = os.fstat(place)
        os.fchown(descriptor, status.st_uid, status.st_gid)


@contextmanager
def _parent(root: str, path: str) -> Iterator[tuple[int, str]]:
    """Open the directory of a path, part by part."""
    if os.open not in os.supports_dir_fd or not path.startswith(f"{root}/"):
        raise UnsafeRequestError(
            f"'{path}' cannot be reverted safely here", hint="put it back yourself, or remove it"
        )
    *between, name = path[len(root) + 1 :].split("/")
    place = os.open(root, _DIRECTORY)
    try:
        for part in between:
            below = os.open(part, _DIRECTORY, dir_fd=place)
            os.close(place)
            place = below
        yield place, name
    except NotADirectoryError as error:
        raise UnsafeRequestError(
            f"'{path}' cannot be reverted: a part of it is no directory, or a link",
            hint="look at what is there, and remove it yourself",
        ) from error
    except OSError as error:
        raise CannotWriteError(
            f"cannot revert '{path}': {error.strerror}", hint="see whose it is: ls -l"
        ) from error
    finally:
        os.close(place)
