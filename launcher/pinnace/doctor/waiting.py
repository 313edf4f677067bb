"""Containers that wait for launches, and homes that are kept for them: how many, what they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace.config import NEVER
from pinnace.doctor.check import Check
from pinnace.launch.containers import that_wait
from pinnace.launch.reuse import store
from pinnace.launch.standby import MOST, wanted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pinnace.context import Context

_MIB = 1 << 20


def check_waiting(here: Context) -> Check:
    """Return what waits on this machine, of all projects, and how much of that is wanted.

    Raises:
        EngineUnavailableError: the engine does not answer.
    """
    settings = here.config.settings
    found = that_wait(here.engine)
    parts = [
        f"{_count(len(found), 'container')}{_size(here.engine.memory(one.id) for one in found)}",
        f"wanted here: {wanted(settings.standby)} (run.standby), of other launches {MOST} at most",
    ]
    kept = [place for place, _ in store.all_kept()]
    if kept or settings.reuse != NEVER:
        parts.append(f"{_count(len(kept), 'home')} kept{_size(map(store.size, kept))} (run.reuse)")
    return Check("standby", "ok", "; ".join(parts))


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _size(sizes: Iterable[int]) -> str:
    total = sum(sizes)
    return f", {total / _MIB:.0f} MiB" if total else ""
