"""What must be there while a container runs, and be gone afterwards: also after a signal."""

from __future__ import annotations

import signal
import stat
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace_core import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from types import FrameType

    from pinnace_core.container import ContainerSpec
    from pinnace_core.host import HostFacts

_ENDING: Final = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM")
_KILLED_BY: Final = 128


def private_places(facts: HostFacts) -> list[Path]:
    """Return the directories for what is private to one launch, the best first: in memory."""
    found = []
    runtime = Path(facts.environment.get("XDG_RUNTIME_DIR", ""))
    if facts.os == "linux" and runtime.is_absolute() and _is_private(runtime, facts.uid):
        found.append(runtime / "pinnace" / "secrets")
    return [*found, paths.directory("state") / "secrets"]


def _is_private(place: Path, uid: int) -> bool:
    """See whose it is: `sudo -E` leaves another user's there, and some make one below `/tmp`."""
    try:
        status = place.stat()
    except OSError:
        return False
    return status.st_uid == uid and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@contextmanager
def held(
    makers: Iterable[Callable[[ContainerSpec], AbstractContextManager[object]]], plan: ContainerSpec
) -> Iterator[None]:
    """Enter what each maker gives, and leave it in the end, whatever the end is.

    While the client runs, its signals are blocked here and passed on; before and after, they end
    this process by an exception.
    """
    makers = tuple(makers)
    if not makers:
        yield
        return
    with unwinding(), ExitStack() as stack:
        try:
            for make in makers:
                stack.enter_context(make(plan))
            yield
        finally:
            ignore_signals()


@contextmanager
def unwinding() -> Iterator[None]:
    """Let the signals that end this process do so by an exception; the first one is the last."""
    before = {number: signal.getsignal(number) for number in _numbers()}
    try:
        _react({n: _unwind if was is not signal.SIG_IGN else was for n, was in before.items()})
        yield
    finally:
        _react(before)


def _numbers() -> list[signal.Signals]:
    """Windows lacks some of them."""
    return [signal.Signals[name] for name in _ENDING if name in signal.Signals.__members__]


def _react(reactions: Mapping[signal.Signals, object]) -> None:
    for number, reaction in reactions.items():
        signal.signal(number, reaction)  # type: ignore[arg-type] # (what getsignal gave)


def ignore_signals() -> None:
    """Let nothing interrupt what comes; `unwinding` ends it."""
    _react(dict.fromkeys(_numbers(), signal.SIG_IGN))


def _unwind(number: int, _: FrameType | None) -> None:
    ignore_signals()
    raise SystemExit(_KILLED_BY + number)
