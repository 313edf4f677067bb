"""Ports that are opened here, and those of services that lead here."""

from __future__ import annotations

import pytest

from pinnace.config import types
from pinnace.launch import ports
from pinnace.plan.contributors import network
from pinnace_core.engine import named
from pinnace_core.errors import UsageError
from tests.support import hosts

_PLACE = types.Place("/", "/home/user")


@pytest.mark.parametrize(
    ("text", "expected"), [("3000", (3000, 3000)), ("8080:3000", (8080, 3000))]
)
def test_a_port_is_read(text: str, expected: tuple[int, int]) -> None:
    assert ports.parse(text) == expected


@pytest.mark.parametrize("text", ["", "x", "0", "65536", "1:2:3", ":1", "-1", "٣"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        ports.parse(text)


def test_ports_of_settings_are_numbers_or_pairs() -> None:
    kind = types.port_pair()

    assert kind.read(5432, _PLACE) == "5432"
    assert kind.read("9000:8000", _PLACE) == "9000:8000"
    for bad in (True, 0, 65536, "x", "1:2:3", ":1", "1:", 1.5):
        with pytest.raises(ValueError, match="expected"):
            kind.read(bad, _PLACE)


def test_a_connection_is_carried_by_a_command_inside() -> None:
    argv = ports.command(named("docker"), "pinnace-x", ports.Forward(8080, 3000))

    assert argv[:2] == ["docker", "exec"]
    assert argv[-5:] == ["pinnace-x", "socat", "-t1", "-", "TCP:localhost:3000"]


def test_services_have_ports_of_their_own_inside() -> None:
    inputs = hosts.inputs(isolation="standard", services=("5432", "9000:8000"))
    found = network.contribute(inputs, [])

    assert found.relays[-3:] == ("5432=service-5432", "9000=service-8000", "--")


@pytest.mark.parametrize("services", [("23128",), ("28080:80",), ("1:2", "1:3")])
def test_a_port_inside_that_is_anothers_is_refused(services: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="another's"):
        network.contribute(hosts.inputs(isolation="standard", services=services), [])
