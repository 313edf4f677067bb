"""How a launch is started: in a container of its own, or in one that waits for such a launch."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pinnace.config import NEVER
from pinnace_core import host
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pinnace.launch.prepare import Prepared
    from pinnace.launch.standby import Standby

_NONE: Final = "0"


class Way(NamedTuple):
    """One of these two ways to start a launch.

    Attributes:
        argv: of the engine's client.
        labels: that the launch's record has besides the plan's.
        about: what is noted of it in the audit record.
        pass_on: sends a signal, by its name, to what runs; None: the client passes signals on.
        finish: ends what is left when the client has ended; tells whether it did.
    """

    argv: list[str]
    labels: Mapping[str, str]
    about: Mapping[str, object]
    pass_on: Callable[[str], None] | None
    finish: Callable[[], bool]


@contextmanager
def chosen(prepared: Prepared) -> Iterator[Way]:
    """Take a container that waits, if there is one of this very plan; it is gone in the end."""
    found = _claimed(prepared)
    if found is None:
        argv = prepared.here.engine.argv(prepared.plan.spec)
        # Its end is the client's: `bool()` is False, nothing was ended here.
        yield Way(argv, {}, {}, None, bool)
        return
    way = _entering(prepared, found)
    try:
        yield way
    finally:
        way.finish()


def _claimed(prepared: Prepared) -> Standby | None:
    # As quickly as can be: for most launches none waits.
    if not (host.directory("state") / "standby").is_dir():
        return None
    from pinnace.launch.standby import enter

    return enter.claimed(prepared)


def _entering(prepared: Prepared, one: Standby) -> Way:
    from pinnace.launch.standby import enter
    from pinnace_core.errors import PinnaceError

    engine = prepared.here.engine
    ended: list[bool] = []

    def finish() -> bool:
        """End it, whatever is left in it, unless that is done."""
        if not ended:
            try:
                engine.signal(one.container, "KILL")
            except PinnaceError:
                return False
            ended.append(True)
        return True

    return Way(
        enter.argv(engine, one, prepared.plan),
        {contract.LABEL_RUN_STANDBY: one.token},
        {"standby": one.token[:12]},
        lambda name: engine.signal(one.container, name),
        finish,
    )


def prepare_next(prepared: Prepared) -> None:
    """Have the next container made in the background, if the settings say so."""
    settings = prepared.here.config.settings
    if settings.standby == _NONE and settings.reuse == NEVER:
        return
    from pinnace.launch.standby import refill

    refill.begin(prepared)
