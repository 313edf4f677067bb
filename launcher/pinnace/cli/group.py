"""What all verbs share: how results and errors are printed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace import request
from pinnace.context import load_context
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace_core.engine import Engine
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
    envelope = {"schema": _SCHEMA, "ok": problem is None, "result": result}
    click.echo(json.dumps(envelope | ({"error": _described(problem)} if problem else {})))
    return problem.exit_code if problem else 0


def print_error(error: PinnaceError) -> int:
    """Print an envelope without a result; return the exit code."""
    click.echo(json.dumps({"schema": _SCHEMA, "ok": False, "error": _described(error)}))
    return error.exit_code


def _described(error: PinnaceError) -> dict[str, str | int]:
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


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


def engine() -> Engine:
    """Return the engine that launches use here."""
    return load_context(request.parse(()), HostFacts.detect()).engine
