"""Hand over to the engine's client: its terminal, streams, signals and exit code are the user's.

A child rather than `exec`: when the engine refuses, somebody must be left to say why, and how to
mend it. All else is as if it had been replaced: the child shares our terminal and process group,
signals meant for us are passed on, its exit code is ours.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from pinnace_core.engine import named
from pinnace_core.errors import PinnaceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OUTPUT_LOST: Final = 141
"""As of a program that SIGPIPE ended: who read what it prints has gone."""
_KILLED_BY: Final = 128
_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.1
_FORWARDED: Final = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")


_IGNORED_BY_PYTHON: Final = ("SIGPIPE", "SIGXFSZ")
# From keys, the terminal sends these to all of its foreground; a closed terminal's SIGHUP goes to
# the leader of the session alone, which we may be.
_OF_KEYS: Final = ("SIGINT", "SIGQUIT")


def hand_over(
    argv: list[str],
    environment: Mapping[str, str] | None = None,
    meanwhile: Callable[[], None] = lambda: None,
    pass_on: Callable[[str], None] | None = None,
    *,
    apart: bool = False,
) -> int:
    """Run `argv` in the foreground; return its exit code, 128+n for a signal.

    Where it failed and nobody reads its output any more, that is `OUTPUT_LOST`: an engine's client
    ends then, with whatever code, and what runs inside goes on.

    Args:
        argv: program and arguments.
        environment: the child's variables, instead of this process's.
        meanwhile: begins what is done while it runs, and returns at once.
        pass_on: sends a signal, by its name, to what runs, which the child itself does not do.
        apart: the child reads no terminal, and is to get none of its signals.

    Raises:
        ClientMissingError: there is no such program.
    """
    environment = os.environ if environment is None else environment
    if sys.platform == "win32":
        return _child_windows(argv, environment, meanwhile)
    code = _child_posix(argv, environment, meanwhile, pass_on, apart=apart)
    return OUTPUT_LOST if code and _is_output_lost() else code


def _is_output_lost() -> bool:
    """Return whether standard output is a pipe that nobody reads any more."""
    import select

    output = select.poll()
    output.register(1, 0)
    return any(event & select.POLLERR for _, event in output.poll(0))


def _child_posix(
    argv: list[str],
    environment: Mapping[str, str],
    meanwhile: Callable[[], None],
    pass_on: Callable[[str], None] | None,
    *,
    apart: bool,
) -> int:
    awaited = {*_numbers(_FORWARDED), signal.SIGCHLD}
    # With its default action (ignore), a pending SIGCHLD may be dropped before it is waited for.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    try:
        if apart:
            # It writes to the terminal, whoever is in the foreground.
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        spawn = partial(os.posix_spawnp, setpgroup=0) if apart else os.posix_spawnp
        child = spawn(
            argv[0], argv, environment, setsigmask=before, setsigdef=_numbers(_IGNORED_BY_PYTHON)
        )
    except (FileNotFoundError, PermissionError):
        raise named(argv[0]).missing_client from None
    else:
        meanwhile()
        return _wait(child, awaited, pass_on)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _numbers(names: tuple[str, ...]) -> set[int]:
    """Windows lacks most of them."""
    return {signal.Signals[name] for name in names}


def _wait(child: int, awaited: set[int], pass_on: Callable[[str], None] | None) -> int:
    interrupted = False
    while True:
        received, from_terminal = _next_signal(awaited)
        if received == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return _exit_code(status, interrupted=interrupted)
            continue
        interrupted = interrupted or received == signal.SIGINT
        if pass_on is not None:
            _passed_on(pass_on, received)
        elif not from_terminal:
            os.kill(child, received)


def _passed_on(pass_on: Callable[[str], None], received: int) -> None:
    """Pass a signal on by way of the engine; one that does not answer now is asked again."""
    with suppress(PinnaceError):
        pass_on(signal.Signals(received).name.removeprefix("SIG"))


def _exit_code(status: int, *, interrupted: bool) -> int:
    """Return the child's own code, but for one lie: interrupted in print mode, Claude exits with 0.

    A script must not go on as if the work had been done.
    """
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return _KILLED_BY - code
    return _KILLED_BY + signal.SIGINT if interrupted and code == 0 else code


def _next_signal(awaited: set[int]) -> tuple[int, bool]:
    """Return the next signal, and whether the terminal sent it: then the child has it already."""
    if sys.platform == "darwin":  # no sigwaitinfo
        received = signal.sigwait(awaited)
        return received, received in _numbers(_OF_KEYS) and in_foreground()
    information = signal.sigwaitinfo(awaited)
    return information.si_signo, information.si_signo in _numbers(
        _OF_KEYS
    ) and information.si_code > 0


def wait_for_foreground() -> None:
    """Stop, as any program that wants the terminal from the background, until `fg` gives it.

    The engine's client would not: it goes on asking for the terminal, with a whole processor.

    Raises:
        UsageError: nobody can give it: no shell is there that has stopped this.
    """
    if os.name != "posix" or in_foreground():
        return
    # Whoever started us may ignore it.
    signal.signal(signal.SIGTTIN, signal.SIG_DFL)
    for _ in range(_ATTEMPTS):
        os.killpg(os.getpgrp(), signal.SIGTTIN)
        if in_foreground():
            return
        # Continued in the background; or there is no shell, and the signal was dropped.
        time.sleep(_PAUSE_SECONDS)
    raise UsageError(
        "this runs in the background of a terminal, which Claude would need",
        hint="bring it to the foreground (fg), or let it print: pinnace -p 'PROMPT'",
    )


def in_foreground() -> bool:
    """Return whether this process has its terminal; False where there is none."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)


def _child_windows(
    argv: list[str], environment: Mapping[str, str], meanwhile: Callable[[], None]
) -> int:
    import subprocess

    # The console sends Ctrl-C to the child as well: what it does about it is what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with subprocess.Popen(argv, env=environment) as child:
            meanwhile()
            return child.wait()
    except FileNotFoundError:
        raise named(argv[0]).missing_client from None
