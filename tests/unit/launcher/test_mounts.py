"""Mounts on request: what is mounted, and what is refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pinnace.config import MountRequest
from pinnace.plan import Contribution, reach
from pinnace.plan.contributors import mounts
from pinnace_core import host as places
from pinnace_core.container import Mount, ordered
from pinnace_core.errors import CannotReadError, PinnaceError, UnsafeRequestError, UsageError
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_core.host import HostFacts


class Host:
    """A home, a project in it, and a directory beside."""

    def __init__(self, tmp_path: Path) -> None:
        self.home = tmp_path / "people" / "somebody"
        self.project = self.home / "project"
        self.other = tmp_path / "other"
        self.project.mkdir(parents=True)
        self.other.mkdir()

    @property
    def facts(self) -> HostFacts:
        return hosts.linux(home=str(self.home), cwd=str(self.project), uid=os.getuid())

    def mount(self, source: object, target: object = "/data", mode: str = "ro") -> Contribution:
        return self.mount_all(MountRequest(str(source), str(target), mode == "ro"))

    def mount_all(self, *requests: MountRequest) -> Contribution:
        place = hosts.workspace(str(self.project))
        return mounts.directories(hosts.inputs(self.facts, place, mounts=requests))

    def refused(
        self,
        source: object,
        target: object = "/data",
        mode: str = "ro",
        *,
        kind: type[PinnaceError] = UnsafeRequestError,
        why: str | None = None,
    ) -> None:
        with pytest.raises(kind, match=why) as caught:
            self.mount(source, target, mode)
        assert caught.value.hint


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_a_directory_is_mounted_where_it_was_asked_for(host: Host, mode: str) -> None:
    assert host.mount(host.other, "/data", mode) == Contribution(
        mounts=(Mount(str(host.other), "/data", read_only=mode == "ro"),)
    )


def test_a_file_can_be_mounted(host: Host) -> None:
    (host.other / "a,b").touch()

    assert host.mount(host.other / "a,b").mounts[0].source == str(host.other / "a,b")


def test_what_a_link_means_is_decided_once(host: Host, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(host.other)

    assert host.mount(tmp_path / "link").mounts[0].source == str(host.other)


def test_a_missing_source_is_an_error_and_stays_missing(host: Host) -> None:
    host.refused(host.other / "none", kind=CannotReadError, why="is not there")
    assert not (host.other / "none").exists()


@pytest.mark.parametrize(
    "source", ["/", "{home}", "{home}/..", "{home}/project/..", "/proc", "/proc/1", "/sys", "/dev"]
)
@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_a_source_that_holds_everything_is_refused(host: Host, source: str, mode: str) -> None:
    host.refused(source.format(home=host.home), mode=mode)


@pytest.mark.parametrize("source", ["/etc", "/usr", "/bin", "/usr/lib"])
def test_the_system_is_not_mounted_writable(host: Host, source: str) -> None:
    host.refused(source, mode="rw", why="the system's")


@pytest.mark.parametrize("name", [".ssh", ".gnupg", ".aws", ".config/gcloud"])
def test_keys_are_never_writable_and_said_when_readable(host: Host, name: str) -> None:
    place = host.home / name
    place.mkdir(parents=True)
    (place / "key").touch()

    for source in (place, place / "key"):
        host.refused(source, mode="rw", why="keys are in it")
        assert "can read the keys" in host.mount(source).notes[0]


def test_what_holds_keys_is_treated_like_them(host: Host) -> None:
    (host.home / ".config" / "gcloud").mkdir(parents=True)

    host.refused(host.home / ".config", mode="rw", why="keys are in it")
    assert host.mount(host.home / ".config").notes


@pytest.mark.parametrize("kind", ["state", "data"])
def test_pinnaces_records_are_never_writable(host: Host, kind: str) -> None:
    place = places.directory("state" if kind == "state" else "data")
    place.mkdir(parents=True)

    host.refused(place, mode="rw", why="records")


def test_an_engines_socket_is_refused_with_the_reason(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    sock = host.other / "engine" / "docker.sock"
    sock.parent.mkdir()
    os.mkfifo(sock)
    monkeypatch.setattr(reach, "_ENGINES", (str(sock),))

    host.refused(sock, why="is root on this host")
    host.refused(sock.parent, why="is root on this host")
    host.refused(host.other, why="is root on this host")


@pytest.mark.parametrize("name", ["DOCKER_HOST", "CONTAINER_HOST"])
def test_the_engine_in_use_is_known_from_the_environment(host: Host, name: str) -> None:
    sock = host.other / "x"
    sock.touch()
    facts = host.facts._replace(environment={name: f"unix://{sock}"})
    asked = (MountRequest(str(host.other), "/data"),)
    inputs = hosts.inputs(facts, hosts.workspace(str(host.project)), mounts=asked)

    with pytest.raises(UnsafeRequestError, match="is root on this host"):
        mounts.directories(inputs)


def test_other_doors_are_refused_as_well(host: Host) -> None:
    os.mkfifo(host.other / "pipe")

    host.refused(host.other / "pipe", why="door")


def test_a_link_planted_in_the_project_opens_nothing_else(host: Host) -> None:
    (host.project / "data").symlink_to(host.other)

    host.refused(host.project / "data", why="a link in the project")
    (host.project / "x").mkdir()
    host.refused(f"{host.project}/x/../data", why="a link in the project")


@pytest.mark.parametrize(
    "target",
    [
        *("/", "/etc", "/etc/passwd", "/usr/bin", "/opt/claude", "/opt/claude/bin/claude", "/proc"),
        *("/home/agent", "/home/agent/.claude", "/home/agent/.claude/x", "//etc", "/run", "/tmp"),  # noqa: S108
    ],
)
def test_a_target_that_the_image_needs_is_refused(host: Host, target: str) -> None:
    with pytest.raises(UnsafeRequestError, match="needs") as caught:
        host.mount(host.other, target)

    assert "another place" in caught.value.hint, "changing the directory would not help"


@pytest.mark.parametrize("target", ["data", "", "/srv/../etc", "/.."])
def test_a_target_is_a_plain_absolute_path(host: Host, target: str) -> None:
    host.refused(host.other, target, kind=UsageError)


def test_the_workspace_cannot_be_replaced(host: Host) -> None:
    host.refused(host.other, host.project, why="is the workspace")
    host.refused(host.other, f"{host.project}/", why="is the workspace")


def test_two_mounts_need_two_targets(host: Host) -> None:
    with pytest.raises(UsageError, match="two mounts"):
        host.mount_all(
            MountRequest(str(host.other), "/data"),
            MountRequest(str(host.home / "project"), "/data/"),
        )


def test_a_target_inside_the_workspace_has_to_be_there(host: Host) -> None:
    target = host.project / "data"
    host.refused(host.other, target, kind=CannotReadError, why="is not there")
    assert not target.exists(), "the engine would make it, as root"

    target.touch()
    host.refused(host.other, target, kind=CannotReadError, why="no directory")

    target.unlink()
    target.mkdir()
    assert host.mount(host.other, target).mounts[0].target == str(target)


def test_a_target_inside_another_mount_has_to_be_there(host: Host, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    both = (MountRequest(str(inner), "/data/x"), MountRequest(str(host.other), "/data"))
    with pytest.raises(CannotReadError):
        host.mount_all(*both)

    (host.other / "x").mkdir()
    assert len(host.mount_all(*both).mounts) == 2


def test_a_target_does_not_lead_through_a_link_of_the_project(host: Host) -> None:
    (host.project / "data").symlink_to("/opt/claude/bin")

    host.refused(host.other, host.project / "data", why="through a link")


def test_what_is_below_comes_behind() -> None:
    given = [Mount("s", place) for place in ("/a/b/c", "/x", "/a", "/a/b", "/ab", "/x/y", "/")]

    order = [mount.target for mount in ordered(given)]

    assert sorted(order) == sorted(m.target for m in given)
    for index, place in enumerate(order):
        assert not any(place.startswith(f"{later.rstrip('/')}/") for later in order[index + 1 :])


def test_what_need_not_move_stays() -> None:
    given = (Mount("1", "/srv/demo"), Mount("2", "/home/agent/.claude"), Mount("3", "/etc/passwd"))

    assert ordered(given) == given


def test_of_two_at_one_place_the_later_counts() -> None:
    assert ordered([Mount("1", "/a"), Mount("2", "/a", read_only=True)]) == (
        Mount("2", "/a", read_only=True),
    )
