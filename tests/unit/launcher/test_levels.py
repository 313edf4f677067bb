"""Levels of isolation, and those that the user makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pinnace.config import GROUPS, levels, load, own_levels
from pinnace.gateway import Rule
from pinnace.plan import gateways
from pinnace.plan.contributors import network
from pinnace_core import host
from pinnace_core.errors import BadSettingsError, UsageError
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own settings file, not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = host.directory("config") / "config.toml"
    path.parent.mkdir(parents=True)
    (tmp_path / "project").mkdir()
    return path


def _load(own: Path, **flags: object) -> Any:
    here = own.parents[2] / "project"
    facts = hosts.linux(cwd=str(here), home=str(own.parents[2]))
    return load.load(facts, {name.replace("_", "."): value for name, value in flags.items()})


def test_standard_is_what_counts_unless_said_otherwise(own: Path) -> None:
    assert _load(own).level == levels.STANDARD
    assert _load(own, run_isolation="locked").level == levels.LOCKED
    assert levels.STANDARD.allow == GROUPS


def test_the_user_makes_levels(own: Path) -> None:
    own.write_text(
        '[run]\nisolation = "quiet"\n'
        '[isolation.quiet]\nallow = ["npm", "a.example:8443"]\nread-only = true\n'
        '[isolation.far]\nlike = "open"\n'
        "[isolation.standard]\nallow = []\n"
    )

    quiet = levels.Level("quiet", ("npm", "a.example:8443"), read_only=True, like="standard")
    assert _load(own).level == quiet
    assert _load(own, run_isolation="far").level.network
    assert _load(own, run_isolation="standard").level == levels.Level("standard")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[isolation.a]\nlike = 'b'\n", "like is locked or standard or open"),
        ("[isolation.a]\nlike = ['locked']\n", "like is locked or standard or open"),
        ("[isolation.a]\nnetwork = true\n", "there is no 'network'"),
        ("[isolation.a]\nallow = ['10.0.0.1']\n", "a host's name"),
        ("[isolation.a]\nlike = 'locked'\nallow = ['a.example']\n", "has no list"),
        ("[isolation.a]\nread-only = 1\n", "read-only is true or false"),
        ("[isolation.A]\n", "lower-case letters"),
        ("[isolation.open]\nlike = 'locked'\n", "there already"),
        ("[isolation]\na = 1\n", "expected a table"),
        ("isolation = 1\n", "a table of levels"),
    ],
)
def test_a_level_that_makes_no_sense_is_refused_with_its_line(
    own: Path, text: str, said: str
) -> None:
    own.write_text(text)

    with pytest.raises(BadSettingsError, match=said) as raised:
        _load(own)
    assert str(own) in str(raised.value)


def test_a_project_makes_none(own: Path) -> None:
    project = own.parents[2] / "project"
    (project / "pinnace.toml").write_text("[isolation.standard]\nallow = ['a.example']\n")

    with pytest.raises(BadSettingsError, match="your own settings file alone"):
        _load(own)


def test_a_level_that_is_not_there_is_refused(own: Path) -> None:
    with pytest.raises(UsageError, match="perhaps you meant"):
        _load(own, run_isolation="standart")
    own.write_text('[run]\nisolation = "nothing"\n')
    with pytest.raises(BadSettingsError, match="there is no isolation"):
        _load(own)


_CLOUDS = {
    "CLAUDE_CODE_USE_BEDROCK": "1",
    "AWS_REGION": "eu-central-1",
    "CLAUDE_CODE_USE_FOUNDRY": "0",
}


@pytest.mark.parametrize("level", ["standard", "locked"])
def test_the_hosts_of_a_cloud_provider_are_allowed_by_themselves(level: str) -> None:
    inputs = hosts.inputs(hosts.linux(environment=_CLOUDS), isolation=level)
    (resource,) = network.contribute(inputs, []).resources
    assert resource

    found = gateways.let_through(inputs, _CLOUDS)
    assert Rule("bedrock-runtime.eu-central-1.amazonaws.com") in found
    assert not [rule for rule in found if "azure" in rule.host or "google" in rule.host]


def test_where_there_is_a_network_nothing_is_let_through() -> None:
    assert gateways.let_through(hosts.inputs(isolation="open"), _CLOUDS) == ()


def test_an_argument_that_names_none_is_a_slip() -> None:
    with pytest.raises(UsageError) as raised:
        own_levels.named("lockd", None)

    assert raised.value.message == "there is no isolation 'lockd', perhaps you meant 'locked'"
    assert "one of: locked, standard, open" in str(raised.value.hint)
