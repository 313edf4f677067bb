"""What is told of a list while it runs, and kept of each of its launches."""

from __future__ import annotations

from pinnace.parallel.rows import row
from pinnace.parallel.shown import Board
from pinnace.parallel.tasks import Task, read
from pinnace.sdk.errors import ClaudeFailedError
from pinnace.sdk.many import Answer, Ask
from pinnace.sdk.outcomes import error_of
from pinnace.sdk.result import Outcome, Result


def _tasks() -> list[Task]:
    return read("list", b"one\ntwo\n", directory="/", is_contained=True)


def _result(outcome: Outcome, *notes: str) -> Result[None]:
    return Result(text="", data=None, outcome=outcome, session_id="", exit_code=0, notes=notes)


def test_what_launches_say_is_told_once_and_kept_of_each() -> None:
    said: list[str] = []
    tasks, board = _tasks(), Board(_tasks(), said.append)
    waits = "not approved yet, so not counted: hooks"
    good = Answer(0, Ask("one"), _result(Outcome.COMPLETED, waits))
    failed = _result(Outcome.FAILED, waits, "refused \x1b[2J")
    error = error_of(failed)
    assert isinstance(error, ClaudeFailedError)
    bad = Answer(1, Ask("two"), failed, error)

    board.ended(good)
    board.ended(bad)

    assert said[1] == f"1: {waits}"
    assert said[3:] == ["2: refused \\x1b[2J"]
    assert row(tasks[0], good, "")["notes"] == [waits]
    assert row(tasks[1], bad, "")["notes"] == [waits, "refused \x1b[2J"]
