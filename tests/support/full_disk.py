"""Disks that are full: a small one that a test fills and frees, or as good as that."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILLER: Final = ".filler"


@dataclass(frozen=True)
class Disk:
    """A file system in memory.

    Attributes:
        place: where it is mounted.
    """

    place: Path

    def fill(self, *, but: int = 0) -> None:
        """Leave no room: a file may still be made, but nothing can be written.

        Args:
            but: so many bytes.
        """
        with (self.place / _FILLER).open("ab", buffering=0) as stream:
            for size in (1 << 16, 1 << 12):
                try:
                    while stream.write(bytes(size)) == size:
                        pass
                except OSError as error:
                    assert error.errno == errno.ENOSPC  # noqa: PT017 (it ends the loop)
            stream.truncate(max(stream.tell() - but, 0))

    def free(self) -> None:
        """Make room."""
        (self.place / _FILLER).unlink()


@contextmanager
def files_end_at(allowed: int) -> Iterator[None]:
    """Let no file grow beyond `allowed` bytes; unlike permissions, it holds for root too."""
    if sys.platform == "win32":
        pytest.skip("files cannot be limited there")
    import resource  # noqa: PLC0415 (not everywhere)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def small_disk(place: Path, *, size: str = "4m") -> Iterator[Disk]:
    """Mount one, of this user's alone; what still uses it in the end keeps it."""
    root = [] if os.getuid() == 0 else ["sudo", "-n", "--"]
    place.mkdir(parents=True, exist_ok=True)
    options = f"size={size},mode=700,uid={os.getuid()},gid={os.getgid()}"
    mount = [*root, "mount", "-t", "tmpfs", "-o", options, "pinnace-test", str(place)]
    subprocess.run(mount, check=True)
    try:
        yield Disk(place)
    finally:
        subprocess.run([*root, "umount", "--lazy", str(place)], check=True)
