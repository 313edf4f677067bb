"""A network of a launch's own, with a relay on it that leads to the gateway's sockets.

Where the launch is to have the engine's usual network, too, another one of its own takes that one's
place: no engine lets a container be on its default network and on another.

All of it is there as long as the launch is. What a killed launcher has left is removed with
its container: by the next launch, or by `pinnace gc`.
"""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from pinnace.gateway import relay
from pinnace.plan import outward_name
from pinnace.plan.resources import Resource
from pinnace_core.container import Network
from pinnace_core.errors import GatewayFailedError, PinnaceError
from pinnace_core.files import make_directory, write_atomic
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pinnace_core.container import ContainerSpec
    from pinnace_core.engine import Engine

_PATIENCE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.01
# How often it is looked whether it has ended.
_LOOKS: Final = 100


def resource(
    engine: Engine,
    container: ContainerSpec,
    place: Path,
    *,
    outward: bool,
    ready: Callable[[ContainerSpec], ContainerSpec],
) -> Resource:
    """Return networks and relay as what must be there while the container runs.

    Args:
        engine: which.
        container: the relay's.
        place: its directory.
        outward: there is another network, which leads out.
        ready: gives the relay's container as the engine runs it; builds its image if need be.
    """
    private = container.private
    networks = [Network(private)]
    if outward:
        networks.append(Network(outward_name(private), outward=True))

    def acquire(launch: ContainerSpec) -> AbstractContextManager[object]:
        labels = _of_relay(dict(launch.labels))
        spec = ready(container)._replace(labels=tuple(labels.items()))
        own = [network._replace(labels=launch.labels) for network in networks]
        return _joined(engine, own, spec, place)

    def pending() -> str:
        commands = "; ".join(" ".join(engine.create_network_argv(one)) for one in networks)
        return f"make a network of its own ({commands}), with a relay to the gateway on it"

    return Resource(acquire, pending)


def _of_relay(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of a relay: a launch's, but not what marks it as one."""
    kept = dict(labels)
    return {contract.LABEL_RUN_RELAY: kept.pop(contract.LABEL_RUN_WORKSPACE, ""), **kept}


@contextmanager
def _joined(
    engine: Engine, networks: Sequence[Network], spec: ContainerSpec, place: Path
) -> Iterator[None]:
    try:
        # The relay's user is another one outside; the way to it is closed to all others.
        make_directory(place).chmod(0o777)
        for name, data in relay.files().items():
            write_atomic(place / name, data, exact=True)
        for network in networks:
            engine.create_network(network)
        engine.start(spec)
        _await(engine, spec.name, place / relay.ADDRESS)
        yield
    finally:
        # Where the container still runs, because its client was killed, networks stay for whoever
        # removes that.
        with suppress(PinnaceError):
            engine.remove(spec.name)
            for network in networks:
                engine.remove_network(network.name)
        shutil.rmtree(place, ignore_errors=True)


def _await(engine: Engine, name: str, address: Path) -> None:
    """Wait until the relay listens.

    Raises:
        GatewayFailedError: it does not.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    looks = 0
    while time.monotonic() < deadline:
        if address.exists():
            return
        looks += 1
        if looks % _LOOKS == 0 and engine.container(name) is None:
            break
        time.sleep(_PAUSE_SECONDS)
    raise GatewayFailedError(
        "the relay to the gateway does not listen",
        hint="see what the engine says: pinnace doctor; where no socket has to cross, take another "
        "runtime: --runtime runc",
    )


def remove(engine: Engine, name: str, labels: Mapping[str, str]) -> None:
    """Remove what a launch had beside its container, which is gone.

    A relay and a network that do not carry the launch's labels are somebody else's.

    Args:
        engine: which.
        name: of the launch.
        labels: of its container.

    Raises:
        EngineUnavailableError: the engine does not answer, or refuses.
    """
    if labels.get(contract.LABEL_RUN_NETWORK) != name:
        return
    wanted = _of_relay(labels)
    for one in engine.containers(contract.LABEL_RUN_RELAY):
        if wanted.items() <= one.labels.items():
            engine.remove(one.id)
    for network in engine.networks(contract.LABEL_RUN_NETWORK):
        if labels.items() <= dict(network.labels).items():
            engine.remove_network(network.name)
