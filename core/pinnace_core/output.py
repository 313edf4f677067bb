"""What a verb prints on stdout: for programs an envelope of JSON, for people lines and tables."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace_core import console
from pinnace_core.errors import PinnaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SCHEMA: Final = 1
_LONGEST_HELP: Final = 300

_json = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: schema, ok, result, error."
)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--json`; with it, errors of ours are an envelope, too."""

    @wraps(command)
    def answered(*args: Any, as_json: bool, **options: Any) -> Any:  # noqa: ANN401 (the command's)
        try:
            return command(*args, as_json=as_json, **options)
        except PinnaceError as error:
            if as_json:
                return print_error(error)
            raise

    return _json(answered)


def print_result(result: Any, problem: PinnaceError | None = None) -> int:  # noqa: ANN401 (JSON)
    """Print an envelope around a result; return the exit code.

    Args:
        result: plain data.
        problem: what is wrong although there is a result.
    """
    return _print({"result": result}, problem)


def print_error(error: PinnaceError) -> int:
    """Print an envelope without a result; return the exit code. After a signal, print nothing."""
    return console.code_of_signal(error) or _print({}, error)


def _print(content: dict[str, Any], problem: PinnaceError | None) -> int:
    envelope = {"schema": _SCHEMA, "ok": problem is None, **content}
    if problem:
        envelope["error"] = {
            "kind": type(problem).__name__,
            "message": problem.message,
            "hint": problem.hint,
            "exit_code": problem.exit_code,
        }
    click.echo(json.dumps(envelope))
    return problem.exit_code if problem else 0


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out rows as a table of one line each, whatever a path may hold."""
    from rich.cells import cell_len, set_cell_size

    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(set_cell_size, row, widths)).rstrip() for row in cells]


def printable(text: str) -> str:
    """Return a text of one line; control characters, which a path may hold, become `?`."""
    return "".join(c if c.isprintable() else "?" for c in text)


def say(line: str, *, err: bool = False) -> None:
    """Print one line for people: what a path or an image's label holds is no terminal's command."""
    if err:
        console.stderr(printable(line))
    else:
        click.echo(printable(line))


class Group(click.Group):
    """A group whose help has the whole first sentence of each verb."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs."""
        verbs = {name: self.commands[name] for name in self.list_commands(ctx)}
        rows = [(name, first_sentence(verb)) for name, verb in verbs.items() if not verb.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def first_sentence(command: click.Command) -> str:
    """Return what a command does, uncut."""
    return command.get_short_help_str(_LONGEST_HELP)


def invoke(command: click.Command, program: str, arguments: Sequence[str]) -> object:
    """Run a command line; return what its command returns.

    Errors are for `console.run_main`: click's own `main` makes an exit code of a lost output.
    """
    if sys.stdout is None:
        sys.stdout = _Closed()
    with command.make_context(program, list(arguments)) as context:
        return command.invoke(context)


class _Closed(io.TextIOBase):
    """Standard output that was closed before the start: what is printed there is lost, and said."""

    def write(self, _: str, /) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
