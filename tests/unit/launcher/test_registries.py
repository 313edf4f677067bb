"""Which hosts package managers load from, by what they and files say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace.config import GROUPS
from pinnace.gateway import Rule, registries, rules
from pinnace_core import host
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

_IMAGE = f"sha256:{'c' * 64}"
_SAID = """\
apt deb [signed-by=/x] http://deb.example/debian trixie main
apt deb https://secure.example:8443/x trixie main
npm https://npm.example/
pip https://pip.example/simple/ https://files.example
go https://go.example,direct
go sum.example
cargo registry = "sparse+https://crates.example/index/"
built-in sparse+https://index.built-in.example/
built-in sparse+https://example/
other https://other.example
"""


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(host, "directory", lambda _: tmp_path / "state")


def test_what_clients_say_is_understood() -> None:
    assert registries.of_image(_SAID) == {
        "apt": [("deb.example", 80), ("secure.example", 8443)],
        "cargo": [("*.built-in.example", 443), ("crates.example", 443)],
        "go": [("go.example", 443), ("sum.example", 443)],
        "npm": [("npm.example", 443)],
        "pip": [("files.example", 443), ("pip.example", 443)],
    }


@pytest.mark.parametrize(
    "text",
    ["http://192.0.2.1/", "https://[::1]/", "http://localhost:4873/", "ftp://a.example/", ""],
)
def test_addresses_and_this_machine_are_no_hosts_of_them(text: str) -> None:
    assert registries.found_in(text) == set()


def test_the_users_own_configuration_counts_without_its_logins(tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text(
        "registry=https://mine.example/npm/\n@a:registry=https://u:p@scoped.example\n"
        "//mine.example/npm/:_authToken=x\n"
    )
    facts = hosts.linux()._replace(
        home=str(tmp_path),
        environment={"GOPROXY": "https://a.example|https://b.example", "PIP_INDEX_URL": "x"},
    )
    found = registries.of_user(facts)

    assert found["npm"] == {("mine.example", 443), ("scoped.example", 443)}
    assert found["go"] == {("b.example", 443)}
    assert found["pip"] == set()


def test_an_image_is_asked_once() -> None:
    asked: list[str] = []

    def run(script: str) -> str:
        asked.append(script)
        return _SAID

    registries.ask(_IMAGE, run)
    registries.ask(_IMAGE, run)
    known = registries.known(hosts.linux(), registries.asked())

    assert asked == [registries.SCRIPT]
    assert ("npm.example", 443) in known["npm"]
    assert rules.of_settings(["npm", "npm"], known) == (Rule("npm.example"),)
    assert registries.known(hosts.linux(), ["sha256:other"])["npm"] == []


def test_a_record_that_is_none_is_asked_for_anew(tmp_path: Path) -> None:
    place = tmp_path / "state" / "registries"
    place.mkdir(parents=True)
    (place / f"{'c' * 64}.json").write_text("[1]")
    registries.ask(_IMAGE, lambda _: _SAID)

    assert registries.known(hosts.linux(), [_IMAGE])["npm"] == [("npm.example", 443)]


def test_the_groups_of_settings_are_those_that_there_are() -> None:
    assert {*rules.GROUPS, *registries.MANAGERS} == set(GROUPS)
