"""What an engine cannot do is left out of a plan, and said."""

from __future__ import annotations

import pytest

from pinnace_core.container import ContainerSpec, Tmpfs
from pinnace_core.engine.docker import Docker
from pinnace_core.engine.facts import EngineFacts, adapt
from pinnace_core.engine.podman import Podman

_PLAN = ContainerSpec(
    image="i",
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
        (EngineFacts(init=False), "--init", "has no init here"),
    ],
)
def test_what_is_left_out_is_said(about: EngineFacts, gone: str, said: str) -> None:
    plan, (note,) = adapt(_PLAN, about)

    assert not [a for a in Docker().argv(plan) if a.startswith(gone)]
    assert said in note


def test_podman_knows_its_host_by_itself() -> None:
    plan, notes = adapt(_PLAN, EngineFacts(kind="podman"))

    assert plan.hosts == ("db:10.0.0.7",)
    assert notes == ()


def test_a_tmpfs_of_podmans_belongs_to_the_user_inside() -> None:
    argv = Podman().argv(_PLAN)

    assert "--mount=type=tmpfs,destination=/tmp,tmpfs-mode=1777,exec,notmpcopyup" in argv
    assert "--mount=type=tmpfs,destination=/h,tmpfs-mode=0700,U=true,exec,notmpcopyup" in argv
    assert "--read-only-tmpfs=false" in argv


def test_selinux_would_keep_the_container_from_the_files() -> None:
    plan, (note,) = adapt(_PLAN, EngineFacts(selinux=True))

    assert "--security-opt=label=disable" in Docker().argv(plan)
    assert "SELinux" in note
