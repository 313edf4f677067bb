"""Profiles and their directories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pinnace.agent import places
from pinnace.config import Settings
from pinnace.plan.user import map_user
from pinnace_core.errors import UsageError
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_core.host import HostFacts


@pytest.mark.parametrize("name", ["default", "work", "Work_2", "a", "a-b", "x" * 64, "2"])
def test_names(name: str) -> None:
    assert places.require_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "/a", "a\\b", "-a", "a.b", "a b", "a\n", "ü", "x" * 65, "work-54321"],
)
def test_what_is_no_name_of_a_directory_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="profile"):
        places.require_name(name)


def _chosen(name: str, facts: HostFacts, **workspace: Any) -> Path:
    project = hosts.workspace(**workspace)
    who = map_user(facts, project)
    owner = who.owner_outside(facts)
    return places.choose(Settings(profile=name), facts, project, owner=owner).account


def test_each_profile_has_a_directory_of_its_own() -> None:
    assert _chosen("work", hosts.linux()) == places.root() / "work"
    assert _chosen("default", hosts.macos()) == places.root() / "default"


def test_a_foreign_user_has_another() -> None:
    found = _chosen("work", hosts.linux_root(), owner=(54321, 65000))

    assert found == places.root() / "work-54321"


def test_profiles_are_listed() -> None:
    assert places.names() == []
    for name in ("work", "default", ".hidden"):
        (places.root() / name).mkdir(parents=True)
    (places.root() / "file").touch()

    assert places.names() == ["default", "work"]


@pytest.mark.parametrize("inside", [0, 1000])
def test_an_engine_that_maps_users_shares_the_accounts_of_others(inside: int) -> None:
    """Rootless podman, rootless docker and virtual machines: outside, the files are the user's."""
    facts, project = hosts.linux(uid=54321), hosts.workspace()
    who = map_user(facts, project)._replace(uid=inside, mapped=True)

    assert who.owner_outside(facts) is None
    assert (
        places.choose(Settings(), facts, project, owner=None).account == places.root() / "default"
    )
