"""The launches that this process holds: ended with it, and nothing to the copies that it makes."""

from __future__ import annotations

import atexit
import os
import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pinnace.launch.running import Running

# As the interpreter ends: nobody waits any more for what Claude may have to say.
_GRACES: Final = (0.0, 2.0)
_PATIENCE_SECONDS: Final = 20.0
_living: set[Running] = set()
_lock = threading.Lock()


def note(running: Running) -> None:
    """Know a launch."""
    with _lock:
        _living.add(running)


def forget(running: Running) -> None:
    """Know it no more: all of it is released."""
    with _lock:
        _living.discard(running)


@atexit.register
def end_all() -> None:
    """End all launches, and wait until they have."""
    with _lock:
        left = list(_living)
    for running in left:
        running.end(_GRACES)
    wait([running.over for running in left], timeout=_PATIENCE_SECONDS)


def _let_go() -> None:
    """In a copy of this process: the launches are its parent's."""
    global _lock  # noqa: PLW0603 (another thread of the parent's may hold it, for ever)
    _lock = threading.Lock()
    for running in _living:
        running.let_go()
    _living.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
