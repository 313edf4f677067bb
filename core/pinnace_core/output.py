"""What a verb prints on stdout: for programs an envelope of JSON, for people lines and tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace_core.errors import PinnaceError

_SCHEMA: Final = 1

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: schema, ok, result, error."
)


def print_result(result: Any, problem: PinnaceError | None = None) -> int:  # noqa: ANN401 (JSON)
    """Print an envelope around a result; return the exit code.

    Args:
        result: plain data.
        problem: what is wrong although there is a result.
    """
    return _print({"result": result}, problem)


def print_error(error: PinnaceError) -> int:
    """Print an envelope without a result; return the exit code."""
    return _print({}, error)


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
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def printable(text: str) -> str:
    """Return a text of one line; control characters, which a path may hold, become `?`."""
    return "".join(c if c.isprintable() else "?" for c in text)


def say(line: str, *, err: bool = False) -> None:
    """Print one line for people: what a path or an image's label holds is no terminal's command."""
    click.echo(printable(line), err=err)
