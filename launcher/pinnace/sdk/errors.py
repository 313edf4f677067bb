"""What can go wrong in a run that a program drives: one class per cause, as `pinnace_core.errors`.

A run that ended badly has its `Result` in the error, so that nothing that Claude did is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pinnace_core.errors import PinnaceError

if TYPE_CHECKING:
    from pinnace.sdk.result import Result


class MalformedEventError(PinnaceError):
    """Claude wrote a line that is no event.

    Attributes:
        number: of the line, from 1 on; 0: a line that was decoded on its own.
        line: all of it.
    """

    exit_code = 76

    def __init__(self, message: str, *, hint: str = "", number: int = 0, line: bytes = b"") -> None:
        super().__init__(message, hint=hint)
        self.number = number
        self.line = line


class LineTooLongError(MalformedEventError):
    """Claude wrote a line that is longer than the limit that was set; `line` is its beginning."""


class BadOutputTypeError(PinnaceError):
    """What `output=` names cannot be turned into a JSON Schema."""

    exit_code = 64


class ControlError(PinnaceError):
    """Claude refused a request of the program's, or ended before an answer."""

    exit_code = 70


class UnfinishedError(PinnaceError):
    """Not all of many prompts came to an answer: money or time ran out, or some failed."""

    exit_code = 75


class ClaudeError(PinnaceError):
    """A run of Claude did not do what it was to do.

    Attributes:
        result: what there is nevertheless: the answer so far, session, cost, exit code.
    """

    def __init__(self, message: str, *, hint: str = "", result: Result[Any]) -> None:
        super().__init__(message, hint=hint)
        self.result = result


class ClaudeFailedError(ClaudeError):
    """Claude ended with an error of its own."""


class NoResultError(ClaudeError):
    """Claude ended, and said nothing of a result."""


class KilledError(ClaudeError):
    """Claude's container was ended by a signal from outside, or for want of memory."""


class ApiFailedError(ClaudeError):
    """The Messages API refused, or did not answer."""

    exit_code = 69


class MaxTurnsError(ClaudeError):
    """The limit of turns was reached before the answer."""

    exit_code = 75


class BudgetError(ClaudeError):
    """The budget was spent before the answer."""

    exit_code = 75


class TimedOutError(ClaudeError):
    """The time that the run was given was over before the answer."""

    exit_code = 75


class OutputInvalidError(ClaudeError):
    """The answer does not fit what `output=` asks for, after all retries."""

    exit_code = 65
