"""How an error reaches a user: a sentence, a hint, an exit code; never a traceback."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from pinnace_core.errors import CannotWriteError, PinnaceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

DEBUG_VARIABLE: Final = "PINNACE_DEBUG"
_INTERRUPTED: Final = 130


def guard(program: str, run: Callable[[], object]) -> int:
    """Run a command line; return its exit code.

    Args:
        program: what the user called, for the messages.
        run: the command; an integer that it returns is the exit code.
    """
    try:
        result = run()
    except PinnaceError as error:
        return report(program, error)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        unwritable = CannotWriteError(
            f"the operating system refused{where}: {error.strerror or error}",
            hint="check the permissions and the free space there",
        )
        return report(program, unwritable)
    except Exception as error:  # noqa: BLE001 (the last resort: no traceback reaches a user)
        return _unexpected(program, error)
    return result if isinstance(result, int) else 0


def report(program: str, error: PinnaceError) -> int:
    """Print an error for people; return its exit code."""
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    tell(f"{program}: error: {error.message}")
    if error.hint:
        tell(f"{program}: hint: {error.hint}")
    return error.exit_code


def tell(text: str) -> None:
    """Print a line on stderr; nowhere if the caller closed it: never into the output."""
    if sys.stderr is not None:
        print(plain(text), file=sys.stderr)  # noqa: T201 (no click on the way to a launch)


def plain(text: str) -> str:
    r"""Return a text that no terminal takes for commands: names may hold any, as `\x1b`."""
    if text.isprintable():
        return text
    kept = (c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
    return "".join(kept)


def _unexpected(program: str, error: Exception) -> int:
    # click's own errors, without importing click on the way to a launch.
    describe, code = getattr(error, "format_message", None), getattr(error, "exit_code", None)
    if callable(describe) and isinstance(code, int):
        where = getattr(getattr(error, "ctx", None), "command_path", program)
        # Choices are listed on a line each: an error is one line.
        message = " ".join(describe().split())
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
