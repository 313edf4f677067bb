"""Which way a project is kept from being written to, where not every way is possible."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from pinnace import layers
from pinnace_core.errors import EngineUnsuitableError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pinnace.config.project import Workspace
    from pinnace.layers import Kind
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts

# https://docs.kernel.org/filesystems/overlayfs.html: `userxattr`; and of tmpfs, such attributes.
_KERNEL: Final = (5, 11)
_KERNEL_OF_TMPFS: Final = (6, 6)
_UPPER: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "zfs"})
# Of others' machines and programs: what they say of a file may change by itself.
_NOT_LOWER: Final = re.compile(r"overlay|nfs\d?|cifs|smb\d?|9p|ecryptfs|fuse(\..*)?|fuseblk|v\w+fs")
# What cuts an option of a mount, or its value, in two.
_CUTS: Final = re.compile(r"[,:\\\s\"]")


class Choice(NamedTuple):
    """A way, and what the user should know about it; or empty."""

    kind: Kind
    note: str = ""


class FileSystem(NamedTuple):
    """What is mounted somewhere.

    Attributes:
        point: where.
        kind: of it, as the kernel calls it.
    """

    point: str
    kind: str


def choose(wanted: Kind, facts: HostFacts, engine: EngineFacts, project: Workspace) -> Choice:
    """Choose a layer if it is wanted and possible, else a clone.

    Raises:
        EngineUnsuitableError: neither is possible here.
    """
    if facts.os == "windows":
        raise EngineUnsuitableError(
            f"--{wanted} does not work on Windows itself",
            hint="use it in a distribution of WSL2, or leave it out",
        )
    if wanted == "clone":
        return Choice("clone")
    mounted = file_systems() if facts.os == "linux" else []
    why = obstacle(facts, engine, project, mounted)
    return Choice("clone", f"a clone instead of a layer: {why}") if why else Choice("review")


def obstacle(
    facts: HostFacts, engine: EngineFacts, project: Workspace, mounted: Iterable[FileSystem]
) -> str:
    """Return why no layer can be put over a project; empty: it can."""
    if facts.os != "linux" or not engine.layers:
        name = engine.desktop or f"{engine.kind}{', rootless' * engine.rootless}"
        return f"the engine ({name}) cannot put one over the project"
    if kernel() < _KERNEL:
        return f"the kernel is older than {'.'.join(map(str, _KERNEL))}"
    if os.path.isfile(f"{project.source}/.git"):  # noqa: PTH113
        return "the project's git directory lies elsewhere"
    if _CUTS.search(str(layers.directory())):
        return f"'{layers.directory()}' has a character in it that cuts a mount's options"
    if engine.cuts_targets and _CUTS.search(project.target):
        return f"'{project.target}' has a character in it that cuts a mount's options"
    return _unfit(project.source, list(mounted))


def _unfit(source: str, mounted: list[FileSystem]) -> str:
    place = str(layers.directory())
    upper, lower = _around(place, mounted), _around(source, mounted)
    tmpfs = upper.kind == "tmpfs" and kernel() >= _KERNEL_OF_TMPFS
    if upper.kind not in _UPPER and not tmpfs:
        return f"'{place}' is on {upper.kind}, which takes none"
    if _NOT_LOWER.fullmatch(lower.kind):
        return f"the project is on {lower.kind}"
    inner = next((m.point for m in mounted if m.point.startswith(f"{source}/")), "")
    return f"'{inner}' is another file system" if inner else ""


def _around(path: str, mounted: Iterable[FileSystem]) -> FileSystem:
    """Return the file system that a path is on: of several at a place, the last one is seen."""
    found = FileSystem("", "an unknown file system")
    for one in mounted:
        below = path == one.point or path.startswith(f"{one.point.rstrip('/')}/")
        if below and len(one.point) >= len(found.point):
            found = one
    return found


def kernel() -> tuple[int, int]:
    """Return the first two numbers of the kernel's version."""
    parts = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(parts[1]), int(parts[2])) if parts else (0, 0)


def file_systems(table: str = "/proc/self/mountinfo") -> list[FileSystem]:
    """Read what is mounted: man 5 proc_pid_mountinfo."""
    try:
        with open(table, encoding="utf-8", errors="surrogateescape") as stream:  # noqa: PTH123
            lines = stream.read().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.partition(" ")[0]
        if len(fields) > 4:  # noqa: PLR2004 (the mount point is the fifth)
            found.append(FileSystem(_unescaped(fields[4]), kind))
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
