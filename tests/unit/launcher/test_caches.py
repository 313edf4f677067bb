"""Caches of package managers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pinnace.plan.contributors import mounts
from pinnace.plan.user import UserMapping
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_core.errors import UsageError
from tests.support import contributions, hosts

if TYPE_CHECKING:
    from pinnace.plan import Contribution
    from pinnace_core.host import HostFacts

_OWN = UserMapping(os.getuid(), os.getgid(), as_in_image=False)
_HOST = hosts.linux(uid=os.getuid())


def _caches(*names: str, facts: HostFacts = _HOST, user: UserMapping = _OWN) -> Contribution:
    return contributions.acquired(mounts.caches(hosts.inputs(facts, user=user, caches=names)))


def test_nothing_is_shared_unasked() -> None:
    assert _caches().mounts == ()


@pytest.mark.parametrize("name", sorted(mounts.TOOLS))
def test_a_cache_is_a_directory_of_pinnaces_own(name: str) -> None:
    given = _caches(name, name)

    place = host.directory("cache") / "tools" / str(_OWN.uid) / name
    assert given.mounts == (Mount(str(place), f"/var/cache/pinnace/{name}"),)
    assert place.stat().st_mode & 0o777 == 0o700
    variables = contributions.plain(given)
    assert variables
    values = [value for key, value in variables.items() if key != "UV_LINK_MODE"]
    assert all(f"/var/cache/pinnace/{name}" in value for value in values)


def test_users_inside_do_not_share() -> None:
    other = UserMapping(54321, 65000, as_in_image=False)
    host = hosts.linux(uid=54321)

    sources = {_caches("pip", facts=host, user=user).mounts[0].source for user in (_OWN, other)}

    assert len(sources) == 2


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give something away")
def test_root_makes_the_directory_for_whom_claude_runs_as() -> None:
    other = UserMapping(54321, 65000, as_in_image=False)

    (mount,) = _caches("pip", facts=hosts.linux_root(), user=other).mounts

    status = os.stat(mount.source)  # noqa: PTH116 (a string)
    assert (status.st_uid, status.st_gid) == (54321, 65000)


def test_an_unknown_one_is_an_error_that_names_the_others() -> None:
    with pytest.raises(UsageError, match="'left-pad'") as caught:
        _caches("left-pad")

    assert "npm" in caught.value.hint
