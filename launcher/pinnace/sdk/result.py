"""What came of a run: its events and how its process ended, put together.

    gathered = Gathered()
    for event in events:
        gathered.add(event)
    result = checked(result_of(gathered, Ended(exit_code=0), data=None))

What a run came to is an `Outcome`. `outcomes.checked` returns the result of a run that did what its
caller wanted: completed it, or stopped it because the caller said so. Every other outcome is an
error of its own, with the result in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pinnace.sdk.blocks import ModelUsage, Usage
from pinnace.sdk.conversation import (
    AssistantEvent,
    InitEvent,
    ResultEvent,
    StreamEvent,
    UserEvent,
)

if TYPE_CHECKING:
    from pinnace.sdk.conversation import DeferredToolUse, PermissionDenial
    from pinnace.sdk.event import Event

T = TypeVar("T")
_SIGNAL: Final = 128
_SYNTHETIC: Final = "<synthetic>"
_ABORTED: Final = frozenset({"aborted_streaming", "aborted_tools"})


class Outcome(StrEnum):
    """What a run came to."""

    COMPLETED = "completed"
    """There is an answer."""
    DEFERRED = "deferred"
    """A hook put a call of a tool off; `deferred_tool_use` is the call."""
    INTERRUPTED = "interrupted"
    """The caller interrupted the turn."""
    STOPPED = "stopped"
    """The caller ended the run."""
    TIMED_OUT = "timed_out"
    """The caller's time was over."""
    MAX_TURNS = "max_turns"
    """The caller's limit of turns was reached."""
    BUDGET = "budget"
    """The caller's budget was spent."""
    OUTPUT_INVALID = "output_invalid"
    """The answer does not fit the schema, after all retries."""
    API_FAILED = "api_failed"
    """The Messages API refused, or did not answer."""
    FAILED = "failed"
    """Claude ended with an error of its own."""
    KILLED = "killed"
    """A signal ended it that the caller did not send."""
    NO_RESULT = "no_result"
    """Claude ended with 0, and said nothing of a result."""


OF_THE_CALLER: Final = frozenset(
    {Outcome.COMPLETED, Outcome.DEFERRED, Outcome.INTERRUPTED, Outcome.STOPPED}
)
"""Outcomes that are returned; the others are raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the process of a run ended, and what the launcher knows of it.

    Attributes:
        exit_code: 128+n after signal n.
        stderr_tail: the last of what it wrote to standard error.
        image_id: of the image that was launched.
        cli_version: of the CLI in it, verified; empty: as the CLI itself says.
        duration: in seconds, from the launch on.
        timed_out: the caller's time was over before it ended.
        stopped: the caller ended it.
        awaited: something was sent to Claude that no result has answered.
    """

    exit_code: int
    stderr_tail: str = ""
    image_id: str = ""
    cli_version: str = ""
    duration: float = 0.0
    timed_out: bool = False
    stopped: bool = False
    awaited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Generic[T]):
    """What came of a run.

    Attributes:
        text: the answer, to the last space; of a run that did not finish, what was said last.
        data: the answer as `output=` asks for it, validated; None without `output=`.
        outcome: what the run came to.
        session_id: to resume it; empty: it never began.
        cost_usd: of the whole session's run; None: not said.
        usage: tokens.
        model_usage: tokens and their price, by model.
        turns: as the CLI's version counts them.
        exit_code: the CLI's own, 128+n after signal n.
        terminal_reason: why the last turn ended, in the CLI's word; empty in older versions.
        errors: what the CLI says went wrong.
        permission_denials: calls of tools that were not allowed.
        deferred_tool_use: the call that a hook put off.
        stderr_tail: the last of what was written to standard error.
        image_id: of the image that was launched.
        cli_version: of the CLI in it.
        duration: in seconds, from the launch on.
        api_status: the HTTP status with which the API refused, where the CLI says it.
        events: all events, if they were to be kept.
        notes: what `pinnace run` would have said on stderr: what was not approved and so did not
            count, what waits for a review, what the gateway refused.
    """

    text: str
    data: T
    outcome: Outcome
    session_id: str
    exit_code: int
    cost_usd: float | None = None
    usage: Usage = field(default_factory=Usage)
    model_usage: dict[str, ModelUsage] = field(default_factory=dict)
    turns: int = 0
    terminal_reason: str = ""
    errors: tuple[str, ...] = ()
    permission_denials: tuple[PermissionDenial, ...] = ()
    deferred_tool_use: DeferredToolUse | None = None
    stderr_tail: str = ""
    image_id: str = ""
    cli_version: str = ""
    duration: float = 0.0
    api_status: int | None = None
    events: tuple[Event, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """There is an answer."""
        return self.outcome is Outcome.COMPLETED


class Gathered:
    """What is known of a run so far; of any length, in little memory unless events are kept."""

    def __init__(self, *, keep: bool = False) -> None:
        """Start before the first event.

        Args:
            keep: all events, for `Result.events`.
        """
        self.result: ResultEvent | None = None
        self.session_id = ""
        self.version = ""
        self.said = ""
        self.failure: str | None = None
        self.under_way = False
        self.events: list[Event] | None = [] if keep else None

    def add(self, event: Event) -> None:
        """Take the next event."""
        if self.events is not None:
            self.events.append(event)
        self.session_id = event.session_id or self.session_id
        match event:
            case ResultEvent():
                self.result, self.under_way = event, False
            case AssistantEvent():
                self.under_way = True
                self._hear(event)
            case UserEvent() | StreamEvent():
                self.under_way = True
            case InitEvent():
                self.version = event.claude_code_version or self.version
            case _:
                pass

    def _hear(self, event: AssistantEvent) -> None:
        """Note what Claude itself says, not one of its agents, and the CLI's own messages."""
        if event.parent_tool_use_id is None and event.text:
            self.said = event.text
        synthetic = event.message.model == _SYNTHETIC
        self.failure = event.error or ("unknown" if synthetic else None)


def result_of(gathered: Gathered, ended: Ended, data: T) -> Result[T]:
    """Return what came of a run.

    Args:
        gathered: its events.
        ended: how its process ended.
        data: the answer as `output=` asks for it, None without.
    """
    last = gathered.result
    result = Result(
        text=gathered.said,
        data=data,
        outcome=_outcome(gathered, ended),
        session_id=gathered.session_id,
        exit_code=ended.exit_code,
        stderr_tail=ended.stderr_tail,
        image_id=ended.image_id,
        cli_version=ended.cli_version or gathered.version,
        duration=ended.duration,
        events=tuple(gathered.events or ()),
    )
    return _with(result, last) if last else result


def _with(result: Result[T], last: ResultEvent) -> Result[T]:
    return replace(
        result,
        text=result.text if last.result is None else last.result,
        cost_usd=last.cost_usd,
        usage=last.usage,
        model_usage=last.model_usage,
        turns=last.num_turns,
        terminal_reason=last.terminal_reason or "",
        errors=last.errors,
        permission_denials=last.permission_denials,
        deferred_tool_use=last.deferred_tool_use,
        api_status=last.api_error_status,
    )


def _outcome(gathered: Gathered, ended: Ended) -> Outcome:
    """Return what a run came to: by its last result, unless something came after that."""
    if gathered.result and not gathered.under_way and not ended.awaited:
        return outcome_of(gathered.result, gathered.failure)
    if ended.timed_out:
        return Outcome.TIMED_OUT
    if ended.stopped:
        return Outcome.STOPPED
    if ended.exit_code > _SIGNAL:
        return Outcome.KILLED
    return Outcome.FAILED if ended.exit_code else Outcome.NO_RESULT


_OF_SUBTYPE: Final = {
    "error_max_turns": Outcome.MAX_TURNS,
    "error_max_budget_usd": Outcome.BUDGET,
    "error_max_structured_output_retries": Outcome.OUTPUT_INVALID,
}


def outcome_of(event: ResultEvent, failure: str | None = None) -> Outcome:
    """Return what a turn came to.

    `is_error` is no guide: 1.0.128 says false, and ends with 0, where turns ran out; every version
    calls an error of the API a `success`.

    Args:
        event: the turn's result.
        failure: the kind of the failure that the last message was about, if it was.
    """
    reason = event.terminal_reason or ""
    if event.subtype in _OF_SUBTYPE:
        return _OF_SUBTYPE[event.subtype]
    if reason in _ABORTED:
        return Outcome.INTERRUPTED
    if event.deferred_tool_use:
        return Outcome.DEFERRED
    if event.subtype == "success" and not event.is_error:
        return Outcome.COMPLETED
    api = event.api_error_status is not None or reason == "api_error" or failure is not None
    return Outcome.API_FAILED if api else Outcome.FAILED
