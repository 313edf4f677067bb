"""What engines say about themselves, and what is read out of it.

Docker 26 and podman 4.3 were recorded; of the virtual machines only what tells them apart.
"""

from __future__ import annotations

from typing import Any, Final

from pinnace_core.engine.facts import EngineFacts, of_docker, of_podman
from tests.support.fake_docker import INFO

_WSL_KERNEL: Final = "5.15.153.1-microsoft-standard-WSL2"


def docker_info(**changes: Any) -> dict[str, Any]:
    """Docker's `/info`, as far as it matters."""
    return {**INFO, **changes}


def podman_info(
    *, rootless: bool = True, cgroup: str = "v2", controllers: tuple[str, ...] = ("memory", "pids")
) -> dict[str, Any]:
    """What `podman info` says, as far as it matters."""
    host = {
        "cgroupVersion": cgroup,
        "cgroupControllers": list(controllers),
        "hostname": "somewhere",
        "kernel": "6.1.0-18-amd64",
        "security": {"rootless": rootless, "selinuxEnabled": False},
        "serviceIsRemote": False,
    }
    return {"host": host, "version": {"Version": "4.3.1"}}


def _podman(**changes: Any) -> EngineFacts:
    return of_podman(podman_info(**changes), own_machine=False, init=True)


def _machine() -> EngineFacts:
    info = podman_info()
    info["host"]["serviceIsRemote"] = True
    return of_podman(info, own_machine=True, init=False)


_ROOTLESS: Final = ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]
ENGINES: Final = {
    "docker": of_docker(docker_info()),
    "docker-rootless": of_docker(
        docker_info(
            SecurityOptions=_ROOTLESS, CgroupVersion="1", MemoryLimit=False, PidsLimit=False
        )
    ),
    "docker-desktop": of_docker(
        docker_info(OperatingSystem="Docker Desktop", Name="docker-desktop")
    ),
    "docker-desktop-wsl2": of_docker(
        docker_info(OperatingSystem="Docker Desktop", KernelVersion=_WSL_KERNEL)
    ),
    "docker-wsl2": of_docker(docker_info(KernelVersion=_WSL_KERNEL)),
    "orbstack": of_docker(docker_info(OperatingSystem="OrbStack", Name="orbstack")),
    "colima": of_docker(docker_info(OperatingSystem="Ubuntu 24.04.1 LTS", Name="colima")),
    "podman-rootless": _podman(),
    "podman-rootless-cgroup1": _podman(cgroup="v1", controllers=()),
    "podman-root": _podman(rootless=False),
    "podman-machine": _machine(),
}
