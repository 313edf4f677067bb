"""Where this process finds programs and modules, while anything of a launch runs.

Programs: nowhere in a project. Modules: in a project last of all, so that none of another name is
taken from there which this process asks for. A command keeps it so until it ends. A program that
launches gets back what it had.
"""

from __future__ import annotations

import os
import sys
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
        modules: `sys.path` as the program had it; None: nothing was changed.
        our_modules: what was made of it.
    """

    __slots__ = ("before", "lock", "modules", "our_modules", "ours", "users")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.before: str | None = None
        self.ours = ""
        self.modules: list[str] | None = None
        self.our_modules: list[str] = []


_state = _State()


def of_program() -> str:
    """Return where the program lies that runs, which Python looks for modules in first; or ""."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.dirname(os.path.realpath(file)) if file else ""  # noqa: PTH120 (every launch)


def leave_out(project: str) -> None:
    """Take no program from a project, besides those that are left out already; modules last.

    Args:
        project: its root, real.
    """
    with _state.lock:
        _take_modules_last(project)
        path = os.environ.get("PATH", "")
        kept = leave_out_programs_of(project, path)
        if kept == path:
            return
        if _state.before is None or path != _state.ours:
            _state.before = path
        _state.ours = os.environ["PATH"] = kept


def _take_modules_last(project: str) -> None:
    """Look there when a module is nowhere else: what Claude writes there hides no library."""
    inside = [place for place in sys.path if _lies_in(os.path.realpath(place), project)]
    ordered = [*(place for place in sys.path if place not in inside), *inside]
    if ordered == sys.path:
        return
    if _state.modules is None or sys.path != _state.our_modules:
        _state.modules = [*sys.path]
    _state.our_modules = ordered
    sys.path[:] = ordered


def _lies_in(place: str, project: str) -> bool:
    return place == project or place.startswith(project.rstrip(os.sep) + os.sep)


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
    if _state.modules is not None and sys.path == _state.our_modules:
        sys.path[:] = _state.modules
    _state.before = _state.modules = None


def _let_go() -> None:
    """In a copy of this process: the launches are its parent's."""
    global _state  # noqa: PLW0603 (another thread of the parent's may hold its lock, for ever)
    users, _state.users = _state.users, 0
    if users:
        _put_back()
    _state = _State()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
