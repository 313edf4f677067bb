"""Containers of launches: what they say about themselves, and which one a name means."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pinnace.launch import records
from pinnace.launch.owner import Launcher, current
from pinnace.launch.standby import PREFIX, inside
from pinnace.launch.standby.shelf import is_stocked
from pinnace_core.container import Container as ContainerRecord
from pinnace_core.container import Execution
from pinnace_core.errors import AmbiguousNameError, LaunchMissingError
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from pinnace.context import Context
    from pinnace_core.engine import Engine
    from pinnace_core.host import HostFacts

# The engine takes that long at most, on a busy machine, from the client's start to the container's.
_COMING_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.05
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


class Container(ContainerRecord):
    """A container that was made by a launch, and what its labels say."""

    __slots__ = ()

    @property
    def workspace(self) -> str:
        """The host's path."""
        return self.labels.get(contract.LABEL_RUN_WORKSPACE, "")

    @property
    def version(self) -> str:
        """The CLI's, as the launch said."""
        own = self.labels.get(contract.LABEL_RUN_VERSION)
        return own or self.labels.get(contract.LABEL_VERSION, "")

    @property
    def waits(self) -> bool:
        """Whether it was made ahead of a launch, and none has taken it yet."""
        return contract.LABEL_RUN_STANDBY in self.labels and self.name.startswith(PREFIX)

    @property
    def launcher(self) -> Launcher | None:
        """Who launched it, if that is known."""
        return Launcher.from_labels(self.labels)

    def age(self, now: datetime) -> int | None:
        """Return its age in whole seconds, if that is known."""
        return None if self.created is None else max(0, int((now - self.created).total_seconds()))


def of_launches(engine: Engine) -> list[Container]:
    """Return the containers of launches, running or not, the oldest first.

    Raises:
        PinnaceError: of `Engine`.
    """
    found = map(Container._make, engine.containers(contract.LABEL_RUN_WORKSPACE))
    return [_of_launch(one) for one in found if not one.waits]


def that_wait(engine: Engine) -> list[Container]:
    """Return the containers that no launch has taken yet, the oldest first.

    Raises:
        PinnaceError: of `Engine`.
    """
    if not is_stocked():
        return []
    found = map(Container._make, engine.containers(contract.LABEL_RUN_STANDBY))
    return [one for one in found if one.waits]


def _of_launch(one: Container) -> Container:
    """Return a container, with what its launch's record says where it was made ahead of that."""
    record = records.read(one.name) if contract.LABEL_RUN_STANDBY in one.labels else None
    if record is None or not record.is_of(one.labels):
        return one
    begun = datetime.fromtimestamp(records.begun(one.name), UTC)
    return one._replace(labels={**one.labels, **record.labels}, created=begun)


def plan_execution(container: Container, command: Sequence[str], facts: HostFacts) -> Execution:
    """Decide how a command is run in a container; terminals as a launch decides them."""
    tty = facts.stdin_tty and facts.stdout_tty
    # Of what was made ahead of its launch, the container has no variables.
    around = inside.as_entered() if contract.LABEL_RUN_STANDBY in container.labels else ()
    # The other terminal may be of another kind.
    names = tuple(name for name in ("COLORTERM", "TERM") if tty and facts.environment.get(name))
    return Execution(
        container=container.id,
        command=(*around, *command),
        interactive=facts.stdout_tty or not facts.stdin_tty,
        tty=tty,
        environment_names=names,
    )


def noted(
    verb: str, container: Container, command: Sequence[str], here: Context, run: Callable[[], int]
) -> int:
    """Run something in a launch, noted in the audit record if there is one; return its exit code.

    Args:
        verb: `exec`, `shell` or `port`.
        container: the launch's.
        command: what runs there.
        here: facts and settings.
        run: gives the exit code.

    Raises:
        PinnaceError: it cannot be noted, so it is not run.
    """
    if not here.config.settings.audit:
        return run()
    from pinnace.audit import record, watch

    launcher = dict(current().labels())
    content = record.of_command(verb, container, command, here.facts, launcher)
    return watch.recorded(content, run, watch.limits_of(here.config.settings))


def of_workspace(containers: Iterable[Container], workspace: str) -> list[Container]:
    """Return those of one project."""
    return [one for one in containers if one.workspace == workspace]


def started(engine: Engine) -> list[Container]:
    """Return those that run; one that was detached a moment ago is waited for.

    Raises:
        PinnaceError: of `Engine`.
    """
    while True:
        found = running(of_launches(engine))
        if not _one_is_coming({one.name for one in found}):
            return found
        time.sleep(_PAUSE_SECONDS)


def _one_is_coming(names: Collection[str]) -> bool:
    """Return whether a launch that was just detached has no container yet."""
    from pinnace.launch import jobs

    young = (job for job in jobs.all_of() if 0 <= time.time() - job.begun < _COMING_SECONDS)
    return any(job.name not in names and jobs.state_of(job) == "running" for job in young)


def running(containers: Iterable[Container]) -> list[Container]:
    """Return those that run."""
    return [one for one in containers if one.is_running]


def named(containers: Sequence[Container], name: str) -> Container:
    """Return the one that a name means: the whole name or id, or a part of just one name.

    Raises:
        LaunchMissingError: none.
        AmbiguousNameError: more than one.
    """
    for one in containers:
        if name in {one.name, one.id}:
            return one
    fitting = [one for one in containers if name and (name in one.name or one.id.startswith(name))]
    if not fitting:
        known = ", ".join(one.name for one in containers)
        raise LaunchMissingError(
            f"no running launch is called '{name}'",
            hint=f"running: {known}" if known else "nothing runs; see: pinnace ps --all",
        )
    if len(fitting) > 1:
        raise _ambiguous(f"'{name}' fits {len(fitting)} running launches", fitting)
    return fitting[0]


def only(containers: Sequence[Container], workspace: str) -> Container:
    """Return the one launch of a project.

    Raises:
        LaunchMissingError: it has none.
        AmbiguousNameError: it has more than one.
    """
    if not containers:
        raise LaunchMissingError(
            f"no launch is running in '{workspace}'",
            hint="start one: pinnace; those of other projects: pinnace ps --all",
        )
    if len(containers) > 1:
        raise _ambiguous(f"{len(containers)} launches are running in '{workspace}'", containers)
    return containers[0]


def _ambiguous(message: str, containers: Iterable[Container]) -> AmbiguousNameError:
    names = ", ".join(one.name for one in containers)
    return AmbiguousNameError(message, hint=f"name one of them: {names}")


def age_text(seconds: int | None) -> str:
    """Write an age for people, in its largest unit."""
    if seconds is None:
        return "?"
    unit, size = next((u for u in _UNITS if seconds >= u[1]), _UNITS[-1])
    return f"{seconds // size}{unit}"
