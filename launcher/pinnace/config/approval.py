"""What of a project's file counts at once, and what waits: a rule for each setting.

A project may tighten what would count without it, never loosen it: whoever writes in the project is
a stranger, and so is an agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pinnace.config import AUTO, levels
from pinnace.config.types import in_bytes
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

# https://docs.docker.com/reference/cli/docker/container/run/ (--shm-size)
_USUAL_SHM: Final = "64m"
_PROJECT_ITSELF: Final = "bind"
# `config.NEVER`; here, that name is a rule's.
_NEVER_KEPT: Final = "never"


class Rule(NamedTuple):
    """When a setting in a project's file waits for approval.

    Attributes:
        shown: in the documentation; empty: never.
        waits: of what counts without the file, and what the file says.
    """

    shown: str
    waits: Callable[[Any, Any], bool]


def _is_larger(below: str, wanted: str) -> bool:
    return in_bytes(wanted) > in_bytes(below or _USUAL_SHM)


def _is_more_cpus(below: str, wanted: str) -> bool:
    """No limit is the most."""
    return bool(below) and float(wanted) > float(below)


def _waits_more(below: str, wanted: str) -> bool:
    """What waits takes memory."""
    below, wanted = (text.replace(AUTO, "1") for text in (below, wanted))
    return int(wanted) > int(below)


def _keeps_more(below: str, wanted: str) -> bool:
    """What one launch leaves, the next one runs."""
    return wanted not in {below, _NEVER_KEPT}


def _adds_tools(below: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Where the project's files choose already, any choice is theirs."""
    return AUTO not in below and not set(wanted) <= {*below, "none"}


def _writes_to_the_project(below: str, wanted: str) -> bool:
    """A layer and a clone leave the project as it is."""
    return wanted == _PROJECT_ITSELF and below != _PROJECT_ITSELF


def _isolates_less(below: str, wanted: str) -> bool:
    """Of the user's own levels, it cannot be told: one of them has to be approved."""
    if wanted in {below, levels.LOCKED.name}:
        return False
    return (below, wanted) != (levels.OPEN.name, levels.STANDARD.name)


NEVER: Final = Rule("", lambda _below, _wanted: False)
"""It opens nothing, whatever it says."""
ALWAYS: Final = Rule("yes", lambda _below, _wanted: True)
"""It opens something outside the project, or chooses what is run."""
GOING_BACK: Final = Rule("to go back", lambda _below, _wanted: False)
"""Of the version: pins have more sources than settings, see `image.last_version`."""
CHANGED: Final = Rule("to change it", lambda below, wanted: wanted != below)
TURNED_ON: Final = Rule("to turn it on", lambda below, wanted: wanted and not below)
TURNED_OFF: Final = Rule("to turn it off", lambda below, wanted: below and not wanted)
ADDED: Final = Rule("to add to it", lambda below, wanted: not set(wanted) <= set(below))
TOOLS: Final = Rule("to add to yours", _adds_tools)
MORE: Final = Rule("to raise it", lambda below, wanted: wanted > below)
LARGER: Final = Rule("to raise it", _is_larger)
MORE_STANDBY: Final = Rule("to raise it", _waits_more)
REUSE: Final = Rule("to keep more", _keeps_more)
MORE_CPUS: Final = Rule("to raise it", _is_more_cpus)
WORKSPACE: Final = Rule("to write to the project itself", _writes_to_the_project)
ISOLATION: Final = Rule("for less than yours", _isolates_less)
