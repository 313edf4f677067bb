"""A container, as neutral of engines as can be: what it runs, sees and may use.

Named tuples, here and wherever a launch comes by: as frozen as dataclasses, but importing and
making those costs every launch 20 ms.
"""

from __future__ import annotations

from typing import NamedTuple


class Mount(NamedTuple):
    """A bind mount."""

    source: str
    target: str
    read_only: bool = False


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
        interactive: standard input stays open.
        tty: a terminal inside.
        userns: the engine's user namespace mode, or empty for its default.
        groups: supplementary groups inside.
        network: an engine's network, or empty for its default.
        memory: limit; empty: none.
        pids: limit; 0: none.
        init: a small init inside, which passes signals on and buries orphans.
        unlabelled: not confined by SELinux, whose labels keep it from the user's files.
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
    labels: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()
    memory: str = ""
    pids: int = 0
    interactive: bool = True
    tty: bool = False
    userns: str = ""
    groups: tuple[int, ...] = ()
    network: str = ""
    init: bool = True
    unlabelled: bool = False
