"""Who Claude runs as, by host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace.plan.user import UserMapping, map_user
from pinnace_core.engine.facts import EngineFacts
from pinnace_core.errors import EngineUnsuitableError, UsageError
from tests.support import hosts
from tests.support.engines import ENGINES

if TYPE_CHECKING:
    from pinnace_core.host import HostFacts

_OWNED_BY_1000 = (1000, 1000)
_OWNED_BY_ROOT = (0, 0)
_OWNED_BY_OTHER = (54321, 65000)


@pytest.mark.parametrize(
    ("facts", "owner", "ids", "as_in_image", "noted"),
    [
        pytest.param(hosts.linux(), _OWNED_BY_1000, (1000, 1000), True, "", id="1000"),
        pytest.param(hosts.linux(), _OWNED_BY_OTHER, (1000, 1000), True, "", id="1000, not owner"),
        pytest.param(hosts.linux(gid=100), _OWNED_BY_1000, (1000, 100), False, "", id="1000:100"),
        pytest.param(hosts.linux_other(), _OWNED_BY_OTHER, _OWNED_BY_OTHER, False, "", id="other"),
        pytest.param(hosts.linux_other(), _OWNED_BY_ROOT, (54321, 65000), False, "", id="roots"),
        pytest.param(
            *(hosts.linux_root(), _OWNED_BY_OTHER, _OWNED_BY_OTHER, False),
            "running as the workspace's owner (54321:65000)",
            id="sudo in somebody's project",
        ),
        pytest.param(
            *(hosts.linux_root(), _OWNED_BY_1000, _OWNED_BY_1000, True),
            "running as the workspace's owner (1000:1000)",
            id="sudo in the project of 1000",
        ),
        pytest.param(
            *(hosts.linux_root(), _OWNED_BY_ROOT, (0, 0), False),
            "running as root without capabilities (--user agent: not as root)",
            id="root on a server",
        ),
        pytest.param(
            *(hosts.linux_root(), (0, 1000), (0, 0), False),
            "running as root without capabilities",
            id="root's project of another group",
        ),
        pytest.param(hosts.macos(), (501, 20), (1000, 1000), True, "", id="macos"),
        pytest.param(hosts.macos(uid=0, gid=0), (501, 20), (1000, 1000), True, "", id="macos root"),
        pytest.param(hosts.windows(), _OWNED_BY_ROOT, (1000, 1000), True, "", id="windows"),
    ],
)
def test_who_it_is(
    facts: HostFacts,
    owner: tuple[int, int],
    ids: tuple[int, int],
    as_in_image: bool,  # noqa: FBT001 (a column of the table)
    noted: str,
) -> None:
    user = map_user(facts, hosts.workspace(owner=owner))

    assert (user.uid, user.gid) == ids
    assert user.as_in_image is as_in_image
    assert noted in user.note
    assert bool(user.note) is bool(noted)


@pytest.mark.parametrize("facts", [hosts.linux(), hosts.linux_root(), hosts.macos()])
def test_the_images_own_user_can_be_asked_for(facts: HostFacts) -> None:
    user = map_user(facts, hosts.workspace(owner=(0, 0)), agent=True)

    assert user == UserMapping(1000, 1000, as_in_image=True, mapped=facts.os != "linux")


def test_the_images_own_user_is_refused_where_it_could_write_nothing() -> None:
    with pytest.raises(UsageError, match="54321"):
        map_user(hosts.linux_other(), hosts.workspace(owner=(54321, 65000)), agent=True)


def test_root_has_no_second_name_inside() -> None:
    user = UserMapping(0, 0, as_in_image=False)

    assert user.is_root
    assert [line.split(":")[0] for line in user.passwd().splitlines()] == ["root", "nobody"]
    assert user.passwd().startswith("root:x:0:0::/home/agent:")


@pytest.mark.parametrize("ids", [(54321, 65000), (1000, 100), (54321, 0), (65534, 65534), (1, 1)])
def test_the_mapped_user_has_a_name_a_home_and_a_group(ids: tuple[int, int]) -> None:
    user = UserMapping(*ids, as_in_image=False)

    entries = [line.split(":") for line in user.passwd().splitlines()]
    # What getpwuid gives is the first entry that fits.
    own = next(entry for entry in entries if entry[2] == str(ids[0]))
    assert own == ["agent", "x", str(ids[0]), str(ids[1]), "", "/home/agent", "/bin/bash"]
    groups = [line.split(":") for line in user.group().splitlines()]
    assert [g[0] for g in groups if g[2] == str(ids[1])] == ["agent"]


def test_no_number_and_no_name_stands_twice_in_the_groups() -> None:
    for gid in (0, 1000, 65000, 65534):
        groups = UserMapping(54321, gid, as_in_image=False).group().splitlines()
        numbers = [line.split(":")[2] for line in groups]
        assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("facts", [hosts.linux(), hosts.linux_other(), hosts.macos()])
def test_rootless_podman_maps_anybody_onto_the_images_user(facts: HostFacts) -> None:
    user = map_user(facts, hosts.workspace(), ENGINES["podman-rootless"])

    assert user == UserMapping(
        1000, 1000, as_in_image=True, mapped=True, userns="keep-id:uid=1000,gid=1000"
    )


def test_a_podman_that_cannot_map_is_refused() -> None:
    old = ENGINES["podman-rootless"]._replace(version="4.2.0")

    with pytest.raises(EngineUnsuitableError, match=r"4\.2\.0"):
        map_user(hosts.linux(), hosts.workspace(), old)


@pytest.mark.parametrize("facts", [hosts.linux(), hosts.linux_other()])
def test_in_rootless_docker_root_is_the_hosts_user(facts: HostFacts) -> None:
    user = map_user(facts, hosts.workspace(), ENGINES["docker-rootless"])

    assert (user.uid, user.gid, user.as_in_image, user.mapped) == (0, 0, False, True)
    assert "Claude is root, which is you outside" in user.note
    with pytest.raises(UsageError):
        map_user(facts, hosts.workspace(), ENGINES["docker-rootless"], agent=True)


@pytest.mark.parametrize("name", ["docker-desktop", "orbstack", "colima"])
@pytest.mark.parametrize("facts", [hosts.macos(), hosts.linux_other()])
def test_virtual_machines_map_by_themselves(facts: HostFacts, name: str) -> None:
    user = map_user(facts, hosts.workspace(), ENGINES[name])

    assert user == UserMapping(1000, 1000, as_in_image=True, mapped=True)


@pytest.mark.parametrize("name", ["docker-wsl2", "docker-desktop-wsl2", "podman-root"])
def test_wsl2_and_roots_podman_are_like_linux(name: str) -> None:
    user = map_user(hosts.linux_other(), hosts.workspace(), ENGINES[name])

    assert user == UserMapping(54321, 65000, as_in_image=False)


def test_remapped_users_are_refused_with_the_reason() -> None:
    with pytest.raises(EngineUnsuitableError, match="userns-remap"):
        map_user(hosts.linux(), hosts.workspace(), EngineFacts(remapped=True))


@pytest.mark.parametrize("uid", [1, 33, 100000, 65534, 1234567890, 2**31 - 1])
def test_any_id_that_engines_take_is_the_same_inside(uid: int) -> None:
    user = map_user(hosts.linux(uid=uid, gid=100), hosts.workspace())

    assert (user.uid, user.gid, user.as_in_image) == (uid, 100, False)
    numbers = [line.split(":")[2] for line in user.passwd().splitlines()]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("ids", [(2**31, 5), (4294967294, 1), (4294967295, 1), (5, 4294967295)])
def test_ids_that_no_engine_takes_are_refused(ids: tuple[int, int]) -> None:
    with pytest.raises(EngineUnsuitableError, match="2147483647"):
        map_user(hosts.linux(uid=ids[0], gid=ids[1]), hosts.workspace())
    with pytest.raises(EngineUnsuitableError, match="2147483647"):
        map_user(hosts.linux_root(), hosts.workspace(owner=ids))


@pytest.mark.parametrize(
    ("groups", "owner", "given"),
    [
        ((65000, 777, 778), (0, 777), (777,)),
        ((65000, 778), (0, 777), ()),
        ((0, 65000), (0, 0), ()),
        ((65000,), (54321, 65000), ()),
    ],
)
def test_only_the_group_of_the_workspace_goes_in(
    groups: tuple[int, ...], owner: tuple[int, int], given: tuple[int, ...]
) -> None:
    user = map_user(hosts.linux_other(groups=groups), hosts.workspace(owner=owner))

    assert user.groups == given
