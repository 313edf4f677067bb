"""The user's Claude settings in a project: those of the profile, and what was chosen inside.

Claude writes its user settings at run time (a theme, a model), so the file in a project's config
directory is writable. It is made anew at each launch: what the profile says, and on top what was
changed in this project since. So a choice stays, and stays in the project. What was changed inside
may be an agent's work: what runs programs or lets more be done unasked counts once it is approved,
as what a project's own files ask for.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.files import read_own, write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_MOST_BYTES: Final = 16 << 20
_SCHEMA: Final = 1
# Whatever runs a program, brings one, sets its variables, or lets more be done without a question:
# https://code.claude.com/docs/en/settings. By parts of names, as there are new ones all the time.
_ASKS: Final = (
    r"(?i)^env$|allow|approv|auto|bypass|command|dangerous|director|export|fileSuggestion|helper|"
    r"hook|marketplace|mode$|permission|plugin|prompt|refresh|sandbox|server|shell|statusLine|trust"
)
# Names that the words above fit, and that only concern what is shown.
_SHOWN: Final = frozenset(
    {"autoScroll", "autoScrollEnabled", "autoCompactEnabled", "editorMode", "vimMode"}
)


class Memory(NamedTuple):
    """What Pinnace remembers of one document of Claude's in a project.

    Attributes:
        left: what it said when Pinnace wrote or saw it last.
        own: what was changed in the project, by name; None: it was removed.
    """

    left: Mapping[str, Any] = {}
    own: Mapping[str, Any] = {}


class Decision(NamedTuple):
    """What a document has to say.

    Attributes:
        document: all of it.
        memory: to be kept.
        waiting: what was changed in the project, and does not count before it is approved.
    """

    document: dict[str, Any]
    memory: Memory
    waiting: dict[str, Any]


def decide(
    users: Mapping[str, Any],
    there: Mapping[str, Any] | None,
    memory: Memory,
    *,
    unapproved: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ours: Mapping[str, Any],
) -> Decision:
    """Decide what a document of Claude's in a project has to say.

    Args:
        users: what the profile says.
        there: what the project's file says; None: it is not there, or nobody can tell.
        memory: of the time before.
        unapproved: returns what of a change needs the user's approval, and has none.
        ours: what this launch adds; it does not outlast it.
    """
    changed = {} if there is None else difference(memory.left, there)
    own = _needed(combined(memory.own, changed), users)
    waiting = dict(unapproved(own))
    counting = {name: value for name, value in own.items() if name not in waiting}
    document = {**applied(users, counting), **ours}
    return Decision(document, Memory(document, own), waiting)


def asks(name: str) -> bool:
    """Return whether a setting runs something, or lets more be done unasked."""
    return name not in _SHOWN and bool(re.search(_ASKS, name))


def content(values: Mapping[str, Any]) -> bytes:
    """Return what an approval is of."""
    return json.dumps(values, sort_keys=True).encode()


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return what has changed: objects by their keys; None for what is gone."""
    changed: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            within = difference(old, value)
            changed |= {name: within} if within else {}
        elif name not in before or old != value:
            changed[name] = value
    return changed


def combined(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """Return one change that is two, one after the other."""
    both = dict(first)
    for name, value in then.items():
        old = both.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            both[name] = combined(old, value)
        else:
            both[name] = value
    return both


def applied(users: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document after a change."""
    made = dict(users)
    for name, value in change.items():
        old = made.get(name)
        if value is None:
            made.pop(name, None)
        elif isinstance(value, dict):
            made[name] = applied(old if isinstance(old, dict) else {}, value)
        else:
            made[name] = value
    return made


def _needed(change: Mapping[str, Any], users: Mapping[str, Any]) -> dict[str, Any]:
    """Return a change without what is so already: then the profile's counts from now on."""
    return {name: value for name, value in change.items() if not _is_so(users, name, value)}


def _is_so(users: Mapping[str, Any], name: str, value: object) -> bool:
    return name not in users if value is None else users.get(name) == value


def load(path: Path) -> dict[str, Memory]:
    """Return what is remembered, by the documents' names; nothing if nobody can have written it."""
    try:
        document: Any = json.loads(read_own(path, most=_MOST_BYTES))
        found = document["documents"].items()
        memories = {name: Memory(one["left"], one["own"]) for name, one in found}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    sound = (isinstance(part, dict) for memory in memories.values() for part in memory)
    return memories if all(sound) else {}


def dumps(memories: Mapping[str, Memory]) -> bytes:
    """Return the file of what is remembered."""
    documents = {name: memory._asdict() for name, memory in memories.items()}
    return json.dumps({"schema": _SCHEMA, "documents": documents}).encode()


def save(path: Path, memories: Mapping[str, Memory]) -> None:
    """Remember.

    Raises:
        CannotWriteError: it cannot be written.
    """
    write_atomic(path, dumps(memories), mode=0o600)
