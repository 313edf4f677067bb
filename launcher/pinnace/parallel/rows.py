"""What came of a prompt of a list, as a row of results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from pinnace.parallel.tasks import Task
    from pinnace.sdk.many import Answer
    from pinnace.sdk.result import Result
    from pinnace_core.errors import PinnaceError

_SCHEMA: Final = 1


def row(task: Task, answer: Answer, container: str) -> dict[str, Any]:
    """Return what came of a prompt, as plain data.

    Args:
        task: of the list.
        answer: what came of it.
        container: its name; empty: there was none.
    """
    return {
        "schema": _SCHEMA,
        "id": task.id,
        "name": task.name,
        "ok": answer.ok,
        **(_of_result(answer.result) if answer.result else {"outcome": "not_begun"}),
        "container": container,
        "error": _of_error(answer.error) if answer.error else None,
    }


def _of_result(result: Result[Any]) -> dict[str, Any]:
    return {
        "outcome": str(result.outcome),
        "text": result.text,
        "data": result.data,
        "session_id": result.session_id,
        "cost_usd": result.cost_usd,
        "usage": msgspec.to_builtins(result.usage),
        "turns": result.turns,
        "exit_code": result.exit_code,
        "seconds": round(result.duration, 3),
        "image_id": result.image_id,
        "cli_version": result.cli_version,
        "notes": list(result.notes),
    }


def _of_error(error: PinnaceError) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }
