"""What a launch has beside its container is made with it, and removed after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from pinnace.gateway import relay
from pinnace.launch import private_network
from pinnace_core.container import Container, ContainerSpec, Mount, Network
from pinnace_core.errors import EngineUnavailableError
from pinnace_images import contract
from tests.support import containers

if TYPE_CHECKING:
    from pinnace_core.engine import Engine

_NAME = "pinnace-demo-c0ffee"
_LABELS = containers.labels() | {contract.LABEL_RUN_NETWORK: _NAME}
_SOCKETS = Mount("/g/sockets", contract.GATEWAY_SOCKETS, read_only=True)


class _Engine:
    """Notes what it is told; a relay says its address at once."""

    def __init__(self, *held: Network, relays: tuple[Container, ...] = ()) -> None:
        self.held, self.relays = held, relays
        self.told: list[str] = []
        self.started: list[ContainerSpec] = []

    def create_network(self, network: Network) -> None:
        self.told.append(f"create {network.name}")

    def start(self, spec: ContainerSpec) -> None:
        self.told.append(f"start {spec.name}")
        self.started.append(spec)
        Path(spec.mounts[0].source, relay.ADDRESS).write_text("172.18.0.2\n")

    def remove(self, name: str) -> None:
        self.told.append(f"remove {name}")

    def remove_network(self, name: str) -> None:
        self.told.append(f"remove network {name}")

    def containers(self, label: str) -> list[Container]:
        assert label == contract.LABEL_RUN_RELAY
        return list(self.relays)

    def networks(self, label: str) -> list[Network]:
        assert label == contract.LABEL_RUN_NETWORK
        return list(self.held)


def _acquire(engine: _Engine, place: Path, *, outward: bool = False) -> Any:
    spec = relay.spec(_SOCKETS, place, launch=_NAME, ports=("28080=api",))
    made = private_network.resource(
        cast("Engine", engine),
        spec,
        place,
        outward=outward,
        ready=lambda one: one._replace(image="i"),
    )
    launch = ContainerSpec("i", ("c",), name=_NAME, private=_NAME, labels=tuple(_LABELS.items()))
    return made.acquire(launch)


def test_it_is_there_as_long_as_the_launch(tmp_path: Path) -> None:
    engine, place = _Engine(), tmp_path / "relays" / _NAME
    with _acquire(engine, place):
        before = list(engine.told)
        assert (place / "connect").exists()

    assert before == [f"create {_NAME}", f"start {_NAME}-relay"]
    assert engine.told[2:] == [f"remove {_NAME}-relay", f"remove network {_NAME}"]
    assert not place.exists()
    labels = dict(engine.started[0].labels)
    assert contract.LABEL_RUN_WORKSPACE not in labels
    assert labels[contract.LABEL_RUN_RELAY] == "/srv/demo"


def test_a_network_that_leads_out_is_another_one(tmp_path: Path) -> None:
    engine = _Engine()
    with _acquire(engine, tmp_path / _NAME, outward=True):
        assert engine.told[:2] == [f"create {_NAME}", f"create {_NAME}-out"]

    assert engine.started[0].private == _NAME
    assert engine.told[-2:] == [f"remove network {_NAME}", f"remove network {_NAME}-out"]


def test_what_was_made_until_then_goes_if_it_cannot_be_had(tmp_path: Path) -> None:
    class Refusing(_Engine):
        def start(self, spec: ContainerSpec) -> None:
            raise EngineUnavailableError(spec.name, hint="x")

    engine = Refusing()
    with pytest.raises(EngineUnavailableError), _acquire(engine, tmp_path / _NAME):
        pass

    assert engine.told[-1] == f"remove network {_NAME}"
    assert list(tmp_path.iterdir()) == []


def test_where_the_container_goes_on_the_network_stays_without_a_word(tmp_path: Path) -> None:
    class Busy(_Engine):
        def remove_network(self, name: str) -> None:
            raise EngineUnavailableError(f"{name} has active endpoints", hint="x")

    with _acquire(Busy(), tmp_path / _NAME):
        pass


def _relay(**changes: str) -> Container:
    own = {k: v for k, v in _LABELS.items() if k != contract.LABEL_RUN_WORKSPACE}
    labels = own | {contract.LABEL_RUN_RELAY: "/srv/demo"} | changes
    return Container(f"{_NAME}-relay", f"{_NAME}-relay", labels, "running", None)


def test_what_a_killed_launcher_left_is_removed_if_it_says_whose_it_is() -> None:
    networks = [Network(name, tuple(_LABELS.items())) for name in (_NAME, f"{_NAME}-out")]
    engine = _Engine(*networks, relays=(_relay(),))
    private_network.remove(cast("Engine", engine), _NAME, _LABELS)

    removed = [f"remove network {network.name}" for network in networks]
    assert engine.told == [f"remove {_NAME}-relay", *removed]


@pytest.mark.parametrize(
    "labels",
    [
        containers.labels(),
        _LABELS | {contract.LABEL_RUN_NETWORK: "another"},
        _LABELS | {contract.LABEL_RUN_PID: "17"},
    ],
)
def test_what_is_somebody_elses_stays_whatever_a_record_says(labels: dict[str, str]) -> None:
    network = Network(_NAME, tuple(_LABELS.items()))
    engine = _Engine(network, relays=(_relay(),))
    private_network.remove(cast("Engine", engine), _NAME, labels)

    assert engine.told == []
