"""What an engine cannot do is left out of a plan, and said."""

from __future__ import annotations

import pytest

from pinnace_core.container import ContainerSpec, Tmpfs
from pinnace_core.engine.docker import Docker
from pinnace_core.engine.facts import EngineFacts, adapt
from pinnace_core.engine.podman import Podman
from pinnace_core.errors import EngineUnsuitableError

_PLAN = ContainerSpec(
    image="i",
    cpus="2",
    seccomp="/pinnace/seccomp.json",
    command=("c",),
    hosts=("host.docker.internal:host-gateway", "db:10.0.0.7"),
    tmpfs=(Tmpfs("/tmp", "exec,mode=1777"), Tmpfs("/h", "exec,mode=0700,uid=5,gid=6")),  # noqa: S108
)


def test_an_engine_that_can_do_all_gets_all() -> None:
    assert adapt(_PLAN, EngineFacts()) == (_PLAN, ())


@pytest.mark.parametrize(
    ("about", "gone", "said"),
    [
        (EngineFacts(memory_limit=False), "--memory", "cannot limit memory here (cgroup v2)"),
        (EngineFacts(pids_limit=False), "--pids-limit", "cannot limit processes here"),
        (
            EngineFacts(pids_limit=False, memory_limit=False, rootless=True, cgroup=1),
            "--memory",
            "cannot limit memory and processes here (rootless, cgroup v1): no limit is set",
        ),
        (EngineFacts(cpu_limit=False), "--cpus", "cannot limit processor time here"),
        (EngineFacts(init=False), "--init", "has no init here"),
        (EngineFacts(seccomp=False), "--security-opt=seccomp", "knows no seccomp here"),
        (
            EngineFacts(kind="podman", desktop="podman machine"),
            "--security-opt=seccomp",
            "podman machine reads no profile of Pinnace's",
        ),
    ],
)
def test_what_is_left_out_is_said(about: EngineFacts, gone: str, said: str) -> None:
    plan, (note,) = adapt(_PLAN, about)

    assert not [a for a in Docker().argv(plan) if a.startswith(gone)]
    assert said in note


def test_an_engine_that_cannot_limit_what_nobody_asked_to_limit_says_nothing() -> None:
    assert adapt(_PLAN._replace(cpus=""), EngineFacts(cpu_limit=False)).notes == ()


@pytest.mark.parametrize("runtime", ["", "runc", "io.containerd.kata.v2"])
def test_a_runtime_that_is_there_or_that_no_list_tells_is_taken(runtime: str) -> None:
    wanted = _PLAN._replace(runtime=runtime)

    assert adapt(wanted, EngineFacts(runtimes="crun,runc")).spec.runtime == runtime
    assert adapt(wanted, EngineFacts(kind="podman")).spec.runtime == runtime


def test_a_runtime_that_is_missing_is_refused() -> None:
    with pytest.raises(EngineUnsuitableError, match="no runtime 'runsc': it has crun, runc"):
        adapt(_PLAN._replace(runtime="runsc"), EngineFacts(runtimes="crun,runc"))


@pytest.mark.parametrize(
    "about", [EngineFacts(kind="podman", version="5.4.0"), EngineFacts(version="24.0.7")]
)
def test_a_network_of_its_own_that_the_engine_cannot_make_is_refused(about: EngineFacts) -> None:
    wanted = _PLAN._replace(runtime="runsc", private="pinnace-demo-c0ffee")

    with pytest.raises(EngineUnsuitableError, match=f"{about.kind} {about.version} makes no"):
        adapt(wanted, about)


@pytest.mark.parametrize(
    ("gpus", "docker", "podman"),
    [
        ("all", ["--gpus=all"], ["--device=nvidia.com/gpu=all"]),
        ("2", ["--gpus=2"], ["--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=1"]),
        ("device=1", ["--gpus=device=1"], ["--device=nvidia.com/gpu=1"]),
        (
            "device=0,a-b",
            ['--gpus="device=0,a-b"'],
            ["--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=a-b"],
        ),
    ],
)
def test_each_engine_has_its_words_for_gpus(
    gpus: str, docker: list[str], podman: list[str]
) -> None:
    spec = ContainerSpec("sha256:0", ("x",), gpus=gpus)

    for engine, wanted in ((Docker(), docker), (Podman(), podman)):
        argv = engine.argv(spec)
        assert [word for word in argv if "gpu" in word] == wanted


def test_podman_knows_its_host_by_itself() -> None:
    plan, notes = adapt(_PLAN, EngineFacts(kind="podman"))

    assert plan.hosts == ("db:10.0.0.7",)
    assert notes == ()


def test_a_tmpfs_of_podmans_belongs_to_the_user_inside() -> None:
    argv = Podman().argv(_PLAN)

    assert "--mount=type=tmpfs,destination=/tmp,tmpfs-mode=1777,exec,notmpcopyup" in argv
    assert "--mount=type=tmpfs,destination=/h,tmpfs-mode=0700,U=true,exec,notmpcopyup" in argv
    assert "--read-only-tmpfs=false" in argv


def test_a_profile_is_named_where_the_client_reads_it() -> None:
    for about in (EngineFacts(desktop="Docker Desktop"), EngineFacts(kind="podman")):
        plan, notes = adapt(_PLAN, about)
        assert (plan.seccomp, notes) == (_PLAN.seccomp, ())

    assert "--security-opt=seccomp=/pinnace/seccomp.json" in Podman().argv(_PLAN)


def test_selinux_would_keep_the_container_from_the_files() -> None:
    plan, (note,) = adapt(_PLAN, EngineFacts(selinux=True))

    assert "--security-opt=label=disable" in Docker().argv(plan)
    assert "SELinux" in note
