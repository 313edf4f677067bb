"""One thing that was looked at, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pinnace_core.errors import PinnaceError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Status = Literal["ok", "warn", "fail"]


class Check(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: of the check; stable, for programs.
        status: `warn`: a launch works, but not as well as it could.
        found: what was seen.
        fix: what to do about it, or empty.
        problem: the error that a launch would end with, where it fails.
    """

    name: str
    status: Status
    found: str
    fix: str = ""
    problem: PinnaceError | None = None

    def as_json(self) -> dict[str, str]:
        """Return it as plain data."""
        return {"name": self.name, "status": self.status, "found": self.found, "fix": self.fix}


def failed(name: str, error: PinnaceError) -> Check:
    """Make a failed check of an error."""
    return Check(name, "fail", error.message, error.hint, error)


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """Look; an error is what was found."""
    try:
        return look()
    except PinnaceError as error:
        return failed(name, error)


def first_problem(checks: list[Check]) -> PinnaceError | None:
    """Return what decides the exit code."""
    return next((check.problem for check in checks if check.problem), None)


def as_json(checks: list[Check]) -> dict[str, Any]:
    """Return all as plain data."""
    return {"checks": [check.as_json() for check in checks]}
