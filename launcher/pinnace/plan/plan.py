"""Decide a launch: pure, from a request and facts to a plan that leaves nothing open.

Named tuples, here and wherever a launch comes by: as frozen as dataclasses, but importing and
making those costs every launch 20 ms.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

from pinnace.agent import env_passthrough
from pinnace.config import DEFAULTS
from pinnace_core.container import ContainerSpec, Mount, Tmpfs
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pinnace.config import Settings
    from pinnace.config.project import Workspace
    from pinnace.plan.contribution import Contribution
    from pinnace.plan.user import UserMapping
    from pinnace.request import RunRequest
    from pinnace_core.host import HostFacts

_NAME_LENGTH: Final = 40
# At Ctrl-Z Claude stops itself, and inside there is no shell to resume it from: the terminal would
# hang for ever. So one stands by, and only for that.
_UNSUSPENDED: Final = (
    contract.SHELL,
    "-mc",
    '"$@"; code=$?; while [ -n "$(jobs -s)" ]; do fg >/dev/null; code=$?; done; exit "$code"',
    "claude",
)


class Places(NamedTuple):
    """Where on the host the launch keeps things."""

    config: Path
    passwd: Path
    group: Path


def plan_run(  # noqa: PLR0913 (everything that decides, each a fact of its own)
    request: RunRequest,
    facts: HostFacts,
    workspace: Workspace,
    user: UserMapping,
    *,
    image: str,
    places: Places,
    nonce: str,
    settings: Settings = DEFAULTS,
    additions: Sequence[Contribution] = (),
    labels: tuple[tuple[str, str], ...] = (),
) -> ContainerSpec:
    """Decide how Claude is run for `request`.

    Args:
        request: what was asked for.
        facts: the host.
        workspace: the project.
        user: who Claude runs as.
        image: the id of a verified image.
        places: files on the host that are mounted.
        nonce: makes the container's name unique.
        settings: how it is to be run.
        additions: of all concerns.
        labels: of the container, besides the workspace's.
    """
    tty = facts.stdin_tty and facts.stdout_tty
    return ContainerSpec(
        image=image,
        command=(
            # A shell stands for itself.
            *(_UNSUSPENDED if tty and request.program == contract.CLAUDE_BINARY else ()),
            *(word for a in additions for word in a.wrapper),
            request.program,
            *request.claude_arguments,
        ),
        name=f"pinnace-{_slug(workspace.target)}-{nonce}",
        workdir=workspace.workdir,
        # Also where the image's own would do: that it has this one is only what its label says.
        user=(user.uid, user.gid),
        mounts=ordered(
            (*_mounts(workspace, user, places), *(m for a in additions for m in a.mounts))
        ),
        # Two concerns may want the same one; the engine refuses it twice.
        tmpfs=tuple(
            dict.fromkeys((*_scratch(user.uid, user.gid), *(t for a in additions for t in a.tmpfs)))
        ),
        environment_names=_names(settings, facts, additions),
        environment=(
            *((("IS_SANDBOX", "1"),) if user.is_root else ()),
            *(pair for a in additions for pair in a.environment),
        ),
        labels=((contract.LABEL_RUN_WORKSPACE, workspace.source), *labels),
        hosts=("host.docker.internal:host-gateway", *(h for a in additions for h in a.hosts)),
        memory=settings.memory,
        pids=settings.pids,
        # A terminal that nobody is asked at: Claude would wait for a prompt to be piped.
        interactive=facts.stdout_tty or not facts.stdin_tty,
        tty=tty,
        userns=user.userns,
        groups=tuple(sorted({*user.groups, *(group for a in additions for group in a.groups)})),
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


def plan_check(image: str, script: str) -> ContainerSpec:
    """Decide how an image is asked about itself: alone, without network, mounts or input."""
    return ContainerSpec(
        image=image,
        command=("sh", "-c", script),
        workdir=contract.HOME,
        memory=DEFAULTS.memory,
        pids=DEFAULTS.pids,
        tmpfs=_scratch(contract.AGENT_UID, contract.AGENT_GID),
        interactive=False,
        network="none",
    )


def _names(
    settings: Settings, facts: HostFacts, additions: Sequence[Contribution]
) -> tuple[str, ...]:
    own = env_passthrough.passed_names(facts.environment, extra=settings.environment_names)
    names = {*own, *(n for a in additions for n in (*a.environment_names, *a.replaced))}
    plain = {name for a in additions for name, _ in a.environment}
    return tuple(sorted(names - plain - {name for a in additions for name in a.withheld}))


def _mounts(workspace: Workspace, user: UserMapping, places: Places) -> tuple[Mount, ...]:
    mounts = [
        Mount(workspace.source, workspace.target),
        Mount(str(places.config), contract.CONFIG_DIR),
    ]
    if not user.as_in_image:
        mounts.append(Mount(str(places.passwd), "/etc/passwd", read_only=True))
        mounts.append(Mount(str(places.group), "/etc/group", read_only=True))
    return tuple(mounts)


def _scratch(uid: int, gid: int) -> tuple[Tmpfs, ...]:
    """The root is read-only: these are what a program may expect to be able to write to."""
    return (
        Tmpfs("/tmp", "exec,mode=1777"),  # noqa: S108 (inside)
        Tmpfs(contract.HOME, f"exec,mode=0700,uid={uid},gid={gid}"),
    )


def _slug(path: str) -> str:
    name = PurePosixPath(path).name.lower()
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name).strip("-")
    return kept[:_NAME_LENGTH] or "project"
