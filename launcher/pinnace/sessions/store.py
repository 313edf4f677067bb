"""A store besides Claude's config directory: what the official Agent SDK calls a `SessionStore`.

A directory of the user's, or whatever a module of theirs makes: a database, an object store. What
it has of a session, and what lies here, are brought together by `pinnace.sessions.copies`.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any, Final, Protocol

from pinnace_core.errors import BadSettingsError

_HINT: Final = "run.session-store: an absolute path, or MODULE:NAME of what makes a SessionStore"
_LEAST: Final = ("append", "load")


class SessionStore(Protocol):
    """What a store can do at least; the official SDK's protocol says what its methods mean.

    It may also have `list_sessions`, `list_subkeys` and `delete`, as that protocol has them.
    """

    async def append(self, key: Any, entries: Any) -> None: ...  # noqa: ANN401 (the SDK's types)

    async def load(self, key: Any) -> Any: ...  # noqa: ANN401 (likewise)


def has(store: SessionStore, method: str) -> bool:
    """Return whether a store can do what it need not; the SDK's own base class cannot."""
    found = getattr(type(store), method, None)
    return found is not None and found.__module__ != "claude_agent_sdk.types"


def named(said: str) -> SessionStore:
    """Return the store that a setting names.

    Raises:
        BadSettingsError: there is none, or it cannot be made.
    """
    if said.startswith(("/", "~")):
        from pinnace.sessions.file_store import FileStore

        return FileStore(Path(said).expanduser())
    module, _, name = said.partition(":")
    # It is the user's, never a project's: where a command is started, nothing is imported from.
    sys.path[:] = [place for place in sys.path if place not in {"", os.getcwd()}]  # noqa: PTH109
    try:
        found = getattr(importlib.import_module(module), name)
        made = found() if callable(found) else found
    except Exception as error:
        kind = type(error).__name__
        raise BadSettingsError(
            f"the session store '{said}' cannot be made: {kind}: {error}", hint=_HINT
        ) from error
    if not all(callable(getattr(made, method, None)) for method in _LEAST):
        raise BadSettingsError(f"'{said}' is no session store: it has no append, load", hint=_HINT)
    store: SessionStore = made
    return store
