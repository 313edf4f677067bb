"""Many prompts: each a call of its own, some at a time; one that fails harms no other.

answers = await box.map(["first prompt", Ask("second", options={"model": "opus"})], limit=8)
texts = [answer.result.text for answer in answers if answer.ok]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio

from pinnace.config import types
from pinnace.sdk.errors import ClaudeError, UnfinishedError
from pinnace.sdk.options import Options, checked
from pinnace_core.errors import PinnaceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from pinnace.sdk.asking import Said
    from pinnace.sdk.event import Event
    from pinnace.sdk.result import Result
    from pinnace.sdk.stream import Stream

LIMIT: Final = 4
"""So many calls run at once, where nothing else is said."""
Seen: TypeAlias = "Callable[[Stream, Event | None], object]"
"""Is told that a call has started, and of its events."""
Call: TypeAlias = "Callable[[Ask, Mapping[str, Any], Seen], Awaitable[Result[Any]]]"
# No call is started with less. Shares are rounded down, so that they never exceed the total.
_LEAST_USD: Final = 0.01
_PARTS: Final = 10_000
_LEAST_MEMORY: Final = 512 << 20


class CallOptions(Options, total=False):
    """Options of a call, and what `Pinnace.claude` has besides.

    Attributes:
        output: the form of the answer: a JSON Schema, or a type.
        timeout: in seconds, after which the container ends.
        retries: how often at most an answer that does not fit is asked for again.
        events: keep all events, in the result.
    """

    output: Any
    timeout: float
    retries: int
    events: bool


_OF_THE_CALL: Final = frozenset(CallOptions.__annotations__) - frozenset(Options.__annotations__)


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt of many, and what counts for it alone.

    Attributes:
        prompt: what is asked; or a function that makes it, called in a thread when its turn comes.
        session: that it goes on in, by name; empty: one of its own.
        branch: that it works on, in a worktree of its own; empty: as the others.
        options: as `Pinnace.claude` has them; they win over those for all.
    """

    prompt: Said | Callable[[], Said]
    session: str = ""
    branch: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one prompt of many.

    Attributes:
        index: of the prompt.
        ask: the prompt.
        result: what Claude did; None: nothing was started.
        error: why there is no answer; None: there is one.
    """

    index: int
    ask: Ask
    result: Result[Any] | None = None
    error: PinnaceError | None = None

    @property
    def ok(self) -> bool:
        """There is an answer."""
        return self.error is None


class Watch:
    """Is called while many calls run: override the methods that you want; none may block."""

    def begun(self, index: int) -> None:
        """Hear that a prompt's turn has come."""

    def started(self, index: int, name: str) -> None:
        """Hear that its container was started, and the container's name."""

    def event(self, index: int, event: Event) -> None:
        """Hear an event of Claude's."""

    def ended(self, answer: Answer) -> None:
        """Hear what came of a prompt."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What all calls together may use; None: nothing limits it.

    Attributes:
        limit: how many run at once.
        usd: what they may cost. A call may go beyond its share by the turn that it is in.
        seconds: how long all of it may take.
    """

    limit: int = LIMIT
    usd: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """See that there is something to use.

        Raises:
            UsageError: there is not.
        """
        for name, value in (("limit", self.limit), ("usd", self.usd), ("seconds", self.seconds)):
            if value is not None and not value > 0:
                raise UsageError(f"{name}={value}: it has to be above 0", hint="leave it out")


def share_of_memory(total: str, limit: int) -> str:
    """Return what each of so many containers gets of a total, both as docker writes sizes.

    Raises:
        UsageError: it is none, or too little for Claude.
    """
    if not types.is_size(total):
        raise UsageError(f"memory '{total}' is no size", hint="write it as 16g, or 8000m")
    share = types.in_bytes(total) // limit
    if share < _LEAST_MEMORY:
        raise UsageError(
            f"memory for {limit} at once: each would have {share >> 20} MiB, which is too little",
            hint=f"run fewer at once, or give {limit * (_LEAST_MEMORY >> 20)} MiB",
        )
    return f"{share}b"


def asks(prompts: Iterable[Said | Ask], options: Mapping[str, Any]) -> list[Ask]:
    """Return prompts, each with all that counts for it.

    Raises:
        TypeError: there is no such option.
        UsageError: an option is of another type.
    """
    found = []
    for one in prompts:
        ask = one if isinstance(one, Ask) else Ask(one)
        given = {**options, **ask.options}
        checked({name: value for name, value in given.items() if name not in _OF_THE_CALL})
        found.append(replace(ask, options=given))
    return found


class Purse:
    """The budget for all calls: what is left of it is shared among those that run at once."""

    def __init__(self, total: float | None, workers: int) -> None:
        """Begin with all of it.

        Args:
            total: in US dollars; None: there is no end to it.
            workers: how many calls run at once.
        """
        self._left, self._workers, self._running = total, workers, 0
        self._changed = anyio.Event()

    async def take(self, own: float | None) -> float | None:
        """Return what a call may cost; None: anything. It waits while others have all of it.

        Args:
            own: what it may cost in any case.

        Raises:
            UnfinishedError: all of it is spent.
        """
        if self._left is None:
            return own
        while self._left < _LEAST_USD and self._running:
            await self._changed.wait()
        if self._left < _LEAST_USD:
            raise UnfinishedError("not begun: the budget for all is spent", hint=_AGAIN)
        share = self._left / max(1, self._workers - self._running)
        share = max(math.floor(share * _PARTS) / _PARTS, _LEAST_USD)
        share = min(share, own or share)
        self._left -= share
        self._running += 1
        return share

    def give_back(self, share: float | None, cost: float) -> None:
        """Give back what a call did not need."""
        if self._left is None or share is None:
            return
        self._left += share - cost
        self._running -= 1
        self._changed.set()
        self._changed = anyio.Event()


_AGAIN: Final = "what is done is done; ask for the rest again"


class Many:
    """Calls that are under way, in workers of which each does one after the other."""

    def __init__(self, todo: Sequence[Ask], call: Call, totals: Totals, watch: Watch) -> None:
        """Take over.

        Args:
            todo: what is asked.
            call: does one, with these options; it raises what `Pinnace.claude` does.
            totals: for all of them.
            watch: is told.
        """
        self._todo, self._call, self._watch = todo, call, watch
        self._totals = totals
        self._workers = min(totals.limit, len(todo))
        self._purse = Purse(totals.usd, self._workers)
        self._numbers = iter(range(len(todo)))
        self._answers: dict[int, Answer] = {}

    async def run(self) -> list[Answer]:
        """Do all of it; return what came of it, in the order of the prompts."""
        with anyio.move_on_after(self._totals.seconds):
            try:
                async with anyio.create_task_group() as tasks:
                    for _ in range(self._workers):
                        tasks.start_soon(self._work)
            except BaseExceptionGroup as group:
                raise _only(group) from None
        late = UnfinishedError("not finished: the time for all is over", hint=_AGAIN)
        for index, ask in enumerate(self._todo):
            if index not in self._answers:
                self._end(Answer(index, ask, error=late))
        return [self._answers[index] for index in range(len(self._todo))]

    async def _work(self) -> None:
        for index in self._numbers:
            ask = self._todo[index]
            try:
                share = await self._purse.take(ask.options.get("budget_usd"))
            except UnfinishedError as error:
                self._end(Answer(index, ask, error=error))
                continue
            self._watch.begun(index)
            answer = await self._answer(index, ask, share)
            # What nobody can tell the cost of may have cost all of it.
            unknown = 0.0 if answer.result is None else share or 0.0
            cost = answer.result.cost_usd if answer.result else None
            self._purse.give_back(share, unknown if cost is None else cost)
            self._end(answer)

    async def _answer(self, index: int, ask: Ask, share: float | None) -> Answer:
        def seen(stream: Stream, event: Event | None) -> None:
            if event is None:
                self._watch.started(index, stream.name)
            else:
                self._watch.event(index, event)

        options = {**ask.options} if share is None else {**ask.options, "budget_usd": share}
        try:
            return Answer(index, ask, await self._call(ask, options, seen))
        except ClaudeError as error:
            return Answer(index, ask, error.result, error)
        except PinnaceError as error:
            return Answer(index, ask, error=error)

    def _end(self, answer: Answer) -> None:
        self._answers[answer.index] = answer
        self._watch.ended(answer)


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first of several errors: those that it ended say nothing of their own."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
