"""Do a list of prompts: what is not done yet, so many at once, until the end or a signal."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import anyio

from pinnace.parallel import journal, shown
from pinnace.parallel.rows import row
from pinnace.sdk.errors import UnfinishedError
from pinnace.sdk.many import Watch
from pinnace.sdk.waiting import task_group
from pinnace_core import console
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pinnace.parallel.journal import Journal
    from pinnace.parallel.shown import Board
    from pinnace.parallel.tasks import Task
    from pinnace.sdk.box import Pinnace
    from pinnace.sdk.event import Event
    from pinnace.sdk.many import Answer

_ENDING: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_KILLED_BY: Final = 128


class Plan(NamedTuple):
    """What is done, and how.

    Attributes:
        tasks: the list.
        output: where results go; None: to standard output.
        resume: go on with results that are there.
        options: of `Pinnace.map`.
    """

    tasks: Sequence[Task]
    output: Path | None
    resume: bool
    options: dict[str, Any]


class _Both(Watch):
    """Writes results down, and shows how far all of it is."""

    def __init__(self, tasks: Sequence[Task], results: Journal, board: Board) -> None:
        self._tasks, self._results, self._board = tasks, results, board
        self._names: dict[int, str] = {}

    def begun(self, index: int) -> None:
        self._board.begun(index)

    def started(self, index: int, name: str) -> None:
        self._names[index] = name
        self._board.started(index, name)

    def event(self, index: int, event: Event) -> None:
        self._board.event(index, event)

    def ended(self, answer: Answer) -> None:
        name = self._names.get(answer.index, "")
        self._results.write(row(self._tasks[answer.index], answer, name))
        self._board.ended(answer)


def run(box: Pinnace, plan: Plan) -> int:
    """Do a list; return the exit code.

    Raises:
        UnfinishedError: not all of it is done.
        PinnaceError: results cannot be written.
    """
    with ExitStack() as stack:
        results = stack.enter_context(journal.opened(plan.output, resume=plan.resume))
        todo = [task for task in plan.tasks if task.id not in results.done]
        if len(todo) < len(plan.tasks):
            console.stderr(f"pinnace: {len(plan.tasks) - len(todo)} are done already")
        if not todo:
            return 0
        board = stack.enter_context(shown.shown(todo))
        watch = _Both(todo, results, board)
        came = anyio.run(_mapped, box, todo, watch, plan.options)
    console.stderr(f"pinnace: {board.summary()}")
    if came:
        console.stderr(f"pinnace: {_go_on(plan)}")
        return _KILLED_BY + came
    if board.failed:
        raise UnfinishedError(
            f"{board.failed} of {len(plan.tasks)} prompts came to no answer", hint=_go_on(plan)
        )
    return 0


def _go_on(plan: Plan) -> str:
    if plan.output is None:
        return "results that are kept can be gone on with: --output FILE, and then --resume"
    return f"to go on, the same with: --output {plan.output} --resume"


async def _mapped(box: Pinnace, todo: Sequence[Task], watch: Watch, options: dict[str, Any]) -> int:
    """Do it; return the signal that ended it, or 0."""
    came: list[int] = []
    async with task_group() as tasks:
        tasks.start_soon(_listen, tasks.cancel_scope, came)
        await box.map([task.ask() for task in todo], watch=watch, **options)
        tasks.cancel_scope.cancel()
    return came[0] if came else 0


async def _listen(scope: anyio.CancelScope, came: list[int]) -> None:
    """End all at a signal; later ones change nothing about it."""
    there = [getattr(signal, name) for name in _ENDING]
    # What is ignored from the start, as `nohup` has it, stays so.
    listened = [number for number in there if signal.getsignal(number) is not signal.SIG_IGN]
    with anyio.open_signal_receiver(*listened) as received:
        async for number in received:
            if not came:
                console.stderr("pinnace: ending what runs")
                came.append(number)
                scope.cancel()
