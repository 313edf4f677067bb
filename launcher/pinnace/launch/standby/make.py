"""Make containers that wait, as many as are wanted, and throw away those that nobody will take."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Final

from pinnace.config import NEVER
from pinnace.launch import owner
from pinnace.launch.ready import acquired
from pinnace.launch.standby import IDLE_SECONDS, MOST, Standby, enter, inside, key, shelf
from pinnace_core.engine import named
from pinnace_core.errors import BusyError, EngineUnavailableError, EngineUnsuitableError
from pinnace_core.files import make_directory
from pinnace_core.locks import file_lock
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pinnace.launch.prepare import Prepared
    from pinnace.request import RunRequest
    from pinnace_core.container import ContainerSpec
    from pinnace_core.engine import Engine

_PATIENCE_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.02
# Settings that the container does not depend on.
_OF_A_CALL: Final = ("run.environment", "run.session", "run.standby")
_HINT: Final = "it starts without; see: pinnace help standby"


def fill(prepared: Prepared, count: int) -> list[Standby]:
    """See that `count` wait for launches of a plan; return those that were made.

    Raises:
        EngineUnsuitableError: none can be made ahead of such a launch.
        BusyError: a launch is in the home that the next one is to have.
        PinnaceError: one does not start; or something that a launch needs cannot be had.
    """
    why = enter.reason(prepared)
    if why:
        raise EngineUnsuitableError(f"no container can wait for this launch: {why}", hint=_HINT)
    make_directory(shelf.directory(), mode=0o700)
    with file_lock(shelf.directory() / "make.lock"), acquired(prepared.plan):
        if prepared.here.config.settings.reuse == NEVER:
            return _filled(prepared, count)
        from pinnace.launch import reuse

        with reuse.held(prepared) as own:
            if own is None:
                raise BusyError(
                    "a launch is in the home that is kept here", hint="wait for its end"
                )
            # Who is in it could prepare it for the second one that waits.
            return _filled(own, count if reuse.place_of(own.plan.spec) is None else min(count, 1))


def _filled(prepared: Prepared, count: int) -> list[Standby]:
    wanted = key(prepared.plan)
    _drop(_outdated(prepared, wanted))
    # So many and no more: one whose record cannot be read would be made for ever.
    missing = count - len(shelf.waiting(wanted))
    made = [_made(prepared, wanted) for _ in range(missing)]
    _drop(_too_many(count, wanted))
    return made


def asked(request: RunRequest) -> str:
    """Identify what a launch was asked for, its prompt aside."""
    flags = {name: value for name, value in request.flags.items() if name not in _OF_A_CALL}
    about = (request.claude_version, flags, request.program)
    return json.dumps(about, sort_keys=True, default=str)


def _outdated(prepared: Prepared, wanted: str) -> Iterable[Standby]:
    """Yield those of the same request whose plan is not the same any more, or that are gone."""
    engine, project = prepared.here.engine, prepared.here.project.source
    for one in shelf.all_waiting():
        if one.project != project or one.program != engine.name:
            continue
        is_same = one.key == wanted
        if (not is_same and one.asked == asked(prepared.here.request)) or (
            is_same and engine.glance(one.container) is None
        ):
            yield one


def _too_many(count: int, wanted: str) -> Iterable[Standby]:
    """Yield the oldest ones of other launches, where there are more than a machine is to hold."""
    others = [one for one in shelf.all_waiting() if one.key != wanted]
    return others[: max(0, len(others) + count - max(MOST, count))]


def drop(project: str = "", *, asked: str = "") -> list[Standby]:
    """End those that wait for launches of a project, or of all; return them.

    Args:
        project: its path; empty: all.
        asked: only those of a request, as the function of this name gives it; empty: all.

    Raises:
        PinnaceError: an engine refuses.
    """
    chosen = [
        one
        for one in shelf.all_waiting()
        if project in {"", one.project} and asked in {"", one.asked}
    ]
    dropped = _drop(chosen)
    left = [one for one in dropped if not one.is_gone]
    if left:
        raise EngineUnavailableError(
            f"{len(left)} of {len(dropped)} that wait were not ended: the engine does not answer",
            hint=f"they end by themselves, within {IDLE_SECONDS // 60} minutes: pinnace doctor",
        )
    return [one.standby for one in dropped]


class _Dropped(NamedTuple):
    standby: Standby
    is_gone: bool


def _drop(chosen: Iterable[Standby]) -> list[_Dropped]:
    """End those that nobody takes meanwhile, and what somebody took who was killed."""
    taken = [one for one in chosen if shelf.take(one)]
    for one in shelf.abandoned():
        enter.discard(named(one.program), one)
    return [_Dropped(one, enter.discard(named(one.program), one)) for one in taken]


def _made(prepared: Prepared, wanted: str) -> Standby:
    here, token = prepared.here, os.urandom(16).hex()
    one = Standby(
        token,
        container="",
        key=wanted,
        project=here.project.source,
        program=here.engine.name,
        until=time.time() + IDLE_SECONDS,
        asked=asked(here.request),
    )
    spec = _spec(prepared, one)
    try:
        here.engine.start(spec)
        one = one._replace(container=_ready(here.engine, spec.name))
        _require_same(prepared, wanted)
        shelf.put(one)
    except BaseException:
        here.engine.remove(spec.name)
        raise
    return one


def _require_same(prepared: Prepared, wanted: str) -> None:
    """See that what the container shows is what was looked at before it was made.

    Raises:
        BusyError: something that it mounts was replaced meanwhile.
    """
    if key(prepared.plan) != wanted:
        raise BusyError("something that is mounted was replaced meanwhile", hint="try it again")


def _spec(prepared: Prepared, one: Standby) -> ContainerSpec:
    """Return the container: the launch's, with a program that waits, and nothing of a launch."""
    plan = prepared.plan
    return plan.spec._replace(
        name=one.name,
        command=(*plan.relays, *inside.waiting(IDLE_SECONDS)),
        interactive=False,
        tty=False,
        environment_names=(),
        environment=(),
        in_file=(),
        environment_file="",
        labels=(
            (contract.LABEL_RUN_WORKSPACE, one.project),
            (contract.LABEL_RUN_STANDBY, one.token),
            *owner.labels(prepared.version, None),
        ),
    )


def _ready(engine: Engine, name: str) -> str:
    """Wait until a container waits; return its id.

    Raises:
        EngineUnavailableError: it ended, or takes too long.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    said: str | None = ""
    while time.monotonic() < deadline:
        said = engine.ask("container", "logs", name)
        if said is None:
            break
        found = engine.container(name) if inside.READY in said else None
        if found is not None:
            return found.id
        time.sleep(_PAUSE_SECONDS)
    why = "it ended" if said is None else "it takes too long"
    raise EngineUnavailableError(f"no container waits: {why}", hint=_HINT)
