"""What an engine is and can do, and a container made to fit it.

A named tuple: every launch reads one, see `kept`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Literal

from pinnace_core.engine import runtimes
from pinnace_core.errors import EngineUnsuitableError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace_core.container import ContainerSpec

Kind = Literal["docker", "podman"]

_GATEWAY: Final = ":host-gateway"
_CONTAINERDS: Final = "io.containerd."
# Engine API 1.41, the first whose clients know all options of a launch; podman: see `keeps_id`.
_OLDEST: Final = {"docker": (20, 10), "podman": (4, 3)}
_PRIVATE_NETWORKS: Final = (25, 0)
# Where podman looks for its init, https://github.com/containers/common/blob/main/pkg/config.
_INITS: Final = (
    *("/usr/libexec/podman/catatonit", "/usr/local/libexec/podman/catatonit"),
    *("/usr/local/lib/podman/catatonit", "/usr/lib/podman/catatonit", "/usr/bin/catatonit"),
)
# What an engine in a virtual machine calls its system, or its host.
_SYSTEMS: Final = ("Docker Desktop", "OrbStack", "Rancher Desktop")
_NAMES: Final = (
    ("docker-desktop", "Docker Desktop"),
    ("orbstack", "OrbStack"),
    ("lima-rancher-desktop", "Rancher Desktop"),
    ("colima", "colima"),
    ("lima-", "lima"),
)


class EngineFacts(NamedTuple):
    """What is known about an engine.

    Attributes:
        kind: which; the client has the same name.
        version: its own, as it says it.
        rootless: it runs as an ordinary user.
        desktop: the product whose virtual machine it runs in, or empty.
        remapped: docker's userns-remap: nobody inside is anybody outside.
        remote: it runs on another machine, as far as it says so itself.
        wsl: its kernel is that of WSL2.
        cgroup: version of the control groups.
        memory_limit: it can limit memory.
        pids_limit: it can limit the number of processes.
        cpu_limit: it can limit processor time.
        runtimes: names of its OCI runtimes, between commas; empty: it does not tell.
        closed_runtimes: those of them into which no socket crosses, likewise.
        default_runtime: the one that it takes if it is not told; empty: it does not tell.
        init: it has a small init for containers.
        selinux: it confines containers by SELinux labels.
        seccomp: it can confine containers to a list of system calls.
        behind_docker: podman, behind docker's API.
        host: what it calls the machine that it runs on.
    """

    kind: Kind = "docker"
    version: str = ""
    rootless: bool = False
    desktop: str = ""
    remapped: bool = False
    remote: bool = False
    wsl: bool = False
    cgroup: int = 2
    memory_limit: bool = True
    pids_limit: bool = True
    cpu_limit: bool = True
    runtimes: str = ""
    closed_runtimes: str = ""
    default_runtime: str = ""
    init: bool = True
    selinux: bool = False
    seccomp: bool = True
    behind_docker: bool = False
    host: str = ""

    @property
    def numbers(self) -> tuple[int, int]:
        """The version's first two numbers; (0, 0) if it has none."""
        parts = self.version.split(".")
        try:
            return int(parts[0]), int(parts[1])
        except (ValueError, IndexError):
            return 0, 0

    @property
    def oldest(self) -> tuple[int, int]:
        """The oldest version of its kind that launches work with, as `numbers`."""
        return _OLDEST[self.kind]

    @property
    def layers(self) -> bool:
        """Whether it can put a layer over a directory of this machine.

        In a virtual machine, the directory's file system cannot be under one. Of an ordinary user's
        engines, podman has a program for it. Root's leaves files without their content, where only
        their rights were changed: https://docs.kernel.org/filesystems/overlayfs.html (metacopy).
        """
        if self.desktop or self.remote or self.remapped:
            return False
        return self.rootless if self.kind == "podman" else not self.rootless

    @property
    def cuts_targets(self) -> bool:
        """Whether colons and commas cut the place of a layer inside in two."""
        return self.kind == "podman"

    @property
    def keeps_id(self) -> bool:
        """Whether it can make any user inside the one outside (`--userns=keep-id`)."""
        return self.kind == "podman" and self.rootless

    @property
    def names_host(self) -> bool:
        """Whether containers have names for their host already.

        Podman refuses docker's word for its address before 4.7.
        """
        return self.kind == "podman"

    @property
    def has_private_networks(self) -> bool:
        """Whether it can make a network that neither its host nor a name server is on.

        Podman gives its bridge an address of the host's; so did docker before version 25, to which
        outside names were answered besides (CVE-2024-29018).
        """
        return self.kind == "docker" and not (0, 0) < self.numbers < _PRIVATE_NETWORKS

    @property
    def shared_runtime(self) -> str:
        """The runtime of what needs sockets of the host's; empty: its default."""
        return "" if self.sockets_cross("") else runtimes.SHARED

    @property
    def has_own_kernel(self) -> bool:
        """Whether its default runtime has a kernel of its own, as far as that is known."""
        return not self.sockets_cross("") or runtimes.is_closed(self.default_runtime, {})

    def sockets_cross(self, runtime: str) -> bool:
        """Return whether sockets of the host's can be connected to in what a runtime runs.

        Args:
            runtime: its name; empty: the default.
        """
        name = runtime or self.default_runtime
        if name and name in self.runtimes.split(","):
            return name not in self.closed_runtimes.split(",")
        return not runtimes.is_closed(name, {})

    @property
    def reads_here(self) -> bool:
        """Whether files named in its arguments are read on this machine.

        Docker's client sends what is in them; podman's sends the name, and in a virtual machine
        there is no such file: https://github.com/containers/podman/issues/26558.
        """
        return self.kind == "docker" or not (self.desktop or self.remote)


class Adapted(NamedTuple):
    """A container that the engine can run.

    Attributes:
        spec: it.
        notes: what the user should know; one line each.
    """

    spec: ContainerSpec
    notes: tuple[str, ...] = ()


def adapt(spec: ContainerSpec, facts: EngineFacts) -> Adapted:
    """Leave out of `spec` what the engine would refuse, and say so.

    Raises:
        EngineUnsuitableError: it has no such runtime, or no network as is asked for.
    """
    _require_runtime(spec.runtime, facts)
    if spec.private and not facts.has_private_networks:
        raise EngineUnsuitableError(
            f"no socket crosses into what {spec.runtime or facts.default_runtime} runs, and "
            f"{facts.kind} {facts.version} makes no network that leads to a gateway alone",
            hint="use docker 25 or newer; or, if sockets do cross, as with runsc --host-uds=open, "
            "say so: run.runtime-sockets, --runtime-sockets",
        )
    limits = (
        ("memory", facts.memory_limit),
        ("processes", facts.pids_limit),
        ("processor time", facts.cpu_limit or not spec.cpus),
    )
    missing = [name for name, there in limits if not there]
    notes = []
    if missing:
        notes.append(
            f"the engine cannot limit {' and '.join(missing)} here "
            f"({'rootless, ' if facts.rootless else ''}cgroup v{facts.cgroup}): no limit is set"
        )
    if not facts.init:
        notes.append(
            f"{facts.kind} has no init here (package catatonit or tini): "
            "processes that Claude leaves behind are not buried"
        )
    if facts.selinux:
        notes.append("SELinux does not confine this container: it would keep it from your files")
    confined = facts.seccomp and facts.reads_here
    if spec.seccomp and not confined:
        notes.append(_unconfined(facts))
    hosts = (host for host in spec.hosts if not (facts.names_host and host.endswith(_GATEWAY)))
    adapted = spec._replace(
        memory=spec.memory if facts.memory_limit else "",
        pids=spec.pids if facts.pids_limit else 0,
        cpus=spec.cpus if facts.cpu_limit else "",
        init=spec.init and facts.init,
        seccomp=spec.seccomp if confined else "",
        unlabelled=facts.selinux,
        hosts=tuple(hosts),
    )
    return Adapted(adapted, tuple(notes))


def _unconfined(facts: EngineFacts) -> str:
    """Say what takes the place of Pinnace's own list of system calls."""
    if facts.seccomp:
        return f"{facts.desktop or facts.kind} reads no profile of Pinnace's: its own one confines"
    return "the engine knows no seccomp here: no system call is refused"


def _require_runtime(runtime: str, facts: EngineFacts) -> None:
    """Refuse a runtime that is missing; of containerd's, no list tells.

    https://docs.docker.com/engine/daemon/alternative-runtimes/
    """
    known = facts.runtimes.split(",")
    if not runtime or not facts.runtimes or runtime in known or runtime.startswith(_CONTAINERDS):
        return
    raise EngineUnsuitableError(
        f"the engine has no runtime '{runtime}': it has {', '.join(known)}",
        hint="install it and name it in the engine's daemon.json, or leave --runtime out",
    )


def of_docker(info: Mapping[str, Any]) -> EngineFacts:
    """Read docker's `/info` (https://docs.docker.com/reference/api/engine/, SystemInfo).

    Raises:
        KeyError: it is not that.
    """
    options = {str(o).partition(",")[0] for o in info.get("SecurityOptions") or ()}
    known = {str(key): about or {} for key, about in (info.get("Runtimes") or {}).items()}
    name = str(info.get("Name", ""))
    return EngineFacts(
        version=str(info["ServerVersion"]),
        rootless="name=rootless" in options,
        desktop=_desktop(str(info.get("OperatingSystem", "")), name),
        remapped="name=userns" in options,
        wsl="microsoft" in str(info.get("KernelVersion", "")).lower(),
        cgroup=1 if str(info.get("CgroupVersion", "")) == "1" else 2,
        memory_limit=info.get("MemoryLimit") is not False,
        pids_limit=info.get("PidsLimit") is not False,
        cpu_limit=info.get("CpuCfsQuota") is not False,
        runtimes=",".join(sorted(known)),
        closed_runtimes=",".join(sorted(n for n in known if runtimes.is_closed(n, known[n]))),
        default_runtime=str(info.get("DefaultRuntime") or ""),
        init=info.get("InitBinary") != "",
        selinux="name=selinux" in options,
        seccomp="name=seccomp" in options,
        # Only podman's answer to the same question has this field.
        behind_docker="BuildahVersion" in info,
        host=name,
    )


def of_podman(info: Mapping[str, Any], *, own_machine: bool, init: bool) -> EngineFacts:
    """Read `podman info --format json`.

    Args:
        info: what it printed.
        own_machine: a client that talks to a service means podman's own virtual machine here.
        init: whether there is an init, which podman does not tell.

    Raises:
        KeyError: it is not that.
    """
    host = info["host"]
    security = host["security"]
    rootless = security["rootless"] is True
    served = host.get("serviceIsRemote") is True
    cgroup = 1 if host.get("cgroupVersion") == "v1" else 2
    controllers = set(host.get("cgroupControllers") or ())
    # Of v1, ordinary users own nothing; of v2, what was delegated to them.
    limits = controllers if cgroup > 1 or not rootless else set()
    return EngineFacts(
        kind="podman",
        version=str(info["version"]["Version"]),
        rootless=rootless,
        desktop="podman machine" if served and own_machine else "",
        remote=served and not own_machine,
        wsl="microsoft" in str(host.get("kernel", "")).lower(),
        cgroup=cgroup,
        memory_limit="memory" in limits,
        pids_limit="pids" in limits,
        cpu_limit="cpu" in limits,
        default_runtime=str((host.get("ociRuntime") or {}).get("name") or ""),
        init=init or served,
        selinux=security.get("selinuxEnabled") is True,
        seccomp=security.get("seccompEnabled") is not False,
        host=str(host.get("hostname", "")),
    )


def podman_has_init() -> bool:
    """Whether this machine has the init that podman takes."""
    return any(os.access(place, os.X_OK) for place in _INITS)


def _desktop(system: str, name: str) -> str:
    for product in _SYSTEMS:
        if system.startswith(product):
            return product
    return next((product for prefix, product in _NAMES if name.startswith(prefix)), "")
