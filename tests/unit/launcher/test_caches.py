"""Caches of package managers."""

from __future__ import annotations

import os

import pytest

from pinnace.config import Settings
from pinnace.plan.contributors import caches
from pinnace.plan.user import UserMapping
from pinnace_core import paths
from pinnace_core.container import Mount
from pinnace_core.errors import UsageError
from tests.support import hosts

_OWN = UserMapping(os.getuid(), os.getgid(), as_in_image=False)
_HOST = hosts.linux(uid=os.getuid())


def test_nothing_is_shared_unasked() -> None:
    assert caches.additions(Settings(), _HOST, _OWN).mounts == ()


@pytest.mark.parametrize("name", sorted(caches.TOOLS))
def test_a_cache_is_a_directory_of_pinnaces_own(name: str) -> None:
    given = caches.additions(Settings(caches=(name, name)), _HOST, _OWN)

    place = paths.directory("cache") / "tools" / str(_OWN.uid) / name
    assert given.mounts == (Mount(str(place), f"/var/cache/pinnace/{name}"),)
    assert place.stat().st_mode & 0o777 == 0o700
    assert given.environment
    values = [value for key, value in given.environment if key != "UV_LINK_MODE"]
    assert all(f"/var/cache/pinnace/{name}" in value for value in values)


def test_users_inside_do_not_share() -> None:
    other = UserMapping(54321, 65000, as_in_image=False)
    host = hosts.linux(uid=54321)

    sources = {
        caches.additions(Settings(caches=("pip",)), host, user).mounts[0].source
        for user in (_OWN, other)
    }

    assert len(sources) == 2


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give something away")
def test_root_makes_the_directory_for_whom_claude_runs_as() -> None:
    other = UserMapping(54321, 65000, as_in_image=False)

    (mount,) = caches.additions(Settings(caches=("pip",)), hosts.linux_root(), other).mounts

    status = os.stat(mount.source)  # noqa: PTH116 (a string)
    assert (status.st_uid, status.st_gid) == (54321, 65000)


def test_an_unknown_one_is_an_error_that_names_the_others() -> None:
    with pytest.raises(UsageError, match="'left-pad'") as caught:
        caches.additions(Settings(caches=("left-pad",)), _HOST, _OWN)

    assert "npm" in caught.value.hint
