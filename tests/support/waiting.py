"""Wait for what happens elsewhere, however slow the machine is just now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS: Final = 120.0
"""Only a broken test waits to the end."""
_FIRST_PAUSE_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 0.2


def wait_until(met: Callable[[], object], what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until it is so.

    Raises:
        TimeoutError: it never was; in the words of `what`, which says what was waited for.
    """
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE_SECONDS
    while not met():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
