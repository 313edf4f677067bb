"""Signals that end this process do so by an exception, so that it tidies up; once."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

_KILLED_BY: Final = 128
_ENDING: Final = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def unwinding(*, on_quit: bool = False) -> Iterator[None]:
    """Let a signal end children and remove temporary files, once: what follows cannot stop that.

    Ctrl-C is a KeyboardInterrupt, as usual; other signals are a SystemExit. From then on, all of
    them are ignored, also by the programs that tidy up: a terminal sends Ctrl-C to these, too.
    Within another such block, and besides in the main thread, this does nothing.

    Args:
        on_quit: SIGQUIT does so as well; without, it ends everything at once, as SIGKILL does.
    """
    handlers = {} if _unwinding() else _install((*_ENDING, *(("SIGQUIT",) if on_quit else ())))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def ignored() -> Iterator[None]:
    """Let nothing interrupt what is tidied up within `unwinding`."""
    numbers = _unwinding()
    _ignore(numbers)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, _unwind)


def _install(names: tuple[str, ...]) -> dict[signal.Signals, Any]:
    """Replace the handlers of signals; return what they were."""
    # Windows lacks some of them.
    numbers = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    before = {number: signal.getsignal(number) for number in numbers}
    # What is ignored from the start, as `nohup` has it, stays so.
    heard = {n: handler for n, handler in before.items() if handler not in {signal.SIG_IGN, None}}
    try:
        for number in heard:
            signal.signal(number, _unwind)
    except ValueError:  # not the main thread; importing `threading` would cost a launch 1 ms
        return {}
    return heard


def _unwinding() -> list[int]:
    return [number for number in signal.Signals if signal.getsignal(number) is _unwind]


def _ignore(numbers: list[int]) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def _unwind(number: int, _frame: object) -> NoReturn:
    _ignore(_unwinding())
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(_KILLED_BY + number)
