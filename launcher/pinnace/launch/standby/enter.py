"""Take a container that waits, for one launch: claimed by one alone, entered, and ended with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace.launch.standby import inside, key, shelf, unfit
from pinnace_core.container import Execution
from pinnace_core.errors import PinnaceError
from pinnace_images import contract

if TYPE_CHECKING:
    from pinnace.launch.prepare import Prepared
    from pinnace.launch.standby import Standby
    from pinnace.plan import LaunchPlan
    from pinnace_core.engine import Engine


def reason(prepared: Prepared) -> str:
    """Return why none can be made for a launch, or taken by it; empty: one can."""
    if not prepared.here.engine.can_be_entered:
        return "this engine's containers are not entered yet"
    if prepared.here.config.settings.ports:
        # Whoever tries such a port enters the container by the same way, and may be first.
        return "its ports are open before it begins"
    return unfit(prepared.plan)


def claimed(prepared: Prepared) -> Standby | None:
    """Take one that was made from the very plan of a launch, whose resources are there.

    It has the launch's name then. None: there is none, or none that is sound: what is not is
    removed, so that the launch starts as it would without.
    """
    engine, plan = prepared.here.engine, prepared.plan
    if reason(prepared):
        return None
    try:
        waiting = shelf.waiting(key(plan))
    except OSError:
        return None
    for one in waiting:
        if one.program == engine.name and shelf.take(one):
            if _is_ours(engine, one, plan):
                shelf.forget(one)
                return one
            discard(engine, one)
    return None


def _is_ours(engine: Engine, one: Standby, plan: LaunchPlan) -> bool:
    """See that it is what its record says, and nobody was in it; give it the launch's name."""
    try:
        found = engine.glance(one.container)
        if found is None or found.id != one.container or found.name != one.name:
            return False
        marked = found.labels.get(contract.LABEL_RUN_STANDBY) == one.token
        if not (marked and found.state == "running" and found.image == plan.spec.image):
            return False
        if found.is_entered:
            return False
        engine.rename(one.container, plan.spec.name)
    except PinnaceError:
        return False
    return True


def discard(engine: Engine, one: Standby) -> bool:
    """End one, and forget it; return whether it is gone: otherwise it ends by itself, later."""
    try:
        found = engine.glance(one.container)
        # A record alone, which may be anybody's work, ends nobody's container.
        if found and found.labels.get(contract.LABEL_RUN_STANDBY) == one.token:
            engine.remove(one.container)
    except PinnaceError:
        return False
    finally:
        shelf.forget(one)
    return True


def argv(engine: Engine, one: Standby, plan: LaunchPlan) -> list[str]:
    """Spell the command that enters it; secrets are not in it."""
    spec = plan.spec
    execution = Execution(
        container=one.container,
        command=(*inside.untouched(spec), *plan.entered),
        interactive=spec.interactive,
        tty=spec.tty,
        environment_names=spec.environment_names,
        environment=spec.environment,
        in_file=spec.in_file,
        environment_file=spec.environment_file,
    )
    return engine.exec_argv(execution)
