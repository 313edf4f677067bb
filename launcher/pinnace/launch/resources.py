"""What a plan needs while its container runs: acquired in order, released in reverse order."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pinnace_core import signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.plan import LaunchPlan


@contextmanager
def acquired(plan: LaunchPlan) -> Iterator[None]:
    """Acquire what a plan needs, and release it in the end, whatever the end is.

    Raises:
        PinnaceError: something cannot be had.
    """
    stack = ExitStack()
    try:
        for resource in plan.resources:
            held = resource.acquire(plan.spec)
            if held is not None:
                stack.enter_context(held)
        yield
    finally:
        with signals.ignored():
            stack.close()
