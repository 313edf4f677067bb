"""Plan a launch: what every contributor (git, an account, a proxy ...) adds, as one frozen object.

Planning reads and decides; what writes or starts anything is a resource, which only a real launch
acquires. Named tuples, here and wherever a launch comes by: as frozen as dataclasses, but importing
and making those costs every launch 20 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pinnace_core.files import make_directory, write_atomic
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pinnace.config import Settings
    from pinnace.config.project import Workspace
    from pinnace.plan.user import UserMapping
    from pinnace_core.container import ContainerSpec, Mount, Tmpfs
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts


class Inputs(NamedTuple):
    """What contributors go by.

    Attributes:
        settings: of the launch.
        facts: the host.
        project: the workspace.
        user: who Claude runs as.
        engine: what kind it is.
        claude_arguments: for Claude, untouched.
        program: what runs inside: Claude, or a shell instead.
        dry_run: the plan is only shown: nothing may be started to make it.
    """

    settings: Settings
    facts: HostFacts
    project: Workspace
    user: UserMapping
    engine: EngineFacts
    claude_arguments: tuple[str, ...] = ()
    program: str = contract.CLAUDE_BINARY
    dry_run: bool = False


class Variable(NamedTuple):
    """A variable of Claude's.

    Attributes:
        name: of it.
        way: that its value takes. `plain`: in the client's arguments, for everybody to see.
            `by name`: in the client's environment. `secret`: in neither; its contributor brings it.
        value: None: the host's own.
    """

    name: str
    way: Literal["plain", "by name", "secret"]
    value: str | None = None

    def __repr__(self) -> str:
        """Return it without a value that may be secret: not even a debugger's list shows that."""
        return f"Variable({self.name}={self.value if self.way == 'plain' else '...'})"


def plain(name: str, value: str) -> Variable:
    """Return a variable that is no secret."""
    return Variable(name, "plain", value)


def by_name(name: str, value: str | None = None) -> Variable:
    """Return a variable that the client is told the name of."""
    return Variable(name, "by name", value)


class Resource(NamedTuple):
    """What must be there while the container runs.

    Attributes:
        acquire: sees that it is there; gives what has to be left in the end, if anything has.
        pending: says what acquiring it would do now, for a dry run; empty: nothing to speak of.
    """

    acquire: Callable[[ContainerSpec], AbstractContextManager[object] | None]
    pending: Callable[[], str] = str


def written(files: Mapping[Path, bytes], *, directory_mode: int = 0o755) -> Resource:
    """Return files that are readable for all, whatever the umask is: root may launch for others.

    Only what differs is written, in the order given: a running container has files mounted.
    """

    def differing() -> list[Path]:
        return [path for path, data in files.items() if _content(path) != data]

    def write(_: ContainerSpec) -> None:
        for path in differing():
            make_directory(path.parent).chmod(directory_mode)
            write_atomic(path, files[path])
            path.chmod(0o644)

    def pending() -> str:
        named = ", ".join(f"'{path}'" for path in differing())
        return f"write {named}" if named else ""

    return Resource(write, pending)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


class Contribution(NamedTuple):
    """What one contributor adds.

    Attributes:
        mounts: beside the workspace's.
        variables: of Claude's.
        notes: what the user should know; one line each.
        groups: supplementary groups inside.
        tmpfs: file systems in memory.
        wrapper: a program inside that runs what follows it: Claude.
        resources: in the order in which they are acquired.
    """

    mounts: tuple[Mount, ...] = ()
    variables: tuple[Variable, ...] = ()
    notes: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    wrapper: tuple[str, ...] = ()
    resources: tuple[Resource, ...] = ()


class LaunchPlan(NamedTuple):
    """A launch that is decided; nothing of it has been started.

    Attributes:
        spec: the container, final. Its name, image and labels are what the launch's record is of.
        variables: those that the client takes from its environment, with values of their own.
        resources: in the order in which they are acquired.
        notes: what the user should know; one line each.
    """

    spec: ContainerSpec
    variables: tuple[Variable, ...] = ()
    resources: tuple[Resource, ...] = ()
    notes: tuple[str, ...] = ()

    def pending(self) -> list[str]:
        """Say what a launch would have to do first; one line each."""
        return [text for resource in self.resources if (text := resource.pending())]
