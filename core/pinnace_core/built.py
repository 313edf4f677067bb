"""Which images were built on this machine: what an image says of itself proves nothing.

Names and labels come along with an archive that somebody loads. So a build leaves a record in the
user's own directory, under the image's id, which is a digest of its content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace_core import host
from pinnace_core.files import read_own, write_atomic

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BYTES: Final = 1 << 8


def directory() -> Path:
    """Return the directory of the records."""
    return host.directory("state") / "built"


def record(image: str) -> None:
    """Note that an image, by its id, was built here and passed its checks.

    Raises:
        CannotWriteError: it cannot be noted.
    """
    write_atomic(_place(image), _full(image).encode())


def is_recorded(image: str) -> bool:
    """Return whether an image, by its id, was built here."""
    try:
        return read_own(_place(image), most=_MOST_BYTES) == _full(image).encode()
    except OSError:
        return False


def _place(image: str) -> Path:
    return directory() / _full(image).replace(":", "-")


def _full(image: str) -> str:
    """Some engines leave out what kind of digest it is."""
    return f"sha256:{image.removeprefix('sha256:')}"
