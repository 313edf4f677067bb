"""One build at a time, ended tidily whatever ends it."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

from filelock import FileLock, Timeout

from pinnace_core import paths, progress
from pinnace_core.errors import BusyError
from pinnace_core.files import make_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_SECONDS: Final = 1800
_KILLED_BY: Final = 128
# Windows has no SIGHUP.
_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_SIGNALS: Final = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]


@contextmanager
def turn(name: str) -> Iterator[None]:
    """Wait for our turn among processes, saying so if it takes a while.

    Raises:
        BusyError: it takes too long.
    """
    lock = FileLock(make_directory(paths.directory("cache")) / f"{name}.lock")
    with signals_unwind():
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            progress.say("another process is at work on this: waiting for it")
            _wait(lock)
        try:
            yield
        finally:
            lock.release()


def _wait(lock: FileLock) -> None:
    try:
        lock.acquire(timeout=_PATIENCE_SECONDS)
    except Timeout as error:
        raise BusyError(
            "another process has been at work on this for too long",
            hint="see what it does, then run this again",
        ) from error


@contextmanager
def signals_unwind() -> Iterator[None]:
    """Let a signal end children and remove temporary files, once: what follows cannot stop that.

    Ctrl-C is a KeyboardInterrupt, as usual; SIGTERM and SIGHUP are a SystemExit. From then on, all
    of them are ignored, also by the programs that tidy up: a terminal sends Ctrl-C to these, too.
    SIGQUIT and SIGKILL still end everything at once. Within another such block, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread() or _is_unwinding():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    # What is ignored from the start, as `nohup` has it, stays so.
    heard = {n: handler for n, handler in before.items() if handler not in {signal.SIG_IGN, None}}
    for number in heard:
        signal.signal(number, _unwind)
    try:
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)


def _is_unwinding() -> bool:
    return any(signal.getsignal(number) is _unwind for number in _SIGNALS)


def _unwind(number: int, _frame: object) -> NoReturn:
    for one in _SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(_KILLED_BY + number)
