"""A container, as neutral of engines as can be: what it runs, sees and may use; what became of it.

Named tuples, here and wherever a launch comes by: as frozen as dataclasses, but importing and
making those costs every launch 20 ms.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from typing import Self

SECCOMP: Final = f"{os.path.dirname(__file__)}{os.sep}engine{os.sep}seccomp.json"  # noqa: PTH120 (hot)
"""Pinnace's own profile of system calls: docs/security.md, "System calls"."""
NO_NETWORK: Final = "none"
"""No interface but its own loopback, as all engines call it."""
_RUNNING: Final = ("running", "paused", "restarting")
_NOT_STARTED: Final = frozenset({125, 126})
_MICROSECOND_DIGITS: Final = 6


class Mount(NamedTuple):
    """A bind mount, a volume, or a layer over a directory.

    Attributes:
        source: a path on the host; a volume's name.
        target: a path inside.
        read_only: nothing inside may write there.
        volume: the engine keeps it, by its name.
        upper: a directory that takes what is written there, so that nothing of it is in `source`;
            empty: there is no layer.
        work: an empty directory beside it, which the kernel needs for that.
    """

    source: str
    target: str
    read_only: bool = False
    volume: bool = False
    upper: str = ""
    work: str = ""


class Network(NamedTuple):
    """A network of an engine's: only containers that join it reach each other.

    Attributes:
        name: unique.
        labels: its own.
        outward: it leads out, as the engine's default does; else nowhere.
    """

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    outward: bool = False

    @classmethod
    def from_engine(cls, item: Mapping[str, Any]) -> Self:
        """Read what the engine says when it is asked to inspect one: name and labels."""
        return cls(str(item["Name"]), tuple(dict(item.get("Labels") or {}).items()))


class Tmpfs(NamedTuple):
    """A file system in memory; programs may be run from it, set-id bits mean nothing."""

    target: str
    options: str


class ContainerSpec(NamedTuple):
    """A container to run, completely decided.

    Attributes:
        image: the id, never a name.
        command: executable and arguments inside.
        name: of the container.
        in_file: names of those of `environment` that the client reads from `environment_file`.
        environment_file: lines of NAME=VALUE; empty: all values are in the client's arguments.
        interactive: standard input stays open.
        tty: a terminal inside.
        userns: the engine's user namespace mode, or empty for its default.
        groups: supplementary groups inside.
        network: an engine's network, or empty for its default.
        private: a `Network` that leads nowhere, which it joins besides, by its name; then `network`
            is `NO_NETWORK`, or one that was made for it, too.
        memory: limit; empty: none.
        pids: limit; 0: none.
        cpus: how many processors' time; empty: all of it.
        shm_size: of /dev/shm; empty: the engine's default.
        ulimits: of each process, hard and soft, by their names: `core`, `fsize` (bytes).
        gpus: `all`, a number, or `device=ID,...`; empty: none.
        devices: of the host: `PATH[:TARGET[:rwm]]`, or a name of CDI's.
        runtime: an OCI runtime's name; empty: the engine's default.
        sysctls: kernel parameters of its own namespaces, by their names.
        init: a small init inside, which passes signals on and buries orphans.
        seccomp: the file that says which system calls there are; empty: the engine's own choice.
        unlabelled: not confined by SELinux, whose labels keep it from the user's files.
        platform: of the image, where the engine may hold it for several; else empty.
    """

    image: str
    command: tuple[str, ...]
    name: str = ""
    workdir: str = "/"
    user: tuple[int, int] | None = None
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    environment_names: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    in_file: tuple[str, ...] = ()
    environment_file: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()
    memory: str = ""
    pids: int = 0
    cpus: str = ""
    shm_size: str = ""
    ulimits: tuple[tuple[str, int], ...] = ()
    gpus: str = ""
    devices: tuple[str, ...] = ()
    runtime: str = ""
    interactive: bool = True
    tty: bool = False
    userns: str = ""
    groups: tuple[int, ...] = ()
    network: str = ""
    sysctls: tuple[tuple[str, str], ...] = ()
    private: str = ""
    init: bool = True
    seccomp: str = ""
    unlabelled: bool = False
    platform: str = ""


def scratch(home: str, uid: int, gid: int, *, size: int = 0) -> tuple[Tmpfs, ...]:
    """Return what a program may expect to be able to write to below a read-only root.

    Args:
        home: the user's directory; empty: there is none.
        uid: the user's.
        gid: likewise.
        size: limit of each, in bytes; 0: the kernel's, half of the machine's memory.
    """
    limit = f",size={size}" if size else ""
    return (
        Tmpfs("/tmp", f"exec,mode=1777{limit}"),  # noqa: S108 (inside)
        *([Tmpfs(home, f"exec,mode=0700,uid={uid},gid={gid}{limit}")] if home else []),
    )


class Execution(NamedTuple):
    """A command in a container that runs: same user, environment and directory as that one's.

    Attributes:
        container: its id.
        command: executable and arguments.
        interactive: standard input stays open.
        tty: a terminal inside.
        environment_names: variables of this process that replace the container's.
        environment: more of them, with their values.
        in_file: names of those of `environment` that the client reads from `environment_file`.
        environment_file: lines of NAME=VALUE; empty: all values are in the client's arguments.
    """

    container: str
    command: tuple[str, ...]
    interactive: bool
    tty: bool
    environment_names: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    in_file: tuple[str, ...] = ()
    environment_file: str = ""


class Finished(NamedTuple):
    """How a container ended.

    Attributes:
        code: its exit code, or the engine's: 125 if it could not be started.
        output: what it wrote to standard output.
        errors: what it wrote to standard error, and what the engine said.
    """

    code: int
    output: str
    errors: str

    @property
    def started(self) -> bool:
        """Whether what should run in it was run: these codes are docker's and podman's own."""
        return self.code not in _NOT_STARTED

    @property
    def reason(self) -> str:
        """The last line of the errors, or empty."""
        return next(reversed(self.errors.strip().splitlines()), "")


class Container(NamedTuple):
    """A container that an engine holds.

    Attributes:
        id: the engine's.
        name: unique.
        labels: its own, and its image's.
        state: as the engine calls it: created, running, paused, exited, dead ...
        created: when; None if nothing tells it.
        image: the id.
        mounts: paths on the host.
        is_entered: something runs in it, or did a moment ago, beside its own program.
        process: its first one, as the engine's host numbers it; 0: none runs.
    """

    id: str
    name: str
    labels: Mapping[str, str]
    state: str
    created: datetime | None
    image: str = ""
    mounts: tuple[str, ...] = ()
    is_entered: bool = False
    process: int = 0

    @classmethod
    def from_engine(cls, item: Mapping[str, Any]) -> Self:
        """Read what the engine says when it is asked to inspect one."""
        return cls(
            id=str(item["Id"]),
            name=str(item["Name"]).lstrip("/"),
            labels=dict((item.get("Config") or {}).get("Labels") or {}),
            state=str((item.get("State") or {}).get("Status", "")),
            created=_moment(str(item.get("Created", ""))),
            image=str(item.get("Image", "")),
            mounts=tuple(str(m.get("Source", "")) for m in item.get("Mounts") or ()),
            is_entered=bool(item.get("ExecIDs")),
            process=int((item.get("State") or {}).get("Pid") or 0),
        )

    @property
    def is_running(self) -> bool:
        """Whether something in it is alive."""
        return self.state in _RUNNING


def _moment(text: str) -> datetime | None:
    """Engines count nanoseconds; Python reads six digits of a second only."""
    from datetime import UTC, datetime

    whole, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    kept = digits[:_MICROSECOND_DIGITS]
    try:
        moment = datetime.fromisoformat(f"{whole}{dot}{kept}{rest[len(digits) :]}")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def ordered(mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """Put what is mounted below another place behind it, or it would be hidden; keep the rest.

    Of two at the same place the later one counts.
    """
    placed: list[Mount] = []
    for mount in {mount.target: mount for mount in mounts}.values():
        below = f"{mount.target.rstrip('/')}/"
        first = next((i for i, m in enumerate(placed) if m.target.startswith(below)), len(placed))
        placed.insert(first, mount)
    return tuple(placed)
