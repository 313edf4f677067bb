"""Attacks on keys: what a bare container gives away, ours does not have."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.attacks import attempts
from tests.engine.conftest import KEY

if TYPE_CHECKING:
    from tests.attacks.conftest import Scene

pytestmark = pytest.mark.xdist_group("attacks on keys")
_ATTACKS = [attack for attack in attempts.ATTACKS if attack.group == "keys"]


@pytest.mark.parametrize(
    "options",
    [
        "-H 'X-Api-Key: other'",
        "-H 'X-Api-Key: other' -H 'x-api-key: another' -H 'Authorization: Bearer other'",
        "-H 'Connection: x-api-key' -H 'X-Api-Key: other'",
        "-H 'X-Api-Key: other' -H 'Transfer-Encoding: chunked' -d other",
        "--http2-prior-knowledge -H 'X-Api-Key: other'",
    ],
)
def test_what_arrives_has_the_users_key_once_and_no_other(scene: Scene, options: str) -> None:
    word = secrets.token_hex(8)
    status = scene.inside(
        f"curl -s -o /dev/null -w '%{{http_code}}' {options} http://127.0.0.1:28080/{word}"
    )
    (head,) = [one for one in scene.recorder.heads if word.encode() in one]
    lines = head.lower().splitlines()

    assert status == "200"
    assert lines.count(f"x-api-key: {KEY}".encode()) == 1
    assert [line for line in lines if b"other" in line or b"authorization" in line] == []


@pytest.mark.parametrize("attack", _ATTACKS, ids=[attack.name for attack in _ATTACKS])
def test_an_attack_on_keys_is_blocked(scene: Scene, attack: attempts.Attack) -> None:
    results = scene.attack("keys")
    ours = results["ours"][attack.name]

    assert not ours["through"], ours["said"]
    if attack.bare:
        bare = results["bare"][attack.name]
        assert bare["through"], bare["said"]
