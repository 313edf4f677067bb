"""The launch: context, image, plan, resources, hand-over, record. What is said, is said here."""

from __future__ import annotations

import gc
import os
import time
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pinnace import image as images
from pinnace.agent.arguments import require_asking, require_possible
from pinnace.agent.project_settings import require_approved
from pinnace.config import pin_edit
from pinnace.context import load_context
from pinnace.image import decide, last_version
from pinnace.launch import records, reviews
from pinnace.launch.handover import hand_over, wait_for_foreground
from pinnace.plan import Inputs, contributors, held, plan
from pinnace.plan.reach import require_foreign, require_out_of_reach
from pinnace.plan.user import map_user
from pinnace_core import console, signals
from pinnace_core.container import Mount
from pinnace_core.engine import require_client, suitable_facts
from pinnace_core.engine.facts import adapt
from pinnace_core.image import alone, missing
from pinnace_core.image import run as run_alone
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pinnace.context import Context
    from pinnace.image.decide import Wanted
    from pinnace.plan import LaunchPlan, Resource
    from pinnace.request import RunRequest
    from pinnace_core.container import ContainerSpec
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts
    from pinnace_core.image import Image
    from pinnace_images.versions import CliVersion

# What docker and podman exit with when they could not start a container.
_REFUSED: Final = 125
_KILLED: Final = 137


def run(request: RunRequest, facts: HostFacts) -> int:
    """Launch; return the exit code of what was run.

    Raises:
        PinnaceError: any of its kinds, before anything was started; or the image went away.
    """
    here = load_context(request, facts)
    asked = (Mount(*one) for one in here.config.settings.mounts)
    require_foreign([Mount(here.project.source, here.project.target), *asked], facts)
    return launched(here)


def launched(here: Context) -> int:
    """Launch where everything is read; otherwise as `run`."""
    clock, request = Clock(), here.request
    _require_sound(here)
    if here.config.pending:
        notes = "; ".join(one.note for one in here.config.pending)
        console.stderr(f"pinnace: {notes}; see them: pinnace trust")
    wanted = images.wanted(here)
    last_version.require(here, wanted.version)
    clock.mark("settings, pin")
    about = suitable_facts(here.engine, keep=not request.dry_run)
    image = _image(here, wanted)
    pin_edit.require_locked(image, wanted.version, here.locked)
    clock.mark("image")
    launch = _planned(here, about, image.id, wanted.version)
    clock.mark("plan")
    if request.dry_run:
        _show(launch, here)
        return 0
    last_version.remember(here, wanted.version)
    if launch.spec.tty:
        wait_for_foreground()
    code = _start(launch, here, image)
    clock.mark("run")
    _explain(code, here, image)
    if launch.spec.tty and code == 0 and not request.claude_arguments:
        # Claude's own last line names a command that may not be on this machine.
        console.stderr("pinnace: to resume it: pinnace --resume, or pinnace --continue")
    if request.timing:
        for line in described(clock.steps):
            console.stderr(f"pinnace: {line}")
    return code


def _require_sound(here: Context) -> None:
    """Refuse a launch before anything is said, made or prepared that would be in vain.

    Raises:
        ClientMissingError: nobody can be handed over to.
        UnsafeRequestError: what is Pinnace's own, or the user's home, would be open; or the project
            has something run beside a network, and nobody approved that.
        UsageError: Claude's arguments are a slip, or cannot do what they say.
    """
    request, facts, project = here.request, here.facts, here.project
    if not request.dry_run:
        require_client(here.engine, facts.environment)
    own = Mount(project.source, project.target, read_only=here.config.level.read_only)
    covers = (f"{project.target}/{name}" for name in here.config.settings.private)
    private = (Mount(os.devnull, target, read_only=True) for target in covers)
    require_out_of_reach([own, *private], facts)
    if request.program == contract.CLAUDE_BINARY:
        require_possible(request.claude_arguments)
        if here.config.level.network:
            require_asking(request.claude_arguments)
            require_approved(project, facts)


def _explain(code: int, here: Context, image: Image) -> None:
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
    if here.config.settings.workspace == "review":
        console.stderr("pinnace: if it could not put a layer over the project: --clone needs none")


def _image(here: Context, wanted: Wanted) -> Image:
    decision = decide.decide_image(here, wanted)
    if not here.request.dry_run:
        return images.obtain(here, decision)
    if decision.note:
        console.stderr(f"pinnace: {decision.note}")
    _announce(images.pending(decision))
    return images.require_present(here, decision)


def _announce(pending: Iterable[str]) -> None:
    for text in pending:
        console.stderr(f"pinnace: a launch would first {text}")


def _planned(here: Context, about: EngineFacts, image: str, version: CliVersion) -> LaunchPlan:
    request, facts, project = here.request, here.facts, here.project
    settings = here.config.settings
    user = map_user(facts, project, about, agent=settings.user_agent)
    inputs = Inputs(
        settings=settings,
        level=here.config.level,
        facts=facts,
        project=project,
        user=user,
        engine=about,
        claude_arguments=request.claude_arguments,
        program=request.program,
        tools=decide.tools_of(here),
        version=version,
        dry_run=request.dry_run,
        nonce=os.urandom(3).hex(),
        image=image,
        ask=partial(_said_inside, here, image),
        gateway=partial(_gateway_commands, here, about),
        relay=partial(_relay, here, about),
        mount_table=held.read(facts, about, settings.runtime),
    )
    return plan(
        inputs,
        contributors.contribute(inputs),
        image=image,
        # A line that is pasted has another launcher.
        labels=records.labels(version, None if request.dry_run else records.current()),
    )


def _gateway_commands(here: Context, about: EngineFacts, spec: ContainerSpec) -> dict[str, Any]:
    """Return the commands of a gateway's container; its image is built if there is none."""
    found = _beside(here, about, spec)
    volumes = (mount.source for mount in found.mounts if mount.volume)
    return {
        "run": here.engine.argv(found),
        "remove": here.engine.remove_argv(found.name),
        "clean": [here.engine.remove_volume_argv(volume) for volume in volumes],
    }


def _beside(here: Context, about: EngineFacts, spec: ContainerSpec) -> ContainerSpec:
    """Return a container of the gateway's image as the engine runs it; built if there is none."""
    made = spec._replace(image=images.gateway(here), runtime=about.shared_runtime)
    return adapt(made, about).spec


def _relay(here: Context, about: EngineFacts, spec: ContainerSpec, place: Path) -> Resource:
    from pinnace.launch import private_network

    return private_network.resource(
        here.engine,
        spec,
        place,
        outward=here.config.level.network,
        ready=partial(_beside, here, about),
    )


def _said_inside(here: Context, image: str, script: str) -> str:
    """Run a script in an image, alone; return what it says."""
    ids = (contract.AGENT_UID, contract.AGENT_GID)
    spec = alone(image, script, home=contract.HOME, owner=ids)._replace(user=ids)
    return run_alone(here.engine, spec).output


def _show(launch: LaunchPlan, here: Context) -> None:
    from pinnace_core.quoting import line

    _announce(launch.pending())
    console.stderr(f"pinnace: isolation {here.config.settings.isolation}: pinnace isolation show")
    argv = here.engine.argv(launch.spec)
    print(line(argv, here.facts))  # noqa: T201 (no click on this path)


def _start(launch: LaunchPlan, here: Context, image: Image) -> int:
    argv = here.engine.argv(launch.spec)
    environment = {**here.facts.environment, **{v.name: v.value or "" for v in launch.variables}}
    record = records.Record(launch.spec.name, here.engine.name, dict(launch.spec.labels))
    # What is there stays: looking through it again costs 3 ms.
    gc.freeze()
    gc.enable()
    # While the client runs, its signals are blocked here and passed on; before and after, they end
    # this process by an exception.
    watch = reviews.Watch(here, launch.spec)
    with signals.unwinding(all_alike=True), acquired(launch), _opened(launch, here), watch:
        for note in launch.notes:
            console.stderr(f"pinnace: {note}")
        run = _audited(launch, here, image, lambda: hand_over(argv, environment, watch.begin))
        return records.watched(record, run, warn=console.stderr)


def _audited(
    launch: LaunchPlan, here: Context, image: Image, run: Callable[[], int]
) -> Callable[[], int]:
    """Return what runs a launch and notes it in the audit record, unless the user wants none."""
    settings = here.config.settings
    if not settings.audit:
        source = here.config.values["audit.enabled"].source
        console.stderr(f"pinnace: the audit record is off ({source}): this launch is not in it")
        return run
    from pinnace.audit import record, watch

    content = record.of_launch(here, launch, image)
    return lambda: watch.recorded(content, run, watch.limits_of(settings))


def _opened(launch: LaunchPlan, here: Context) -> AbstractContextManager[object]:
    """Open the ports that the settings name, while it runs."""
    texts = here.config.settings.ports
    if not texts:
        return nullcontext()
    from pinnace.launch import ports

    return ports.opened(here.engine, launch.spec.name, [ports.parse(text) for text in texts])


class Step(NamedTuple):
    """A step of a launch, and how long it took, in seconds."""

    name: str
    seconds: float


class Clock:
    """Notes the end of each step. Always on: a note costs less than a microsecond."""

    def __init__(self) -> None:
        """Begin; what came before is told by the processor time that this process has used.

        Nothing else knows when it was started: Linux keeps that moment in hundredths of a second.
        """
        self.steps = [Step("python, imports", time.process_time())]
        self._last = time.perf_counter()

    def mark(self, name: str) -> None:
        """Note that a step has ended."""
        now = time.perf_counter()
        self.steps.append(Step(name, now - self._last))
        self._last = now


def described(steps: list[Step]) -> list[str]:
    """Describe steps, the last of which is the run itself: a line each, in milliseconds."""
    ours = sum(step.seconds for step in steps[:-1])
    total = [*steps[:-1], Step("before the hand-over", ours), steps[-1]]
    return [f"{step.seconds * 1000:9.1f} ms  {step.name}" for step in total]


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
