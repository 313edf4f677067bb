"""What is read out of an engine's own words, and how it is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pinnace_core.engine import kept
from pinnace_core.engine.facts import EngineFacts, of_docker, of_podman
from tests.support.engines import ENGINES, docker_info, podman_info

if TYPE_CHECKING:
    from pathlib import Path

_ENDPOINT = "unix:///run/docker.sock"
_IDENTITY = ["boot", "1:2:3", ""]


def test_a_plain_docker() -> None:
    assert ENGINES["docker"] == EngineFacts(version="99.1.2", host="somewhere")


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"SecurityOptions": ["name=seccomp,profile=x", "name=rootless"]}, "rootless", True),
        ({"SecurityOptions": ["name=userns"]}, "remapped", True),
        ({"SecurityOptions": ["name=selinux"]}, "selinux", True),
        ({"SecurityOptions": ["name=selinux"]}, "seccomp", False),
        ({"SecurityOptions": ["name=seccomp,profile=default"]}, "seccomp", True),
        ({"SecurityOptions": None}, "rootless", False),
        ({"OperatingSystem": "Docker Desktop"}, "desktop", "Docker Desktop"),
        ({"OperatingSystem": "OrbStack"}, "desktop", "OrbStack"),
        ({"Name": "colima-work"}, "desktop", "colima"),
        ({"Name": "lima-rancher-desktop"}, "desktop", "Rancher Desktop"),
        ({"OperatingSystem": "Rancher Desktop WSL Distribution"}, "desktop", "Rancher Desktop"),
        ({"KernelVersion": "5.15-microsoft-standard-WSL2"}, "wsl", True),
        ({"CgroupVersion": "1"}, "cgroup", 1),
        ({"MemoryLimit": False}, "memory_limit", False),
        ({"PidsLimit": False}, "pids_limit", False),
        ({"CpuCfsQuota": False}, "cpu_limit", False),
        ({"Runtimes": {"runsc": {}, "runc": {}}}, "runtimes", "runc,runsc"),
        ({"Runtimes": None}, "runtimes", ""),
        ({"DefaultRuntime": "runsc"}, "default_runtime", "runsc"),
        ({"InitBinary": ""}, "init", False),
        ({"BuildahVersion": "1.28.2"}, "behind_docker", True),
    ],
)
def test_what_docker_says(changes: dict[str, Any], field: str, value: object) -> None:
    assert getattr(of_docker(docker_info(**changes)), field) == value


@pytest.mark.parametrize(
    ("about", "cross"),
    [
        ({"path": "/usr/bin/runc"}, True),
        ({"path": "/usr/local/bin/runsc"}, False),
        ({"path": "/usr/local/bin/runsc", "runtimeArgs": ["--host-uds=open"]}, True),
        ({"path": "/usr/local/bin/runsc", "runtimeArgs": ["--host-uds", "all"]}, True),
        ({"path": "/usr/local/bin/runsc", "runtimeArgs": ["--host-uds=create"]}, False),
        ({"path": "/usr/bin/kata-runtime"}, False),
        ({"runtimeType": "io.containerd.kata.v2"}, False),
        ({"runtimeType": "io.containerd.runsc.v1", "path": ""}, False),
        ({"runtimeType": "io.containerd.runc.v2", "runtimeArgs": None}, True),
        (None, True),
    ],
)
def test_a_runtime_is_known_by_what_it_runs(about: dict[str, Any] | None, *, cross: bool) -> None:
    info = docker_info(Runtimes={"mine": about, "runc": {"path": "runc"}}, DefaultRuntime="mine")
    found = of_docker(info)

    assert found.sockets_cross("mine") is cross
    assert found.sockets_cross("") is cross
    assert found.sockets_cross("runc")
    assert found.shared_runtime == ("" if cross else "runc")
    assert found.has_own_kernel is not cross


def test_a_kernel_of_its_own_is_one_though_sockets_cross() -> None:
    about = {"path": "/usr/bin/runsc", "runtimeArgs": ["--host-uds=open"]}
    found = of_docker(docker_info(Runtimes={"runsc": about}, DefaultRuntime="runsc"))

    assert found.has_own_kernel
    assert found.sockets_cross("")


@pytest.mark.parametrize(
    ("runtime", "cross"),
    [
        *[("", True), ("crun", True), ("runc", True), ("io.containerd.runc.v2", True)],
        *[("runsc", False), ("runsc-kvm", False), ("kata", False), ("kata-runtime", False)],
        *[("io.containerd.kata.v2", False), ("io.containerd.runsc.v1", False)],
    ],
)
def test_one_that_no_list_tells_is_known_by_its_name(runtime: str, *, cross: bool) -> None:
    assert EngineFacts().sockets_cross(runtime) is cross
    assert EngineFacts(default_runtime=runtime).sockets_cross("") is cross


def test_podman_tells_the_path_of_its_runtime() -> None:
    info = podman_info()
    info["host"]["ociRuntime"] = {"name": "runsc", "path": "/usr/bin/runsc"}
    found = of_podman(info, own_machine=False, init=True)

    assert (found.default_runtime, found.sockets_cross("")) == ("runsc", False)


@pytest.mark.parametrize(
    ("about", "there"),
    [
        (EngineFacts(version="25.0.0"), True),
        (EngineFacts(version="99.1"), True),
        (EngineFacts(version="dev"), True),
        (EngineFacts(version="24.0.7"), False),
        (EngineFacts(kind="podman", version="5.4.0"), False),
    ],
)
def test_a_network_that_its_host_is_not_on(about: EngineFacts, *, there: bool) -> None:
    assert about.has_private_networks is there


@pytest.mark.parametrize(
    ("info", "limited"),
    [
        (podman_info(), True),
        (podman_info(controllers=("cpu",)), False),
        (podman_info(cgroup="v1", controllers=("memory", "pids")), False),
        (podman_info(cgroup="v1", controllers=("memory", "pids"), rootless=False), True),
    ],
)
def test_podman_limits_what_was_delegated(info: dict[str, Any], *, limited: bool) -> None:
    found = of_podman(info, own_machine=False, init=True)

    assert (found.memory_limit, found.pids_limit) == (limited, limited)
    assert (found.kind, found.numbers) == ("podman", (4, 3))


def test_podman_says_whether_it_knows_seccomp() -> None:
    info = podman_info()
    assert of_podman(info, own_machine=False, init=True).seccomp

    info["host"]["security"]["seccompEnabled"] = False
    assert not of_podman(info, own_machine=False, init=True).seccomp


def test_a_service_is_the_own_machine_or_elsewhere() -> None:
    info = podman_info()
    info["host"]["serviceIsRemote"] = True

    assert of_podman(info, own_machine=False, init=False).remote
    assert of_podman(info, own_machine=True, init=False).desktop == "podman machine"


@pytest.mark.parametrize("version", ["", "dev", "26", "x.y", "26.x"])
def test_a_version_may_be_anything(version: str) -> None:
    assert EngineFacts(version=version).numbers == (0, 0)


@pytest.mark.parametrize("facts", ENGINES.values(), ids=ENGINES)
def test_what_was_learned_is_kept(facts: EngineFacts) -> None:
    kept.save(_ENDPOINT, _IDENTITY, facts)

    assert kept.load(_ENDPOINT, _IDENTITY) == facts


def test_another_engine_at_the_same_place_is_not_known() -> None:
    kept.save(_ENDPOINT, _IDENTITY, EngineFacts())

    assert kept.load(_ENDPOINT, ["boot", "1:2:4", ""]) is None
    assert kept.load("unix:///run/docker-sock", _IDENTITY) is None


def _record(**changes: Any) -> bytes:
    whole = {
        "schema": 1,
        "endpoint": _ENDPOINT,
        "identity": _IDENTITY,
        "facts": EngineFacts()._asdict(),
    }
    return json.dumps(whole | changes).encode()


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"null", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1}'),
        _record(schema=2),
        _record(endpoint="tcp://other"),
        _record(identity=[]),
        _record(facts={}),
        _record(facts=[1]),
        _record(facts=EngineFacts()._asdict() | {"rootless": "yes"}),
        _record(facts=EngineFacts()._asdict() | {"more": 1}),
        _record(facts=EngineFacts()._asdict() | {"kind": "containerd"}),
    ],
)
def test_a_record_that_is_not_ours_counts_as_none_and_is_mended(content: bytes) -> None:
    path = kept.record_path(_ENDPOINT)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    assert kept.load(_ENDPOINT, _IDENTITY) is None

    kept.save(_ENDPOINT, _IDENTITY, EngineFacts())
    assert path.read_bytes() == _record()


def test_where_nothing_can_be_kept_nothing_fails() -> None:
    path = kept.record_path(_ENDPOINT)
    path.parent.parent.mkdir(parents=True)
    path.parent.write_text("a file")

    kept.save(_ENDPOINT, _IDENTITY, EngineFacts())

    assert kept.load(_ENDPOINT, _IDENTITY) is None


def test_any_endpoint_has_a_record_of_a_sane_name() -> None:
    for endpoint in ("unix:///" + "x" * 5000, "unix:///ü/../../etc", "npipe:////./pipe/x"):
        name = kept.record_path(endpoint).name
        assert len(name) < 120
        assert not {"/", "\\", "\0"} & set(name)


def test_a_place_is_identified_by_what_lies_there(tmp_path: Path) -> None:
    socket = tmp_path / "socket"
    absent = kept.identity(str(socket))
    socket.touch()
    first = kept.identity(str(socket))
    socket.rename(tmp_path / "old")
    socket.touch()

    assert len({tuple(absent), tuple(first), tuple(kept.identity(str(socket)))}) == 3
    assert kept.identity("/nul\0byte")[1:] == [""]
