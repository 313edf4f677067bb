"""A relay: where no socket crosses into a launch, it has the gateway's sockets at ports.

It is a container of its own for each launch, alone with it on a network that leads nowhere. The
gateway, which holds the keys and has a network, listens at no port: neither another launch nor
whoever else is on its network has anything to connect to.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace_core.container import NO_NETWORK, SECCOMP, ContainerSpec, Mount
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable

ADDRESS: Final = "address"
"""In the directory of a relay: where it is, as soon as it listens."""
_FILES: Final = Path(__file__).parent / "files"
# What the launch needs of it, and its own.
_NAMES: Final = ("connect", "ssh-proxy", "apt.conf", "relay")
# A process for each connection.
_MEMORY: Final = "512m"
_PIDS: Final = 2048
# It writes an address.
_ULIMITS: Final = (("fsize", 1 << 20), ("core", 0))


def spec(sockets: Mount, place: Path, *, launch: str, ports: Iterable[str]) -> ContainerSpec:
    """Return the container, of no image yet.

    Args:
        sockets: the gateway's.
        place: its directory, for this launch.
        launch: name of the launch, and of its network.
        ports: `PORT=SOCKET`, each.
    """
    return ContainerSpec(
        image="",
        command=(contract.SHELL, f"{contract.GATEWAY_CONFIG}/relay", *ports),
        name=f"{launch}-relay",
        user=(contract.AGENT_UID, contract.AGENT_GID),
        mounts=(Mount(str(place), contract.GATEWAY_CONFIG), sockets),
        memory=_MEMORY,
        pids=_PIDS,
        ulimits=_ULIMITS,
        interactive=False,
        network=NO_NETWORK,
        private=launch,
        init=False,
        seccomp=SECCOMP,
    )


def files() -> dict[str, bytes]:
    """Return what is in its directory at first, by name."""
    return {name: (_FILES / name).read_bytes() for name in _NAMES}
