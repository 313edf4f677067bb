"""Get a missing image: the one module that reaches the builder, imported only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace_builder import execute, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pinnace.gc import Item
    from pinnace_images.versions import CliVersion, Specifier


def build(version: CliVersion, *, variant: str) -> None:
    """Build the image, or wait for somebody who does; progress goes to stderr."""
    execute.build(version, variant=variant)


def newest(specifier: Specifier) -> CliVersion:
    """Give the newest published version that fits."""
    return resolve.newest(specifier)


def require_published(version: CliVersion) -> None:
    """See that a version exists.

    Raises:
        UnknownVersionError: it does not.
    """
    resolve.require_published(version)


def collect(
    *, newest: int, days: int, pinned: Sequence[str], used: Mapping[str, datetime], apply: bool
) -> list[Item]:
    """Tell which images and downloads go; remove them if asked to.

    Args:
        newest: so many versions of each variant stay.
        days: everything stays that was made or used since.
        pinned: the versions, lines and ranges that stay.
        used: when images were used last, by their ids.
        apply: remove them.

    Raises:
        PinnaceError: any of its kinds; what was removed until then has been said.
    """
    from pinnace.gc import Item
    from pinnace_builder.gc import apply as collector

    plan = collector.local(newest=newest, days=days, pinned=pinned, used=used, apply=apply)
    return [Item(one.scope, one.what, one.why, one.size, one.id) for one in plan.gone]
