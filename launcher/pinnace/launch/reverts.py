"""Put back what a launch left, in an order that takes nothing else away.

A file may be run only for what another one says: a hook of Claude's that a changed setting names.
When the setting is as it was, such a file is the project's own again, and stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace.launch import reviews
from pinnace_core.errors import UnsafeRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pinnace.launch.reviews import Review
    from pinnace.workspace.snapshot import Finding
    from pinnace_core.host import HostFacts


def revert(found: Review, chosen: Sequence[Finding], facts: HostFacts) -> Iterator[tuple[str, str]]:
    """Put findings back; yield what was done, and the path.

    Raises:
        CannotWriteError: one of them cannot be written.
        UnsafeRequestError: one of them cannot be put back; the others are.
    """
    refused: list[UnsafeRequestError] = []
    named = [one for one in chosen if one.path in found.after.named]
    yield from _each(found, [one for one in chosen if one not in named], refused)
    if named:
        again = reviews.now(found.source, facts)
        yield from _each(again, [one for one in named if one in again.findings], refused)
    if refused:
        raise refused[0]


def _each(
    found: Review, chosen: Sequence[Finding], refused: list[UnsafeRequestError]
) -> Iterator[tuple[str, str]]:
    for one in chosen:
        try:
            yield found.revert(one), one.path
        except UnsafeRequestError as error:
            refused.append(error)
