"""What the builder does for launches: the one module that reaches it, imported only then."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pinnace_builder import base, derive, images_config, lock
from pinnace_builder import build as execute
from pinnace_builder.retention import collect_local
from pinnace_core import console
from pinnace_core.errors import BaseMissingError, UnknownVersionError
from pinnace_images import platforms
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from pinnace.image.decide import Wanted
    from pinnace_builder.retention.policy import Item
    from pinnace_core.engine import Engine
    from pinnace_images.lock import LockEntry
    from pinnace_images.recipe import Recipe
    from pinnace_images.versions import CliVersion, Specifier


def require_buildable(wanted: Wanted) -> None:
    """See that there is such a variant, and such a version, before a build is announced.

    Raises:
        UsageError: no such variant.
        UnknownVersionError: no such version; one that was perhaps meant is in the hint.
    """
    images_config.chosen(os.environ).variant(wanted.variant)
    with _suggesting(wanted):
        execute.locked(wanted.version, platforms=(Platform.parse(wanted.platform),))


def build(wanted: Wanted, engine: Engine, *, base_repository: str = "") -> None:
    """Build the image, or wait for somebody who does; progress goes to stderr.

    Args:
        wanted: version and variant.
        engine: that is to have it.
        base_repository: that may have a base, to which only the CLI is added; or empty.

    Raises:
        PinnaceError: it cannot be built.
    """
    if base_repository and engine.buildkit and _complete(wanted, base_repository):
        return
    # For an engine of another platform, the version may be unknown all the same.
    with _suggesting(wanted):
        if engine.buildkit:
            execute.build(wanted.version, variant=wanted.variant)
        else:
            from pinnace_builder import podman

            podman.build(wanted.version, variant=wanted.variant)


def _complete(wanted: Wanted, repository: str) -> bool:
    """Add the CLI to a published base."""
    if os.environ.get(base.REPOSITORY_VARIABLE, "").strip():
        return False
    try:
        execute.build(wanted.version, variant=wanted.variant, base_repository=repository)
    except BaseMissingError as error:
        console.stderr(f"pinnace: {error.message}")
        return False
    return True


@contextmanager
def _suggesting(wanted: Wanted) -> Iterator[None]:
    """Say which version was perhaps meant."""
    try:
        yield
    except UnknownVersionError as error:
        from pinnace_core.suggest import better

        raise better(error, str(wanted.version)) from error


def lock_entry(version: CliVersion) -> LockEntry:
    """Return the lock's entry of a version, for all platforms; the registry is asked if need be."""
    return execute.locked(version, platforms=platforms.SUPPORTED)


def newest(specifier: Specifier) -> CliVersion:
    """Return the newest published version that fits."""
    return lock.newest(specifier)


def require_published(version: CliVersion) -> None:
    """See that a version exists.

    Raises:
        UnknownVersionError: it does not.
    """
    lock.require_published(version)


def derive_image(recipe: Recipe, engine: Engine, *, refresh: bool) -> None:
    """Build a project's own image; progress goes to stderr.

    Args:
        recipe: what is in it.
        engine: that is to have it.
        refresh: with the packages of today.

    Raises:
        PinnaceError: of `derive.derive`.
    """
    derive.derive(recipe, fresh=refresh, podman=not engine.buildkit)


def collect(  # noqa: PLR0913 (each decides)
    engine: Engine,
    *,
    newest: int,
    days: int,
    pinned: Sequence[str],
    used: Mapping[str, datetime],
    apply: bool,
) -> Sequence[Item]:
    """Return which images and downloads go; remove them if asked to.

    Args:
        engine: whose; images of one without BuildKit stay.
        newest: so many versions of each variant stay.
        days: everything stays that was made or used since.
        pinned: the versions, lines and ranges that stay.
        used: when images were used last, by their ids.
        apply: remove them.

    Raises:
        PinnaceError: any of its kinds; what was removed until then has been said.
    """
    images = engine.buildkit
    if not images and not apply:
        name = engine.name
        console.stderr(f"pinnace: images of {name} stay; to remove one: {name} image rm NAME")
    return collect_local(
        newest=newest, days=days, pinned=pinned, used=used, images=images, apply=apply
    ).gone
