"""How a launch is begun: cold, in a container that waits, detached, or as one of a list.

    START=detached pytest -m promise tests/attacks tests/engine

What has no counterpart is begun as always: dry runs, and the verbs; of what is detached, also what
has a conversation; in a list, also what prints no answer (`--version`) or chooses its session.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace.agent.arguments import chooses_session, prints, prints_only, read
from pinnace.request import parse
from pinnace_core.errors import PinnaceError

if TYPE_CHECKING:
    from collections.abc import Sequence

COLD: Final = "cold"
STANDBY: Final = "standby"
DETACHED: Final = "detached"
PARALLEL: Final = "parallel"
WAYS: Final = (COLD, STANDBY, DETACHED, PARALLEL)
CHOSEN: Final = os.environ.get("START", "")
"""How they are begun in tests of what every launch promises; empty: see `chosen`."""
_PROGRAM: Final = Path(__file__).with_name("begin.py")
# What is for one launch that somebody waits for.
_ALONE: Final = frozenset({"--dry-run", "--detach", "--timing", "--help", "-h"})
# What `pinnace parallel` says itself, besides the session.
_OF_A_LIST: Final = frozenset(
    {"--verbose", "--output-format", "--input-format", "--json-schema", "--max-budget-usd"}
)


def chosen(test: pytest.Item) -> list[Any]:
    """Return the ways in which the launches of a test are begun, each as a parameter.

    What is marked as a promise is kept whatever begins a launch; so is all of tests/attacks.
    """
    if CHOSEN not in {"", *WAYS}:
        raise pytest.UsageError(f"START={CHOSEN}: it is one of {', '.join(WAYS)}")
    marks = list(test.iter_markers("promise"))
    apart = {way: why for mark in marks for way, why in mark.kwargs.get("apart", {}).items()}
    if CHOSEN:
        holds = bool(marks) or test.path.parent.name == "attacks"
        ways = [CHOSEN if holds or CHOSEN == STANDBY else COLD]
    else:
        ways = list(WAYS) if any(mark.kwargs.get("each") for mark in marks) else [COLD]
    return [_parameter(one, apart.get(one, "")) for one in ways]


def _parameter(way: str, apart: str) -> Any:
    """Return a way as a parameter; what is as always has no name of its own."""
    marks = [pytest.mark.skip(reason=apart)] if apart else []
    return pytest.param(way, id=pytest.HIDDEN_PARAM if way == COLD else way, marks=marks)


def argv(way: str, arguments: Sequence[str]) -> list[str] | None:
    """Spell the command that begins a launch in a way; None: it is begun as always."""
    launch = _launch_of(arguments)
    if way == COLD or launch is None:
        return None
    verb, rest = launch
    is_shell = verb == "shell"
    begun = is_shell or way == STANDBY or _counterpart(way, rest)
    return [sys.executable, "-P", str(_PROGRAM), way, verb, *rest] if begun else None


def _launch_of(arguments: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    first = arguments[0] if arguments else "run"
    if first == "shell":
        return (first, ()) if len(arguments) == 1 else None
    if first != "run" and not first.startswith("-"):
        return None
    rest = tuple(arguments[1:] if first == "run" else arguments)
    return None if _ALONE & {*rest} else ("run", rest)


def _counterpart(way: str, rest: Sequence[str]) -> bool:
    try:
        asked = parse(rest)
    except PinnaceError:
        # It is refused, whatever begins it.
        return way == DETACHED
    if way == DETACHED:
        return prints_only(asked.claude_arguments)
    words = list(read(asked.claude_arguments))
    said = chooses_session(asked.claude_arguments) or _OF_A_LIST & {word.option for word in words}
    return any(map(prints, words)) and not said and asked.prompt is None
