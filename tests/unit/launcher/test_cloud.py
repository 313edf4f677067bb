"""Credentials of clouds: on request, read-only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.agent import PROVIDERS
from pinnace.plan import Contribution
from pinnace.plan.contributors import cloud
from pinnace.plan.user import UserMapping
from pinnace.plan.variables import by_name, plain
from pinnace_core.container import Mount
from pinnace_core.errors import CannotReadError, UsageError
from tests.support import contributions, hosts

if TYPE_CHECKING:
    from pathlib import Path

_CANARY = "canary-99cc"


def _additions(home: Path, environment: dict[str, str], *asked: str, uid: int = -1) -> Contribution:
    uid = os.getuid() if uid < 0 else uid
    facts = hosts.linux(home=str(home), cwd=str(home), environment=environment)
    who = UserMapping(uid, uid, as_in_image=False)
    return cloud.contribute(hosts.inputs(facts, user=who, cloud=asked))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for place in (".aws/cli/cache", ".aws/sso/cache", ".config/gcloud", ".azure"):
        (tmp_path / place).mkdir(parents=True)
    return tmp_path


def test_nothing_goes_in_without_a_request(home: Path) -> None:
    assert _additions(home, {"AWS_SECRET_ACCESS_KEY": _CANARY}) == Contribution()


@pytest.mark.parametrize(("switch", "asked"), [(p.switch, n) for n, p in PROVIDERS.items()])
def test_a_provider_that_is_switched_on_says_how(home: Path, switch: str, asked: str) -> None:
    found = _additions(home, {switch: "1"})

    assert found.mounts == ()
    assert f"--cloud {asked}" in found.notes[0]
    assert _additions(home, {switch: "0"}) == Contribution()
    assert _additions(home, {switch: "1"}, asked).notes == ()


@pytest.mark.parametrize(
    ("asked", "place", "target"),
    [
        ("aws", ".aws", "/home/agent/.aws"),
        ("azure", ".azure", "/home/agent/.azure"),
        ("gcloud", ".config/gcloud", "/home/agent/.config/gcloud"),
    ],
)
def test_a_providers_directory_goes_in_read_only(
    home: Path, asked: str, place: str, target: str
) -> None:
    found = _additions(home, {}, asked)

    assert found.mounts == (Mount(str(home / place), target, read_only=True),)


def test_only_caches_without_credentials_are_memory(home: Path) -> None:
    targets = [t.target for t in _additions(home, {}, "aws").tmpfs]

    assert targets == ["/home/agent/.aws/cli/cache"]


def test_variables_go_in_by_name(home: Path) -> None:
    environment = {
        "AWS_SECRET_ACCESS_KEY": _CANARY,
        "AWS_REGION": "x",
        "AWS_EXECUTION_ENV": "y",
        "AZURE_CLIENT_SECRET": _CANARY,
        "VERTEX_REGION_CLAUDE_X": "z",
    }
    assert _additions(home, environment, "aws").variables == (
        by_name("AWS_REGION"),
        by_name("AWS_SECRET_ACCESS_KEY"),
    )
    assert _additions(home, environment, "gcloud").variables == (by_name("VERTEX_REGION_CLAUDE_X"),)
    assert _CANARY not in repr(_additions(home, environment, "aws", "azure"))


def test_a_key_file_goes_in_where_its_variable_says(home: Path) -> None:
    (home / "key.json").touch()
    name = "GOOGLE_APPLICATION_CREDENTIALS"
    found = _additions(home, {name: "key.json"}, "gcloud")
    target = contributions.plain(found)[name]

    assert Mount(str(home / "key.json"), target, read_only=True) in found.mounts
    with pytest.raises(CannotReadError, match=name):
        _additions(home, {name: "none.json"}, "gcloud")


def test_a_directory_that_was_moved_is_found_inside(home: Path) -> None:
    (home / "elsewhere").mkdir()
    found = _additions(home, {"CLOUDSDK_CONFIG": str(home / "elsewhere")}, "gcloud")

    assert found.mounts[0].source == str(home / "elsewhere")
    assert plain("CLOUDSDK_CONFIG", found.mounts[0].target) in found.variables


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert "no credentials" in _additions(tmp_path, {}, "aws").notes[0]
    assert _additions(tmp_path, {"AWS_ACCESS_KEY_ID": "x"}, "aws").notes == ()


def test_a_directory_of_somebody_else_is_said(home: Path) -> None:
    assert "may not read" in _additions(home, {}, "aws", uid=54321).notes[0]


def test_another_name_is_refused(home: Path) -> None:
    with pytest.raises(UsageError, match="oracle"):
        _additions(home, {}, "oracle")


def test_a_variable_that_is_no_name_stays_outside(home: Path) -> None:
    odd: dict[str, Any] = {"VERTEX_REGION_=x": "y"}

    assert _additions(home, odd, "gcloud").variables == ()
