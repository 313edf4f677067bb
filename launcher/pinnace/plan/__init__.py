"""Plan a launch: what every contributor (git, an account, a proxy ...) adds, as one frozen object.

Planning reads and decides; what writes or starts anything is a resource, which only a real launch
acquires. Named tuples, here and wherever a launch comes by: as frozen as dataclasses, but importing
and making those costs every launch 20 ms.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pinnace import agent
from pinnace.agent.arguments import mentioned, prints_only
from pinnace.config import levels
from pinnace.config.types import in_bytes
from pinnace.plan import held, named, reach
from pinnace_core.container import NO_NETWORK, SECCOMP, ContainerSpec, Mount, ordered, scratch
from pinnace_core.engine.facts import adapt
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pinnace.config import Settings
    from pinnace.config.project import Workspace
    from pinnace.plan.resources import Resource
    from pinnace.plan.user import UserMapping
    from pinnace.plan.variables import Variable
    from pinnace_core.container import Tmpfs
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts
    from pinnace_images.versions import CliVersion


_NAME_LENGTH: Final = 40
# Core dumps would lie in the project. On open files, the engine's own limit stays: nothing tells
# what it is, and one above it (of an engine in a container, say) would fail every launch.
_ULIMITS: Final = (("fsize", 64 << 30), ("core", 0))
# At Ctrl-Z Claude stops itself, and inside there is no shell to resume it from: the terminal would
# hang for ever. So one stands by, and only for that.
_UNSUSPENDED: Final = (
    contract.SHELL,
    "-mc",
    '"$@"; code=$?; while [ -n "$(jobs -s)" ]; do fg >/dev/null; code=$?; done; exit "$code"',
    "claude",
)


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
        tools: that the project's image has, besides.
        version: of the CLI in the image; None: nobody asked.
        dry_run: the plan is only shown: nothing may be started to make it.
        nonce: makes the launch's name unique.
        image: the id.
        ask: runs a script in the image, alone; returns what it says.
        gateway: gives the commands that run a gateway's container, and remove it.
        relay: gives the network of a launch's own, and a relay on it, as what must be there;
            it takes the relay's container and its directory.
        level: of isolation.
        mount_table: the kernel's list of mounts; empty where containers have another kernel.
        files: of this launch alone, by their names.
        variables: of Claude's, that the request gives a value.
    """

    settings: Settings
    facts: HostFacts
    project: Workspace
    user: UserMapping
    engine: EngineFacts
    claude_arguments: tuple[str, ...] = ()
    program: str = contract.CLAUDE_BINARY
    tools: tuple[str, ...] = ()
    version: CliVersion | None = None
    dry_run: bool = False
    nonce: str = ""
    image: str = ""
    ask: Callable[[str], str] | None = None
    gateway: Callable[[ContainerSpec], Mapping[str, Any]] | None = None
    relay: Callable[[ContainerSpec, Path], Resource] | None = None
    level: levels.Level = levels.STANDARD
    mount_table: str = ""
    files: Mapping[str, str] = MappingProxyType({})
    variables: Mapping[str, str] = MappingProxyType({})

    @property
    def given(self) -> dict[str, str]:
        """The variables that have a value of the user's, whatever the host's is."""
        return {**agent.given_values(self.settings.environment_names), **self.variables}

    @property
    def name(self) -> str:
        """The container's."""
        return f"pinnace-{_slug(self.project.target)}-{self.nonce}"

    @property
    def apart(self) -> bool:
        """Whether something else than the project itself is written to."""
        return self.settings.workspace != "bind" or bool(self.settings.layer)


class Contribution(NamedTuple):
    """What one contributor adds.

    Attributes:
        mounts: beside the workspace's.
        variables: of Claude's.
        notes: what the user should know; one line each.
        groups: supplementary groups inside.
        tmpfs: file systems in memory.
        wrapper: a program inside that runs what follows it: Claude.
        relays: likewise, one that goes on beside it, and is the same for all launches.
        private: name of the network of its own that the launch has; empty: none.
        arguments: for Claude, before the user's.
        labels: of the container.
        in_file: names of variables whose values the client reads from `environment_file`.
        environment_file: lines of NAME=VALUE; its contributor brings it.
        resources: in the order in which they are acquired.
    """

    mounts: tuple[Mount, ...] = ()
    variables: tuple[Variable, ...] = ()
    notes: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    wrapper: tuple[str, ...] = ()
    relays: tuple[str, ...] = ()
    private: str = ""
    arguments: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    in_file: tuple[str, ...] = ()
    environment_file: str = ""
    resources: tuple[Resource, ...] = ()


class LaunchPlan(NamedTuple):
    """A launch that is decided; nothing of it has been started.

    Attributes:
        spec: the container, final. Its name, image and labels are what the launch's record is of.
        variables: those that the client takes from its environment, with values of their own.
        resources: in the order in which they are acquired.
        notes: what the user should know; one line each.
        relays: the part of the container's command that goes on beside Claude.
        entered: the rest of it: what is run where that part runs already.
    """

    spec: ContainerSpec
    variables: tuple[Variable, ...] = ()
    resources: tuple[Resource, ...] = ()
    notes: tuple[str, ...] = ()
    relays: tuple[str, ...] = ()
    entered: tuple[str, ...] = ()

    def pending(self) -> list[str]:
        """Say what a launch would have to do first; one line each."""
        return [text for resource in self.resources if (text := resource.pending())]


def plan(
    inputs: Inputs,
    contributions: Sequence[Contribution],
    *,
    image: str,
    labels: tuple[tuple[str, str], ...] = (),
) -> LaunchPlan:
    """Decide how Claude is run.

    Args:
        inputs: what the contributors went by.
        contributions: of all of them.
        image: the id of a verified image.
        labels: of the container, besides the workspace's.

    Raises:
        UnsafeRequestError: as `reach.require_out_of_reach`.
    """
    settings, facts, project, user = inputs.settings, inputs.facts, inputs.project, inputs.user
    program = inputs.program
    # Printing needs no terminal; with one, a launch in the background would be stopped.
    in_memory = in_bytes(settings.memory) // 2
    printing = program == contract.CLAUDE_BINARY and prints_only(inputs.claude_arguments)
    tty = facts.stdin_tty and facts.stdout_tty and not printing
    variables = [variable for c in contributions for variable in c.variables]
    private = next((c.private for c in contributions if c.private), "")
    usual = outward_name(private) if private else ""
    marked = (
        *(((contract.LABEL_RUN_NETWORK, private),) if private else ()),
        *(label for c in contributions for label in c.labels),
    )
    mounts = ordered(
        (Mount(project.source, project.target), *(m for c in contributions for m in c.mounts))
    )
    own = [str(place) for place, _, _ in reach.directories(facts)]
    around = (
        # A shell stands for itself.
        *(_UNSUSPENDED if tty and program == contract.CLAUDE_BINARY else ()),
        *held.wrapper(inputs, mounts, own),
        *(word for c in contributions for word in c.wrapper),
    )
    relays = tuple(word for c in contributions for word in c.relays)
    claude = (
        program,
        *(word for c in contributions for word in c.arguments),
        *named.renamed(inputs),
    )
    wanted = ContainerSpec(
        image=image,
        command=(*around, *relays, *claude),
        name=inputs.name,
        workdir=project.workdir,
        # Also where the image's own would do: that it has this one is only what its label says.
        user=(user.uid, user.gid),
        mounts=mounts,
        # Two contributors may want the same one; the engine refuses it twice.
        tmpfs=tuple(
            dict.fromkeys(
                (
                    *scratch(contract.HOME, user.uid, user.gid, size=in_memory),
                    *(t for c in contributions for t in c.tmpfs),
                )
            )
        ),
        environment_names=_names(inputs, variables),
        environment=_plain(inputs, variables),
        in_file=_in_file(contributions, variables),
        environment_file=next(
            (c.environment_file for c in contributions if c.environment_file), ""
        ),
        labels=((contract.LABEL_RUN_WORKSPACE, project.source), *marked, *labels),
        network=usual if inputs.level.network else NO_NETWORK,
        private=private,
        memory=settings.memory,
        pids=settings.pids,
        cpus=settings.cpus,
        shm_size=settings.shm_size,
        ulimits=_ULIMITS,
        gpus=settings.gpus,
        devices=settings.devices,
        runtime=settings.runtime,
        seccomp=SECCOMP,
        # A terminal that nobody is asked at: Claude would wait for a prompt to be piped.
        interactive=not facts.stdin_tty or (facts.stdout_tty and not printing),
        tty=tty,
        userns=user.userns,
        groups=tuple(sorted({*user.groups, *(group for c in contributions for group in c.groups)})),
    )
    if inputs.level.read_only:
        wanted = wanted._replace(mounts=tuple(map(_locked, wanted.mounts)))
    spec, unfit = adapt(wanted, inputs.engine)
    reach.require_out_of_reach(spec.mounts, facts)
    absent = _absent(inputs, spec.mounts)
    stated = (*settings.environment_names, *inputs.variables)
    unknown = agent.unknown_names(facts.environment, extra=stated)
    notes = (
        *(user.note, *unfit, *absent, *(note for c in contributions for note in c.notes)),
        f"stays outside: {', '.join(unknown)}; --env NAME takes it along" if unknown else "",
    )
    return LaunchPlan(
        spec,
        variables=tuple(v for v in variables if v.way == "by name" and v.value is not None),
        resources=tuple(resource for c in contributions for resource in c.resources),
        notes=tuple(note for note in notes if note),
        relays=relays,
        entered=(*around, *claude),
    )


def outward_name(private: str) -> str:
    """Name the network that leads out, of a launch that has one of its own that does not."""
    return f"{private}-out"


def _locked(mount: Mount) -> Mount:
    """Let nothing be written but what Claude keeps for itself."""
    return mount._replace(read_only=mount.read_only or mount.target != contract.CONFIG_DIR)


def _absent(inputs: Inputs, mounts: Iterable[Mount]) -> Iterator[str]:
    """Say what a prompt points Claude at that is not inside."""
    if inputs.program != contract.CLAUDE_BINARY:
        return
    targets = [PurePosixPath(mount.target) for mount in mounts]
    for name in mentioned(inputs.claude_arguments):
        path = PurePosixPath(inputs.project.workdir, name.replace("~", inputs.facts.home, 1))
        there = any(path.is_relative_to(target) for target in targets)
        if not there and not path.is_relative_to("/tmp"):  # noqa: S108 (inside)
            yield f"'{name}' is not inside: --mount {path} takes it along, read-only"


def _names(inputs: Inputs, variables: Iterable[Variable]) -> tuple[str, ...]:
    """Name what the client passes on; what goes in by another way does not go in by name, too."""
    extra = inputs.settings.environment_names
    own = agent.passed_names(inputs.facts.environment, extra=extra)
    ways = [(v.name, v.way == "by name") for v in variables]
    names = {*own, *(name for name, named in ways if named)}
    return tuple(sorted(names - {name for name, named in ways if not named} - inputs.given.keys()))


def _plain(inputs: Inputs, variables: Iterable[Variable]) -> tuple[tuple[str, str], ...]:
    """Return what has a value of its own; what the user gave a value has that."""
    values = {v.name: v.value or "" for v in variables if v.way == "plain"}
    fixed = {v.name: v.value or "" for v in variables if v.way == "fixed"}
    secret = {v.name for v in variables if v.way == "secret"}
    kept = {name: value for name, value in inputs.given.items() if name not in secret}
    return tuple((values | kept | fixed).items())


def _in_file(
    contributions: Iterable[Contribution], variables: Iterable[Variable]
) -> tuple[str, ...]:
    """Name what the client reads from a file; what nobody can change has its value here."""
    others = {v.name for v in variables if v.way in {"fixed", "secret"}}
    return tuple(name for c in contributions for name in c.in_file if name not in others)


def _slug(path: str) -> str:
    name = PurePosixPath(path).name.lower()
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name).strip("-")
    return kept[:_NAME_LENGTH] or "project"
