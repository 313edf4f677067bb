"""What launches of one plan keep for each other, where their user asked for it: a home directory.

The container itself ends with its launch. What runs in one runs as the same user as its first
program does, and could hide in that; only the end of the container ends it for sure. Its root is
read-only, so all that could be kept of it is the home, and of that a few directories are: packages
and the caches of their managers. All else there is removed before the next launch, and after this.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.config import SESSION
from pinnace.launch.reuse import home, store
from pinnace.launch.standby import content, enter, identity, make
from pinnace_core import console, signals
from pinnace_core.container import Mount, ordered
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pinnace.launch.prepare import Prepared
    from pinnace_core.container import ContainerSpec

_BUSY: Final = "another launch is in the home that is kept here (run.reuse): this one has its own"


def planned(prepared: Prepared) -> Prepared:
    """Let a launch have the home that is kept of those before it, in the place of one in memory.

    Args:
        prepared: whose settings ask for it; nothing is written.
    """
    settings, launch = prepared.here.config.settings, prepared.plan
    session = _session(prepared)
    why = enter.reason(prepared)
    if settings.reuse == SESSION and not session:
        why = why or "it names no session (--session NAME)"
    if why:
        note = f"run.reuse: nothing is kept of this launch: {why}"
        return prepared._replace(plan=launch._replace(notes=(*launch.notes, note)))
    spec = launch.spec
    status = os.stat(prepared.here.project.source)  # noqa: PTH116 (hot)
    name = identity(
        spec, content(spec.seccomp), launch.relays, session, status.st_dev, status.st_ino
    )
    home = Mount(str(store.directory() / name / store.HOME), contract.HOME)
    own = tuple(one for one in spec.tmpfs if one.target != contract.HOME)
    return _having(prepared, spec._replace(mounts=ordered((home, *spec.mounts)), tmpfs=own))


def place_of(spec: ContainerSpec) -> Path | None:
    """Return the directory of what is kept for a container; None: nothing is."""
    places = (Path(m.source).parent for m in spec.mounts if m.target == contract.HOME)
    # What anybody else has mounted there is theirs.
    return next((place for place in places if place.parent == store.directory()), None)


@contextmanager
def held(
    prepared: Prepared, is_over: Callable[[], bool] | None = None
) -> Iterator[Prepared | None]:
    """Have a launch's home to itself, with nothing in it but what is kept; None: another one is in.

    Args:
        prepared: a launch.
        is_over: of one that is about to begin; tells, in the end, that its container has ended.
            None: a container is only made ahead of it.

    Raises:
        CannotWriteError: the directory cannot be written to.
    """
    place = place_of(prepared.plan.spec)
    if place is None:
        yield prepared
        return
    descriptor = store.taken(place)
    engine, spec = prepared.here.engine, prepared.plan.spec
    try:
        if descriptor < 0 or store.goes_on(engine, place):
            yield None
            return
        home.reset(place / store.HOME, spec)
        store.note(place, _about(prepared))
        if is_over is None:
            yield prepared
            return
        store.enter(place, spec.name)
        try:
            yield prepared
        finally:
            with signals.ignored():
                if is_over() and store.has_ended(engine, spec.name):
                    home.reset(place / store.HOME, spec)
                    store.leave(place)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def kept(prepared: Prepared, is_over: Callable[[], bool]) -> Iterator[Prepared]:
    """Likewise, for a launch: where another one is in, this one has a home in memory, as always."""
    with held(prepared, is_over) as own:
        if own is None:
            console.stderr(f"pinnace: {_BUSY}")
        yield own or _without(prepared)


def _having(prepared: Prepared, spec: ContainerSpec) -> Prepared:
    return prepared._replace(plan=prepared.plan._replace(spec=spec))


def _without(prepared: Prepared) -> Prepared:
    """Return the launch as it would have been planned."""
    from pinnace.config.types import in_bytes
    from pinnace_core.container import scratch

    spec = prepared.plan.spec
    uid, gid = spec.user or (contract.AGENT_UID, contract.AGENT_GID)
    size = in_bytes(prepared.here.config.settings.memory) // 2
    usual = scratch(contract.HOME, uid, gid, size=size)
    others = tuple(one for one in spec.tmpfs if one not in usual)
    mounts = tuple(mount for mount in spec.mounts if mount.target != contract.HOME)
    return _having(prepared, spec._replace(mounts=mounts, tmpfs=(*usual, *others)))


def _session(prepared: Prepared) -> str:
    """Return the session that a home is of alone."""
    if prepared.here.config.settings.reuse != SESSION:
        return ""
    return dict(prepared.plan.spec.labels).get(contract.LABEL_RUN_SESSION, "")


def _about(prepared: Prepared) -> store.About:
    here = prepared.here
    session, asked = _session(prepared), make.asked(here.request)
    return store.About(here.project.source, asked, session, here.engine.name)


def tidy(prepared: Prepared) -> None:
    """Remove what nobody comes back to: of a plan that is another one now, or unused for a week."""
    own, same = place_of(prepared.plan.spec), _about(prepared)
    outdated = [p for p, about in store.all_kept() if own not in {None, p} and about == same]
    for place in {*outdated, *store.unused()}:
        store.discard(place)
