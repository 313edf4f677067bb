"""Get a missing image: the one module that reaches the builder, imported only then."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pinnace.image import published
from pinnace_builder import base, derive, images_config, lock
from pinnace_builder import build as execute
from pinnace_core import console
from pinnace_core.errors import (
    BaseMissingError,
    ImageMissingError,
    ImageRegistryError,
    PinnaceError,
    RegistryDeniedError,
    UnknownVersionError,
)
from pinnace_core.locks import exclusive
from pinnace_images import platforms
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from pinnace.image.images import LocalImage, Wanted
    from pinnace_core.engine import Engine
    from pinnace_images.lock import LockEntry
    from pinnace_images.recipe import Recipe
    from pinnace_images.versions import CliVersion, Specifier

# What keeps a pull from working, and a build may do without.
_UNPULLABLE: Final = (ImageMissingError, RegistryDeniedError, ImageRegistryError)


def obtain(
    found: Engine,
    wanted: Wanted,
    *,
    repository: str,
    records: Path,
    look: Callable[[], LocalImage | None],
) -> None:
    """Pull the image, or build it; of several launches at once, one does and the others wait.

    Args:
        found: the engine.
        wanted: version, variant, platform.
        repository: that it is pulled from; empty: it is built.
        records: the directory of verification records.
        look: sees whether it is there by now.

    Raises:
        VerificationFailedError: what was pulled is something else: nothing is built instead.
        PinnaceError: it can be neither pulled nor built; both reasons are told.
    """
    with exclusive(f"provision-{wanted.version}-{wanted.variant}"):
        if look() is not None:
            return
        if not repository:
            _require_buildable(wanted)
            console.stderr(f"pinnace: no image holds {_subject(wanted)} yet: building it")
            _build(wanted, found)
            return
        try:
            published.take(found, wanted, repository, records)
        except _UNPULLABLE as error:
            _build_instead(wanted, repository, error, found)


def _build_instead(wanted: Wanted, repository: str, reason: PinnaceError, engine: Engine) -> None:
    try:
        _require_buildable(wanted)
        console.stderr(f"pinnace: {reason.message}")
        console.stderr(f"pinnace: building an image of {_subject(wanted)} instead")
        # A repository that answers, and has no such image, may have bases.
        missing = isinstance(reason, ImageMissingError)
        if missing and engine.buildkit and _complete(wanted, repository):
            return
        _build(wanted, engine)
    except PinnaceError as error:
        raise type(error)(f"{reason.message}; {error.message}", hint=error.hint) from error


def _subject(wanted: Wanted) -> str:
    return f"Claude Code {wanted.version} ({wanted.variant})"


def _require_buildable(wanted: Wanted) -> None:
    """See that there is such a variant, and such a version, before a build is announced."""
    images_config.chosen(os.environ).variant(wanted.variant)
    with _suggesting(wanted):
        execute.locked(wanted.version, platforms=(Platform.parse(wanted.platform),))


def _build(wanted: Wanted, engine: Engine) -> None:
    # For an engine of another platform, the version may be unknown all the same.
    with _suggesting(wanted):
        build(wanted.version, variant=wanted.variant, engine=engine)


@contextmanager
def _suggesting(wanted: Wanted) -> Iterator[None]:
    """Return which version was perhaps meant."""
    try:
        yield
    except UnknownVersionError as error:
        from pinnace_core.suggest import better

        raise better(error, str(wanted.version)) from error


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


def build(version: CliVersion, *, variant: str, engine: Engine) -> None:
    """Build the image, or wait for somebody who does; progress goes to stderr."""
    if not engine.buildkit:
        from pinnace_builder import podman

        podman.build(version, variant=variant)
        return
    execute.build(version, variant=variant)


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


def derive_image(
    recipe: Recipe,
    *,
    look: Callable[[], LocalImage | None],
    engine: Engine,
    refresh: bool = False,
) -> None:
    """Build a project's own image, unless somebody did meanwhile; progress goes to stderr.

    Raises:
        PinnaceError: of `derive.derive`.
    """
    with exclusive(f"project-{recipe.identity[:12]}"):
        if refresh or look() is None:
            derive.derive(recipe, fresh=refresh, podman=not engine.buildkit)


def collect(  # noqa: PLR0913 (each decides)
    engine: Engine,
    *,
    newest: int,
    days: int,
    pinned: Sequence[str],
    used: Mapping[str, datetime],
    apply: bool,
) -> list[tuple[str, str, str, int | None, str]]:
    """Return which images and downloads go, as `cleanup.Item` has it; remove them if asked to.

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
    from pinnace_builder.retention import apply as collector

    images = engine.buildkit
    if not images and not apply:
        name = engine.name
        console.stderr(f"pinnace: images of {name} stay; to remove one: {name} image rm NAME")
    plan = collector.local(
        newest=newest, days=days, pinned=pinned, used=used, images=images, apply=apply
    )
    return [(one.scope, one.what, one.why, one.size, one.id) for one in plan.gone]
