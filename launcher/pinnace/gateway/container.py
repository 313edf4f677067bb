"""The gateway's container, and the files that it reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.agent import logins
from pinnace.gateway import HOST, LAUNCHES, SOCKETS, VIRTUAL_HOST, haproxy, headers, upstream
from pinnace.gateway.directory import LOGIN
from pinnace_core.container import SECCOMP, ContainerSpec, Mount, Tmpfs
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pinnace.gateway import Gateway, Rule
    from pinnace.gateway.directory import Directory

_FILES: Final = Path(__file__).parent / "files"
_CONFIG_FILES: Final = (
    *("start", "policy", "same-name", "connect", "ssh-proxy", "ssh_config", "apt.conf"),
    *("common.conf", "egress.conf", "tunnel.conf"),
)
# Two Squids, HAProxy, and a connection's buffers; it stands at 40 MiB.
_MEMORY: Final = "512m"
_PIDS: Final = 2048
_PORTS: Final = "net.ipv4.ip_unprivileged_port_start"
# A log ends there if nothing rotates it.
_ULIMITS: Final = (("fsize", 64 << 20), ("core", 0))
_TEMPORARY: Final = Tmpfs("/tmp", "exec,mode=1777,size=64m")  # noqa: S108 (inside)
_OF_SQUID: Final = Tmpfs("/run/squid", "mode=1777,size=1m")


def spec(gateway: Gateway, directory: Directory, *, logs: Path, nonce: str) -> ContainerSpec:
    """Return the container, of no image yet: without capabilities, its file system read-only.

    Args:
        gateway: which.
        directory: of it.
        logs: directory on the host.
        nonce: makes the name unique.
    """
    return ContainerSpec(
        image="",
        command=(contract.SHELL, f"{contract.GATEWAY_CONFIG}/start"),
        name=f"pinnace-gateway-{gateway.key}-{nonce}",
        # Never root, in whose name Squid would change users: what lies in its directories is open
        # to all, and the directory around them to nobody.
        user=(contract.AGENT_UID, contract.AGENT_GID),
        mounts=(
            Mount(str(directory.config), contract.GATEWAY_CONFIG, read_only=True),
            Mount(str(logs), contract.GATEWAY_LOGS),
            *_sockets(gateway, directory),
            *([Mount(str(directory.private), headers.PRIVATE)] if gateway.headers else []),
        ),
        tmpfs=(_TEMPORARY, _OF_SQUID),
        labels=((contract.LABEL_RUN_GATEWAY, gateway.project),),
        memory=_MEMORY,
        pids=_PIDS,
        ulimits=_ULIMITS,
        interactive=False,
        network=gateway.network,
        hosts=(f"{VIRTUAL_HOST}:host-gateway",) if gateway.volume else (),
        init=False,
        # Docker's own default, and not podman's: who is not root listens there.
        sysctls=((_PORTS, str(headers.PORT)),) if gateway.headers else (),
        seccomp=SECCOMP,
    )


def _sockets(gateway: Gateway, directory: Directory) -> Iterator[Mount]:
    if gateway.volume:
        yield Mount(gateway.volume_name, SOCKETS, volume=True)
    else:
        yield Mount(str(directory.sockets), SOCKETS)
        yield Mount(str(directory.host), HOST, read_only=True)
        yield Mount(str(directory.launches), LAUNCHES)


def configuration(gateway: Gateway) -> dict[str, bytes]:
    """Return the files that the gateway reads, by their names; credentials are in them."""
    own = {name: (_FILES / name).read_bytes() for name in _CONFIG_FILES}
    return own | {
        "haproxy.cfg": haproxy.configuration(gateway).encode(),
        **upstream.files(gateway),
        **headers.files(gateway),
        "extra.pem": gateway.trusted,
        "idle": b"%d\n" % gateway.idle,
        LOGIN: shown_login(gateway),
    }


def shown_login(gateway: Gateway) -> bytes:
    """Return what Claude sees of the login just now, where the real one lies in its directory."""
    config = gateway.credentials.login
    return logins.placeholders(logins.load(logins.of(Path(config))) if config else None)


def allowed(rules: Iterable[Rule]) -> bytes:
    """Write the list that the gateway goes by."""
    return "".join(f"{rule.host} {rule.port} {rule.until}\n" for rule in rules).encode()
