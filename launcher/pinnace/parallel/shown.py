"""How far a list is, for people: a live table on a terminal, a line for each end elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from pinnace.sdk.conversation import AssistantEvent
from pinnace_core import console

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.table import Table

    from pinnace.parallel.tasks import Task
    from pinnace.sdk.event import Event
    from pinnace.sdk.many import Answer

_LONGEST: Final = 48
_PER_SECOND: Final = 4
_MINUTE: Final = 60


class Board:
    """Counts what was done, and what runs, for those who look on.

    Attributes:
        done: how many came to an answer.
        failed: how many did not.
        cost: of all, in US dollars, as far as it was said.
    """

    def __init__(self, tasks: Sequence[Task], say: Say) -> None:
        """Begin.

        Args:
            tasks: the list.
            say: prints a line.
        """
        self.done = self.failed = 0
        self.cost = 0.0
        self._tasks, self._say = tasks, say
        self._since: dict[int, float] = {}
        self._doing: dict[int, str] = {}
        self._told: set[str] = set()
        self._began = time.monotonic()

    def begun(self, index: int) -> None:
        """Note that one's turn has come."""
        self._since[index] = time.monotonic()
        self._doing[index] = "prepares"

    def started(self, index: int, name: str) -> None:
        """Note that one's container was started."""
        self._doing[index] = name

    def event(self, index: int, event: Event) -> None:
        """Note what Claude is at."""
        if isinstance(event, AssistantEvent):
            tools = ", ".join(use.name for use in event.tool_uses)
            self._doing[index] = _short(tools or event.text) or self._doing.get(index, "")

    def ended(self, answer: Answer) -> None:
        """Note an end, and tell it."""
        since = self._since.pop(answer.index, None)
        self._doing.pop(answer.index, None)
        self.done += answer.ok
        self.failed += not answer.ok
        cost = answer.result.cost_usd if answer.result else None
        self.cost += cost or 0.0
        took = f"{time.monotonic() - since:.0f} s" if since else "not begun"
        said = "done" if answer.error is None else f"failed: {_short(answer.error.message, 200)}"
        count = f"[{self.done + self.failed}/{len(self._tasks)}]"
        name = console.printable(self._tasks[answer.index].name)
        self._say(f"{count} {name}: {said} ({took}, {_dollars(cost or 0.0)})")
        self._tell(name, answer.result.notes if answer.result else ())

    def _tell(self, name: str, notes: Iterable[str]) -> None:
        """Tell what launches said, what many of them said only once: results have all of it."""
        for note in notes:
            if note not in self._told:
                self._told.add(note)
                self._say(f"{name}: {console.printable(note)}")

    def summary(self) -> str:
        """Return how far all of it is, in one line."""
        left = len(self._tasks) - self.done - self.failed
        took = int(time.monotonic() - self._began)
        clock = f"{took // _MINUTE}:{took % _MINUTE:02}"
        return (
            f"{self.done} done, {self.failed} failed, {left} left, {_dollars(self.cost)}, {clock}"
        )

    def table(self) -> Table:
        """Return what runs, as a table."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, caption=Text(self.summary()), caption_justify="left")
        for title in ("NAME", "PROMPT", "TIME", "DOES"):
            table.add_column(title, no_wrap=True)
        for index, since in list(self._since.items()):
            task = self._tasks[index]
            cells = (
                console.printable(task.name),
                _short(task.line.prompt or task.line.file),
                f"{time.monotonic() - since:.0f} s",
                self._doing.get(index, ""),
            )
            table.add_row(*map(Text, cells))
        return table


class Say(Protocol):
    """Prints a line for people."""

    def __call__(self, text: str, /) -> object: ...


@contextmanager
def shown(tasks: Sequence[Task]) -> Iterator[Board]:
    """Show how far a list is, on stderr, while the block runs."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield Board(tasks, lambda text: console.stderr(f"pinnace: {text}"))
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    terminal = Console(stderr=True)
    # What goes to standard output goes above the table, if that is the same terminal.
    board = Board(tasks, lambda text: terminal.print(Text(text)))
    live = Live(
        console=terminal,
        get_renderable=board.table,
        refresh_per_second=_PER_SECOND,
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        transient=True,
    )
    with live:
        yield board


def _short(text: str, most: int = _LONGEST) -> str:
    line = console.printable(" ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 3]}..."


def _dollars(cost: float) -> str:
    return f"${cost:.2f}"
