"""What reaches a user on stderr: errors (a sentence, a hint, an exit code), news, progress."""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from pinnace_core.errors import (
    CannotReadError,
    CannotWriteError,
    PinnaceError,
    UnreachableError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

DEBUG_VARIABLE: Final = "PINNACE_DEBUG"
_INTERRUPTED: Final = 130
# As of a program that SIGPIPE ended: 128 + 13.
_OUTPUT_LOST: Final = 141
_LINE_EVERY_SECONDS: Final = 5.0
_MIB: Final = 1 << 20
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_STEP: Final = 1000
_LISTENER: ContextVar[Callable[[str], object] | None] = ContextVar("listener", default=None)


def run_main(program: str, run: Callable[[], object]) -> int:
    """Run a command line; return its exit code.

    Args:
        program: what the user called, for the messages.
        run: the command; an integer that it returns is the exit code.
    """
    try:
        result = run()
        if sys.stdout is not None:
            sys.stdout.flush()
    except PinnaceError as error:
        return code_of_signal(error) or report(program, error)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _OUTPUT_LOST
    except OSError as error:
        return code_of_signal(error) or report(program, _of_system(error))
    except Exception as error:  # noqa: BLE001 (the last resort: no traceback reaches a user)
        return code_of_signal(error) or _unexpected(program, error)
    return result if isinstance(result, int) else 0


def one_sentence(message: str) -> str:
    """Return a message of click's as all others are: on one line, and without a capital."""
    # Choices are listed on a line each.
    line = " ".join(message.split()).removesuffix(".")
    return line[:1].lower() + line[1:]


def code_of_signal(error: BaseException | None) -> int:
    """Return the exit code of the signal that an error came after, while things were tidied up.

    0: it came after none. What the user wanted then was an end, and that is what this is.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return _INTERRUPTED
        if isinstance(error, SystemExit) and isinstance(error.code, int):
            return error.code
        error = error.__context__
    return 0


def _of_system(error: OSError) -> PinnaceError:
    """Translate what nobody has translated, by what it is."""
    where = f" '{error.filename}'" if error.filename else ""
    message = f"the operating system refused{where}: {error.strerror or error}"
    if isinstance(error, ConnectionError | TimeoutError):
        return UnreachableError(message, hint="see what should answer there: pinnace doctor")
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return CannotReadError(message, hint="see that it is there, and what it should be")
    if isinstance(error, PermissionError):
        return CannotWriteError(message, hint="see whose it is, and who may read and write it")
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return CannotWriteError(message, hint="free some space there: pinnace gc")
    return CannotWriteError(message, hint="see what is wrong with it: dmesg may tell")


def report(program: str, error: PinnaceError) -> int:
    """Print an error for people; return its exit code."""
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    stderr(f"{program}: error: {error.message}")
    if error.hint:
        stderr(f"{program}: hint: {error.hint}")
    return error.exit_code


@contextmanager
def collected(listener: Callable[[str], object]) -> Iterator[None]:
    """Give a function what would be printed on stderr by this thread or task: a line each.

    A program that launches has a terminal of its own to write to, or none.
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def is_collected() -> bool:
    """Return whether somebody else gets what would be printed; see `collected`."""
    return _LISTENER.get() is not None


def show(command: Sequence[str | Path]) -> int:
    """Run a program whose output is for people, on stderr; return its exit code.

    Raises:
        OSError: it cannot be started.
    """
    import subprocess

    nothing = subprocess.DEVNULL
    if not is_collected():
        return subprocess.run(command, check=False, stdin=nothing, stdout=2).returncode
    out, err = subprocess.PIPE, subprocess.STDOUT
    with subprocess.Popen(command, stdin=nothing, stdout=out, stderr=err) as child:
        for line in child.stdout or ():
            stderr(line.decode(errors="replace").rstrip())
    return child.returncode


def stderr(text: str) -> None:
    """Print a line on stderr, if anybody is there to read it; see `collected`."""
    listener = _LISTENER.get()
    if listener is None:
        write(f"{printable(text)}\n")
    else:
        listener(printable(text))


def write(text: str) -> None:
    """Write to stderr; nowhere if it was closed, or its reader has gone: no work ends for that."""
    # Never into the output instead, and no error of a `suppress`: that is imported for it alone.
    try:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
    except (OSError, ValueError):
        return


def say(text: str) -> None:
    """Print what is going on: of the builder, also where a launch calls it."""
    stderr(f"pinnace-build: {text}")


def printable(text: str) -> str:
    r"""Return a text that no terminal takes for commands: names may hold any, as `\x1b`."""
    if text.isprintable():
        return text
    kept = (c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
    return "".join(kept)


# ECMA-48, 5.4 and 5.6: CSI; strings (OSC, DCS, SOS, PM, APC) up to their end; other escapes.
_COMMANDS: Final = (
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]"
)


def without_commands(text: str) -> str:
    """Return a text without what a terminal takes for commands, colours included."""
    if text.isprintable():
        return text
    import re

    return printable(re.sub(_COMMANDS, "", text))


def size_text(size: int | None) -> str:
    """Return a size in bytes as the docker client writes it; nothing if it is not known."""
    if size is None:
        return ""
    number, unit = float(size), 0
    while number >= _STEP and unit + 1 < len(_UNITS):
        number, unit = number / _STEP, unit + 1
    return f"{number:.{1 if unit else 0}f} {_UNITS[unit]}"


@contextmanager
def download(label: str, size: int | None) -> Iterator[Callable[[int], None]]:
    """Show a download: a bar on a terminal, a line now and then elsewhere.

    Args:
        label: what is downloaded.
        size: expected bytes, if known.

    Yields:
        A function to be called with the bytes received so far.
    """
    if is_collected() or sys.stderr is None or not sys.stderr.isatty():
        yield _lines(label, size)
    elif size is None:
        yield _counter(label)
        stderr("")
    else:
        import click

        with click.progressbar(length=size, label=label, file=sys.stderr, width=24) as bar:
            yield lambda received: bar.update(max(0, min(received, size) - bar.pos))
            bar.update(size - bar.pos)


def _counter(label: str) -> Callable[[int], None]:
    """Count on one line: the size is not known before the first download."""

    def update(received: int) -> None:
        write(f"\rpinnace-build: {label}: {received / _MIB:.0f} MiB")

    update(0)
    return update


def _lines(label: str, size: int | None) -> Callable[[int], None]:
    total = f" of {size / _MIB:.0f}" if size else ""
    say(f"{label}{f' ({size / _MIB:.0f} MiB)' if size else ''}")
    last = time.monotonic()

    def update(received: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_SECONDS:
            last = time.monotonic()
            say(f"{label}: {received / _MIB:.0f}{total} MiB")

    return update


def _unexpected(program: str, error: Exception) -> int:
    # click's own errors, without importing click on the way to a launch.
    describe, code = getattr(error, "format_message", None), getattr(error, "exit_code", None)
    if type(error).__name__ == "NoArgsIsHelpError" and callable(describe):
        stderr(describe())
        return UsageError.exit_code
    if callable(describe) and isinstance(code, int):
        where = getattr(getattr(error, "ctx", None), "command_path", program)
        message = one_sentence(describe())
        return report(program, UsageError(message, hint=f"see: {where} --help"))
    if type(error).__name__ == "Abort":
        return _INTERRUPTED
    if type(error).__name__ == "Exit" and isinstance(code, int):
        return code
    internal = PinnaceError(
        f"this should not happen: {type(error).__name__}: {error}",
        hint=f"set {DEBUG_VARIABLE}=1 to see where, and report it",
    )
    return report(program, internal)
