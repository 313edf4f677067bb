"""What contributors give, as tests look at it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pinnace_core.container import ContainerSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.plan import Contribution

SPEC = ContainerSpec(image="i", command=("c",), name="pinnace-x")


def plain(given: Contribution) -> dict[str, str]:
    """The variables that go in with their values."""
    return {v.name: v.value or "" for v in given.variables if v.way == "plain"}


def named(given: Contribution) -> dict[str, str | None]:
    """The variables that go in by name; None: the host's value."""
    return {v.name: v.value for v in given.variables if v.way == "by name"}


@contextmanager
def held(given: Contribution) -> Iterator[None]:
    """Hold the resources."""
    with ExitStack() as stack:
        for resource in given.resources:
            kept = resource.acquire(SPEC)
            if kept is not None:
                stack.enter_context(kept)
        yield


def acquired(given: Contribution) -> Contribution:
    """Acquire resources that nothing is left of; nothing was written before."""
    with held(given):
        return given
