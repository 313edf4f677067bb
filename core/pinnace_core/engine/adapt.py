"""Fit a plan to an engine: what it cannot do is left out, and said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pinnace_core.container import ContainerSpec
    from pinnace_core.engine.facts import EngineFacts

_GATEWAY: Final = ":host-gateway"


class Fitted(NamedTuple):
    """A plan that the engine can run.

    Attributes:
        plan: it.
        notes: what the user should know; one line each.
    """

    plan: ContainerSpec
    notes: tuple[str, ...] = ()


def fit(plan: ContainerSpec, engine: EngineFacts) -> Fitted:
    """Leave out of `plan` what `engine` would refuse."""
    missing = [
        name
        for name, there in (("memory", engine.memory_limit), ("processes", engine.pids_limit))
        if not there
    ]
    notes = []
    if missing:
        notes.append(
            f"the engine cannot limit {' and '.join(missing)} here "
            f"({'rootless, ' if engine.rootless else ''}cgroup v{engine.cgroup}): no limit is set"
        )
    if not engine.init:
        notes.append(
            f"{engine.kind} has no init here (package catatonit or tini): "
            "processes that Claude leaves behind are not buried"
        )
    if engine.selinux:
        notes.append("SELinux does not confine this container: it would keep it from your files")
    fitted = plan._replace(
        memory=plan.memory if engine.memory_limit else "",
        pids=plan.pids if engine.pids_limit else 0,
        init=plan.init and engine.init,
        unlabelled=engine.selinux,
        hosts=_hosts(plan, engine),
    )
    return Fitted(fitted, tuple(notes))


def _hosts(plan: ContainerSpec, engine: EngineFacts) -> tuple[str, ...]:
    """Podman has names for its host by itself, and refuses the word for its address before 4.7."""
    if engine.kind != "podman":
        return plan.hosts
    return tuple(host for host in plan.hosts if not host.endswith(_GATEWAY))
