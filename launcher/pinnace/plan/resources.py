"""What must be there while a container runs: acquired by a real launch only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace_core.files import make_directory, write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pinnace_core.container import ContainerSpec

_READABLE: Final = 0o444


class Resource(NamedTuple):
    """What must be there while the container runs.

    Attributes:
        acquire: sees that it is there; gives what has to be left in the end, if anything has.
        pending: says what acquiring it would do now, for a dry run; empty: nothing to speak of.
        alone: why no container can be made ahead of a launch: what is mounted is of one launch
            alone; empty: it can.
    """

    acquire: Callable[[ContainerSpec], AbstractContextManager[object] | None]
    pending: Callable[[], str] = str
    alone: str = ""


def written(files: Mapping[Path, bytes], *, directory_mode: int = 0o755) -> Resource:
    """Return files that are readable for all, whatever the umask is: root may launch for others.

    Only what differs is written, in the order given: a running container has files mounted.
    """

    def differing() -> list[Path]:
        return [path for path, data in files.items() if not _is_written(path, data)]

    def write(_: ContainerSpec) -> None:
        for path in differing():
            make_directory(path.parent).chmod(directory_mode)
            write_atomic(path, files[path], exact=True)

    def pending() -> str:
        named = ", ".join(f"'{path}'" for path in differing())
        return f"write {named}" if named else ""

    return Resource(write, pending)


def _is_written(path: Path, data: bytes) -> bool:
    """Return whether a file is there, as it should be, and readable for all."""
    try:
        return path.read_bytes() == data and path.stat().st_mode & _READABLE == _READABLE
    except OSError:
        return False
