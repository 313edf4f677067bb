"""Signals that end this process do so by an exception, so that it tidies up; once."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_KILLED_BY: Final = 128
_ENDING: Final = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def unwinding(*, all_alike: bool = False) -> Iterator[None]:
    """Let a signal end children and remove temporary files, once: what follows cannot stop that.

    Ctrl-C is a KeyboardInterrupt, as usual; other signals are a SystemExit. From then on, all of
    them are ignored, also by the programs that tidy up: a terminal sends Ctrl-C to these, too.
    Within another such block, and besides in the main thread, this does nothing.

    Args:
        all_alike: Ctrl-C is a SystemExit, too, so that click does not end the line, and SIGQUIT
            is one as well. Without, it ends everything at once, as SIGKILL does.
    """
    reactions: dict[str, Callable[[int, object], NoReturn]] = dict.fromkeys(_ENDING, _exit)
    reactions |= {"SIGQUIT": _exit} if all_alike else {"SIGINT": _interrupt}
    # Windows lacks some of them.
    there = {getattr(signal, n): r for n, r in reactions.items() if hasattr(signal, n)}
    before = {} if _unwinding() else _install(there)
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def ignored() -> Iterator[None]:
    """Let nothing interrupt what is tidied up within `unwinding`."""
    before = _unwinding()
    _ignore()
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def child(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:  # noqa: ANN401
    """Start a program, and end it if this block ends by an exception, such as a signal's.

    A signal of `unwinding` that comes while it is being started waits until it is known.

    Args:
        command: its arguments.
        options: of `subprocess.Popen`.

    Raises:
        OSError: it cannot be started.
    """
    import subprocess

    strike = _hold()
    try:
        started = subprocess.Popen(command, **options)
    except OSError:
        strike()
        raise
    with started:
        try:
            strike()
            yield started
        except BaseException:
            # It may not know of the signal.
            started.terminate()
            raise


@contextmanager
def temporary_directory(prefix: str, *, below: Path | None = None) -> Iterator[Path]:
    """Make a directory that is gone afterwards, also if a signal comes while it is being made.

    Args:
        prefix: of its name.
        below: where; None: where the system has such directories.

    Raises:
        OSError: it cannot be made.
    """
    import tempfile
    from pathlib import Path

    strike = _hold()
    try:
        made = tempfile.TemporaryDirectory(prefix=prefix, dir=below)
    except OSError:
        strike()
        raise
    with made as name:
        strike()
        yield Path(name)


@contextmanager
def held() -> Iterator[None]:
    """Let signals of `unwinding` wait until what is tidied up is gone."""
    strike = _hold()
    try:
        yield
    finally:
        strike()


def start_thread(work: Callable[[], None]) -> None:
    """Start a thread that gets no signals: the main one waits for them.

    It ends with the process, and costs no import of `threading`.
    """
    import _thread

    before = (
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        if hasattr(signal, "pthread_sigmask")
        else None
    )
    try:
        _thread.start_new_thread(work, ())
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hold() -> Callable[[], None]:
    """Let signals of `unwinding` wait; return what lets them strike."""
    came: list[int] = []
    before = _install(dict.fromkeys(_unwinding(), lambda number, _: came.append(number)))

    def strike() -> None:
        _restore(before)
        for number in came[:1]:
            signal.raise_signal(number)

    return strike


def _install(reactions: Mapping[int, Any]) -> dict[int, Any]:
    """Replace the handlers of signals; return what they were. Besides in the main thread: none."""
    before: dict[int, Any] = {}
    for number, reaction in reactions.items():
        # What is ignored from the start, as `nohup` has it, stays so.
        if signal.getsignal(number) not in {signal.SIG_IGN, None}:
            try:
                before[number] = signal.signal(number, reaction)
            except ValueError:  # not the main thread; to import `threading` costs a launch 1 ms
                return {}
    return before


def _restore(before: Mapping[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)


def _unwinding() -> dict[int, Any]:
    """Return the handlers of ours, by signal."""
    handlers = {number: signal.getsignal(number) for number in signal.Signals}
    return {n: handler for n, handler in handlers.items() if handler in {_exit, _interrupt}}


def _ignore() -> None:
    _install(dict.fromkeys(_unwinding(), signal.SIG_IGN))


def _exit(number: int, _frame: object) -> NoReturn:
    _ignore()
    raise SystemExit(_KILLED_BY + number)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    _ignore()
    raise KeyboardInterrupt
