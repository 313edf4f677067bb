"""Where this process finds programs: nowhere in a project, while anything of a launch runs.

A command keeps it so until it ends. A program that launches gets back what it had.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pinnace_core.startup import leave_out_programs_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class _State:
    """What is to be put back, once nobody needs it otherwise.

    Attributes:
        users: how many do.
        before: PATH as the program had it; None: nothing was changed.
        ours: what was made of it.
    """

    __slots__ = ("before", "lock", "ours", "users")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.before: str | None = None
        self.ours = ""


_state = _State()


def leave_out(project: str) -> None:
    """Take no program from a project, besides those that are left out already.

    Args:
        project: its root, real.
    """
    with _state.lock:
        path = os.environ.get("PATH", "")
        kept = leave_out_programs_of(project, path)
        if kept == path:
            return
        if _state.before is None or path != _state.ours:
            _state.before = path
        _state.ours = os.environ["PATH"] = kept


@contextmanager
def borrowed() -> Iterator[None]:
    """Put back what was changed meanwhile, when the last that is in here leaves.

    What the program itself has set since stays.
    """
    with _state.lock:
        _state.users += 1
    try:
        yield
    finally:
        with _state.lock:
            _state.users -= 1
            if _state.users == 0:
                _put_back()


def _put_back() -> None:
    if _state.before is not None and os.environ.get("PATH") == _state.ours:
        os.environ["PATH"] = _state.before
    _state.before = None


def _let_go() -> None:
    """In a copy of this process: the launches are its parent's."""
    global _state  # noqa: PLW0603 (another thread of the parent's may hold its lock, for ever)
    users, _state.users = _state.users, 0
    if users:
        _put_back()
    _state = _State()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
