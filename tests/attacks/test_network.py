"""Attacks on the network, from inside: what gets through in a bare container does not in ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.attacks import attempts
from tests.support import zone

if TYPE_CHECKING:
    from tests.attacks.conftest import Scene

pytestmark = pytest.mark.xdist_group("attacks on the network")
_ATTACKS = [attack for attack in attempts.ATTACKS if attack.group == "network"]


def test_what_is_allowed_is_reached_and_looked_up(scene: Scene) -> None:
    """Else all attacks would be blocked, too."""
    ask = "curl -s -m 20 --proxy http://127.0.0.1:23128"
    public = scene.inside(f"{ask} http://public.zone.example:{scene.zone.port}/")
    tunnel = scene.inside(f"{ask} -k https://{attempts.LISTED}/")

    assert public == zone.MARK
    assert json.loads(tunnel)["method"] == "GET"
    assert {"public.zone.example", attempts.LISTED} <= scene.zone.asked()


@pytest.mark.parametrize("attack", _ATTACKS, ids=[attack.name for attack in _ATTACKS])
def test_an_attack_on_the_network_is_blocked(scene: Scene, attack: attempts.Attack) -> None:
    results = scene.attack("network")
    ours = results["ours"][attack.name]

    assert not ours["through"], ours["said"]
    if attack.bare:
        bare = results["bare"][attack.name]
        assert bare["through"], bare["said"]


def test_no_line_of_the_log_is_so_long_that_few_push_out_all_others(scene: Scene) -> None:
    long = "x" * 50_000
    ask = "curl -s -m 20 -o /dev/null --proxy http://127.0.0.1:23128"
    scene.inside(f"{ask} --proxy-header 'Proxy-Authorization: {long}' http://long.example/")
    home = Path(scene.launcher.environment["HOME"])
    (logged,) = home.glob(".local/state/pinnace/network/*/egress.log")
    (line,) = [one for one in logged.read_text().splitlines() if " long.example " in one]

    assert len(line) < 500
