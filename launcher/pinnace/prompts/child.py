"""The process in which a prompt is made: its memory and time are bounded, its environment is empty.

A template can count to any number, a YAML file or a pattern can take as long as it likes: here,
and then it is over. An order comes on standard input, its answer goes to standard output, as JSON.
"""

from __future__ import annotations

import json
import sys

from pinnace.prompts.compose import Order, compose
from pinnace.prompts.data import Source
from pinnace_core.errors import PinnaceError

TOO_MUCH = "memory"
_BYTES = 1 << 30
_SECONDS = 5


def main() -> None:
    """Answer one order."""
    _bound()
    order = json.load(sys.stdin)
    order["sources"] = tuple(Source(*one) for one in order["sources"])
    try:
        answer = compose(Order(**order))._asdict()
    except PinnaceError as error:
        kind = type(error).__name__
        answer = {"error": kind, "message": error.message, "hint": error.hint}
    except MemoryError:
        answer = {"error": TOO_MUCH}
    json.dump(answer, sys.stdout)


def _bound() -> None:
    if sys.platform == "win32":
        return
    import resource

    for kind, most in (
        (resource.RLIMIT_AS, _BYTES),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, hard))
