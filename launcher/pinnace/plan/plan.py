"""Decide a launch: pure, from what contributors add to a plan that leaves nothing open."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from pinnace import agent
from pinnace.plan import LaunchPlan
from pinnace_core.container import ContainerSpec, Mount, scratch
from pinnace_core.engine.facts import adapt
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pinnace.plan import Contribution, Inputs, Variable

_NAME_LENGTH: Final = 40
# At Ctrl-Z Claude stops itself, and inside there is no shell to resume it from: the terminal would
# hang for ever. So one stands by, and only for that.
_UNSUSPENDED: Final = (
    contract.SHELL,
    "-mc",
    '"$@"; code=$?; while [ -n "$(jobs -s)" ]; do fg >/dev/null; code=$?; done; exit "$code"',
    "claude",
)


def plan(
    inputs: Inputs,
    contributions: Sequence[Contribution],
    *,
    image: str,
    nonce: str,
    labels: tuple[tuple[str, str], ...] = (),
) -> LaunchPlan:
    """Decide how Claude is run.

    Args:
        inputs: what the contributors went by.
        contributions: of all of them.
        image: the id of a verified image.
        nonce: makes the container's name unique.
        labels: of the container, besides the workspace's.
    """
    settings, facts, project, user = inputs.settings, inputs.facts, inputs.project, inputs.user
    program = inputs.program
    tty = facts.stdin_tty and facts.stdout_tty
    variables = [variable for c in contributions for variable in c.variables]
    wanted = ContainerSpec(
        image=image,
        command=(
            # A shell stands for itself.
            *(_UNSUSPENDED if tty and program == contract.CLAUDE_BINARY else ()),
            *(word for c in contributions for word in c.wrapper),
            program,
            *inputs.claude_arguments,
        ),
        name=f"pinnace-{_slug(project.target)}-{nonce}",
        workdir=project.workdir,
        # Also where the image's own would do: that it has this one is only what its label says.
        user=(user.uid, user.gid),
        mounts=ordered(
            (Mount(project.source, project.target), *(m for c in contributions for m in c.mounts))
        ),
        # Two contributors may want the same one; the engine refuses it twice.
        tmpfs=tuple(
            dict.fromkeys(
                (
                    *scratch(contract.HOME, user.uid, user.gid),
                    *(t for c in contributions for t in c.tmpfs),
                )
            )
        ),
        environment_names=_names(inputs, variables),
        environment=tuple((v.name, v.value or "") for v in variables if v.way == "plain"),
        labels=((contract.LABEL_RUN_WORKSPACE, project.source), *labels),
        hosts=("host.docker.internal:host-gateway",),
        memory=settings.memory,
        pids=settings.pids,
        # A terminal that nobody is asked at: Claude would wait for a prompt to be piped.
        interactive=facts.stdout_tty or not facts.stdin_tty,
        tty=tty,
        userns=user.userns,
        groups=tuple(sorted({*user.groups, *(group for c in contributions for group in c.groups)})),
    )
    spec, unfit = adapt(wanted, inputs.engine)
    notes = (user.note, project.note, *unfit, *(note for c in contributions for note in c.notes))
    return LaunchPlan(
        spec,
        variables=tuple(v for v in variables if v.way == "by name" and v.value is not None),
        resources=tuple(resource for c in contributions for resource in c.resources),
        notes=tuple(note for note in notes if note),
    )


def ordered(mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """Put what is mounted below another place behind it, or it would be hidden; keep the rest.

    Of two at the same place the later one counts.
    """
    placed: list[Mount] = []
    for mount in {mount.target: mount for mount in mounts}.values():
        below = f"{mount.target.rstrip('/')}/"
        first = next((i for i, m in enumerate(placed) if m.target.startswith(below)), len(placed))
        placed.insert(first, mount)
    return tuple(placed)


def _names(inputs: Inputs, variables: Iterable[Variable]) -> tuple[str, ...]:
    """Name what the client passes on; what goes in by another way does not go in by name, too."""
    extra = inputs.settings.environment_names
    own = agent.passed_names(inputs.facts.environment, extra=extra)
    ways = [(v.name, v.way == "by name") for v in variables]
    names = {*own, *(name for name, named in ways if named)}
    return tuple(sorted(names - {name for name, named in ways if not named}))


def _slug(path: str) -> str:
    name = PurePosixPath(path).name.lower()
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name).strip("-")
    return kept[:_NAME_LENGTH] or "project"
