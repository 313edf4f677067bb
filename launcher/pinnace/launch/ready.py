"""Have ready what a launch needs while it runs, and see to what it leaves."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from pinnace.config import NEVER
from pinnace.image import last_version
from pinnace.launch import records, reviews, way
from pinnace.launch.meter import Meter
from pinnace_core import console, signals
from pinnace_core.image import missing
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from pinnace.audit.record import Seen
    from pinnace.context import Context
    from pinnace.launch.prepare import Prepared
    from pinnace.launch.records import Record
    from pinnace.plan import LaunchPlan
    from pinnace_core.container import ContainerSpec
    from pinnace_core.image import Image

# What docker and podman exit with when they could not start a container.
_REFUSED: Final = 125
_KILLED: Final = 137
# Settings whose values only the engine can judge.
_OF_ENGINE: Final = (
    *("run.memory", "run.pids", "run.cpus", "run.shm-size", "run.gpus", "run.devices"),
    *("run.runtime", "run.mounts", "image.image"),
)


class Outcome:
    """What became of a launch, as whoever runs it says.

    Attributes:
        code: of the exit; None: it was not started, or nothing is known.
        is_gone: it was seen to that the container is gone, whatever the exit code is.
    """

    __slots__ = ("code", "is_gone")

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.code: int | None = None
        self.is_gone = False

    def is_over(self) -> bool:
        """Return whether the container does not go on: it does if it was the client that died."""
        return self.is_gone or self.code != _KILLED


class Ready(NamedTuple):
    """What there is to start.

    Attributes:
        argv: of the engine's client.
        environment: of the client, secrets among it.
        spec: the container.
        record: of the launch; it is kept already.
        image: that it is made from.
        begin: to be called as soon as the client was started; it returns at once.
        outcome: to be filled in.
        pass_on: sends a signal, by its name, to what runs; None: the client passes signals on.
        finish: to be called when the client has ended: ends what is left of the container, and
            tells whether it is known to be gone.
    """

    argv: list[str]
    environment: dict[str, str]
    spec: ContainerSpec
    record: Record
    image: Image
    begin: Callable[[], None]
    outcome: Outcome
    pass_on: Callable[[str], None] | None
    finish: Callable[[], bool]


@contextmanager
def ready(prepared: Prepared) -> Iterator[Ready]:
    """Have all that a launch needs: it is released in the end, whatever the end is.

    Resources, open ports, the look at the user's files, the record of what runs, and the entries
    of the audit record. Signals are the caller's to see to; notes go to `console.stderr`.

    Raises:
        PinnaceError: something cannot be had; nothing was started.
    """
    last_version.remember(prepared.here, prepared.version)
    outcome = Outcome()
    with (
        acquired(prepared.plan),
        _at_home(prepared, outcome) as launch,
        _having(launch, outcome) as now,
    ):
        yield now
    way.prepare_next(prepared)


@contextmanager
def _having(prepared: Prepared, outcome: Outcome) -> Iterator[Ready]:
    """Likewise, where the plan's resources are there."""
    here, launch = prepared.here, prepared.plan
    environment = {**here.facts.environment, **{v.name: v.value or "" for v in launch.variables}}
    meter = Meter(here.engine, launch.spec.name)
    audit = here.config.settings.audit
    looks = _Looks(outcome, reviews.Watch(here, launch.spec), meter, is_measured=audit)
    with (
        _opened(launch, here),
        way.chosen(prepared) as chosen,
        # What is seen of it in the end is known when its end is noted.
        _audited(prepared, looks.seen, chosen.about),
        looks.watch,
    ):
        for note in launch.notes:
            console.stderr(f"pinnace: {note}")
        labels = {**dict(launch.spec.labels), **chosen.labels}
        record = records.Record(launch.spec.name, here.engine.name, labels)
        with records.kept(record, is_over=looks.outcome.is_over), meter:
            try:
                yield Ready(
                    chosen.argv,
                    environment,
                    launch.spec,
                    record,
                    prepared.image,
                    looks.begin,
                    looks.outcome,
                    chosen.pass_on,
                    chosen.finish,
                )
            finally:
                # Before anybody looks at what it has left.
                looks.outcome.is_gone = chosen.finish() or looks.outcome.is_gone


def _at_home(prepared: Prepared, outcome: Outcome) -> AbstractContextManager[Prepared]:
    """Have what launches before it have kept, if the user wants that."""
    if prepared.here.config.settings.reuse == NEVER:
        return nullcontext(prepared)
    from pinnace.launch import reuse

    return reuse.kept(prepared, outcome.is_over)


class _Looks(NamedTuple):
    """Who looks at a launch, and sees what becomes of it."""

    outcome: Outcome
    watch: reviews.Watch
    meter: Meter
    is_measured: bool

    def begin(self) -> None:
        """Begin to look; it returns at once."""
        self.watch.begin()
        # For the audit record alone.
        if self.is_measured:
            self.meter.begin()

    def seen(self) -> Seen:
        """Return what was seen, in the end."""
        from pinnace.audit.record import Seen

        used = self.meter.usage.known()
        return Seen(self.outcome.code, self.meter.seconds, used, self.watch.gone)


def _audited(
    prepared: Prepared, seen: Callable[[], Seen], about: Mapping[str, object]
) -> AbstractContextManager[object]:
    """Note a launch in the audit record, unless the user wants none."""
    here = prepared.here
    settings = here.config.settings
    if not settings.audit:
        source = here.config.values["audit.enabled"].source
        console.stderr(f"pinnace: the audit record is off ({source}): this launch is not in it")
        return nullcontext()
    from pinnace.audit import record, watch

    content = {**record.of_launch(here, prepared.plan, prepared.image), **about}
    if any(mount.target == contract.HOME for mount in prepared.plan.spec.mounts):
        content["reuse"] = settings.reuse
    return watch.around(content, watch.limits_of(settings), seen)


def _opened(launch: LaunchPlan, here: Context) -> AbstractContextManager[object]:
    """Open the ports that the settings name, while it runs."""
    texts = here.config.settings.ports
    if not texts:
        return nullcontext()
    from pinnace.launch import ports

    return ports.opened(here.engine, launch.spec.name, [ports.parse(text) for text in texts])


@contextmanager
def acquired(plan: LaunchPlan) -> Iterator[None]:
    """Acquire what a plan needs, and release it in the end, whatever the end is.

    Raises:
        PinnaceError: something cannot be had.
    """
    stack = ExitStack()
    try:
        for resource in plan.resources:
            held = resource.acquire(plan.spec)
            if held is not None:
                stack.enter_context(held)
        yield
    finally:
        with signals.ignored():
            stack.close()


def explain(code: int, here: Context, image: Image) -> None:
    """Say what an exit code means that is not Claude's own.

    Raises:
        ImageMissingError: the image went away.
        EngineUnavailableError: the engine did.
    """
    if code == _KILLED:
        limit = here.config.settings.memory
        console.stderr(
            f"pinnace: killed from outside (SIGKILL): by hand, or for more memory than the limit, "
            f"{limit}: --memory, run.memory"
        )
    if code != _REFUSED:
        return
    if here.engine.image(image.id) is None:
        raise missing(image.id)
    console.stderr(
        "pinnace: the engine did not start the container; if a path is said to be missing, it does "
        "not see this machine's: pinnace doctor"
    )
    values = {name: here.config.values[name] for name in _OF_ENGINE}
    given = [f"{n} ({v.source})" for n, v in values.items() if v.source != "default"]
    if given:
        console.stderr(f"pinnace: if it refuses a value, that is one of {', '.join(given)}")
    if here.config.settings.workspace == "review":
        console.stderr("pinnace: if it could not put a layer over the project: --clone needs none")
