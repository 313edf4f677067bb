"""Transient errors: another attempt, a little later, a few times."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from pinnace_core.console import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState

    from pinnace_core.errors import PinnaceError

T = TypeVar("T")

# What buildx says of a registry that is busy, restarting or far away.
_SAID: Final = re.compile(
    r"\b(429 too many requests|500 internal server error|502 bad gateway|503 service unavailable"
    r"|504 gateway time-?out)"
    r"|\bHTTP (response )?(status:? )?(429|50[0234])\b|status( code)?:? (429|50[0234])\b"
    r"|too many requests|toomanyrequests|connection (reset|refused|timed out)|broken pipe"
    r"|i/o timeout|TLS handshake timeout|unexpected EOF|\bEOF$|context deadline exceeded"
    r"|Client\.Timeout exceeded",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class RetryPolicy:
    """How long to go on trying.

    Attributes:
        attempts: of one operation, in all.
        first_seconds: to wait before the second attempt; doubled each time.
        most_seconds: to wait between two attempts.
        most_asked_seconds: to wait where the other side itself asks for it.
        connect_seconds: for a connection, and for sending when nothing moves.
        read_seconds: for an answer; a registry may store a large blob before it gives one.
    """

    attempts: int = 5
    first_seconds: float = 0.5
    most_seconds: float = 20
    most_asked_seconds: float = 60
    connect_seconds: float = 20
    read_seconds: float = 120


DEFAULT_POLICY = RetryPolicy()
"""Where nobody gives another one; read anew each time, so that a test can replace it."""


class TransientError(Exception):
    """Worth another attempt; never leaves `retry`.

    Args:
        error: what to say when there are no more attempts.
        seconds: how long the other side asks us to wait.
    """

    def __init__(self, error: PinnaceError, seconds: float = 0) -> None:
        super().__init__(error.message)
        self.error = error
        self.seconds = seconds


def is_transient(said: str) -> bool:
    """Return whether a program's last words are about something that passes."""
    return _SAID.search(said) is not None


def retry(once: Callable[[], T], policy: RetryPolicy | None = None) -> T:
    """Do something until it does not end in a transient error, or for the last time.

    Args:
        once: one attempt; it may raise a TransientError.
        policy: how often, and how long to wait; None: `DEFAULT_POLICY`.

    Raises:
        PinnaceError: of the last attempt.
    """
    # A local build does without it.
    from tenacity import (
        Retrying,
        retry_if_exception_type,
        stop_after_attempt,
        wait_exponential,
        wait_random,
    )

    policy = policy or DEFAULT_POLICY
    usual = wait_exponential(policy.first_seconds, max=policy.most_seconds)
    jitter = wait_random(0, policy.first_seconds)

    def wait(state: RetryCallState) -> float:
        asked = min(_error(state).seconds, policy.most_asked_seconds)
        return max(usual(state) + jitter(state), asked)

    def announce(state: RetryCallState) -> None:
        number = f"attempt {state.attempt_number + 1} of {policy.attempts}"
        say(f"{_error(state)}: {number} in {state.upcoming_sleep:.1f} s")

    try:
        return Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_after_attempt(policy.attempts),
            wait=wait,
            before_sleep=announce,
            reraise=True,
        )(once)
    except TransientError as transient:
        raise transient.error from transient.__cause__


def _error(state: RetryCallState) -> TransientError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, TransientError):
        raise TypeError("only transient errors are tried again")
    return error
