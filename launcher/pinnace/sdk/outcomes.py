"""Outcomes that a caller did not want, as errors."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pinnace.sdk import errors
from pinnace.sdk.result import OF_THE_CALLER, Outcome

if TYPE_CHECKING:
    from pinnace.sdk.result import Result

T = TypeVar("T")
_SIGNAL: Final = 128
_LONGEST: Final = 300
_RESUME: Final = "what it did is in error.result; resume its session to go on"


@dataclass(frozen=True, slots=True)
class _Error:
    """Which error an outcome is, and what to say."""

    kind: type[errors.ClaudeError]
    message: str
    hint: str


_ERRORS: Final = {
    Outcome.TIMED_OUT: _Error(
        errors.TimedOutError, "Claude did not answer in time", f"allow it more time; {_RESUME}"
    ),
    Outcome.MAX_TURNS: _Error(
        errors.MaxTurnsError,
        "Claude reached the limit of turns before an answer",
        f"allow more with max_turns; {_RESUME}",
    ),
    Outcome.BUDGET: _Error(
        errors.BudgetError,
        "Claude spent the budget before an answer",
        f"allow more with budget_usd; {_RESUME}",
    ),
    Outcome.OUTPUT_INVALID: _Error(
        errors.OutputInvalidError,
        "Claude's answer does not fit what output= asks for",
        "error.result.text is the last answer; say more in the prompt, or ask for less",
    ),
    Outcome.API_FAILED: _Error(
        errors.ApiFailedError, "the Messages API failed", "see `pinnace doctor` about the login"
    ),
    Outcome.FAILED: _Error(
        errors.ClaudeFailedError, "Claude ended with an error", "see error.result"
    ),
    Outcome.KILLED: _Error(
        errors.KilledError,
        "Claude was killed",
        "if memory ran out, allow more with limits=Limits(memory=...)",
    ),
    Outcome.NO_RESULT: _Error(
        errors.NoResultError,
        "Claude ended without a result",
        "error.result.stderr_tail may say why",
    ),
}


def checked(result: Result[T]) -> Result[T]:
    """Return the result of a run that was completed, or that its caller ended or interrupted.

    Raises:
        ClaudeError: the run came to something else; the class says to what.
    """
    if result.outcome in OF_THE_CALLER:
        return result
    raise error_of(result)


def error_of(result: Result[Any]) -> errors.ClaudeError:
    """Return the error that a result stands for."""
    error = _ERRORS[result.outcome]
    said = _said(result)
    message = f"{error.message}: {said}" if said else error.message
    return error.kind(message, hint=error.hint, result=result)


def _said(result: Result[Any]) -> str:
    """Return what is known of the cause, in one line."""
    if result.outcome is Outcome.KILLED:
        return f"{_name_of(result.exit_code)}, exit code {result.exit_code}"
    if result.outcome is Outcome.TIMED_OUT:
        return f"it ran for {result.duration:.0f} s" if result.duration else ""
    api = result.text if result.outcome is Outcome.API_FAILED else ""
    failed = result.outcome is Outcome.FAILED
    other = result.text or f"exit code {result.exit_code}" if failed else ""
    said = "; ".join(result.errors) or api or result.stderr_tail or other
    line = " ".join(said.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _name_of(exit_code: int) -> str:
    try:
        return signal.Signals(exit_code - _SIGNAL).name
    except ValueError:
        return f"signal {exit_code - _SIGNAL}"
