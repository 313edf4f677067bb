"""What the builder does for launches: the one module that reaches it, imported only then."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pinnace.config import pin
from pinnace_builder import base, images_config
from pinnace_builder import build as execute
from pinnace_builder import gateway as gateways
from pinnace_builder.derive import derive
from pinnace_builder.lock import newest, require_published
from pinnace_builder.retention import collect_local
from pinnace_core import console
from pinnace_core.errors import BaseMissingError, UnknownVersionError
from pinnace_images import platforms
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.image.claims import Wanted
    from pinnace_core.engine import Engine
    from pinnace_images.lock import LockEntry
    from pinnace_images.versions import CliVersion

__all__ = (
    "build",
    "collect_local",
    "derive",
    "gateway",
    "lock_entry",
    "newest",
    "require_buildable",
    "require_published",
    "trust",
)


def require_buildable(wanted: Wanted) -> None:
    """See that there is such a variant, and such a version, before a build is announced.

    Raises:
        UsageError: no such variant.
        UnknownVersionError: no such version; one that was perhaps meant is in the hint.
    """
    images_config.chosen(os.environ).variant(wanted.variant)
    with _suggesting(wanted):
        execute.locked(wanted.version, platforms=(Platform.parse(wanted.platform),))


def trust(certificates: str) -> None:
    """Let builds trust what launches do, unless they were told otherwise.

    Args:
        certificates: a bundle's path, or empty.
    """
    if certificates:
        os.environ.setdefault(base.CA_VARIABLE, certificates)


def build(wanted: Wanted, engine: Engine, *, base_repository: str = "") -> None:
    """Build the image, or wait for somebody who does; progress goes to stderr.

    Args:
        wanted: version and variant.
        engine: that is to have it.
        base_repository: that may have a base, to which only the CLI is added; or empty.

    Raises:
        PinnaceError: it cannot be built.
    """
    if base_repository and engine.buildkit and _complete(engine, wanted, base_repository):
        return
    # For an engine of another platform, the version may be unknown all the same.
    with _suggesting(wanted):
        execute.build(engine, wanted.version, variant=wanted.variant)


def gateway(engine: Engine) -> str:
    """Return the id of the gateway's image; it is built if it is not there, as `build` does.

    Raises:
        PinnaceError: it cannot be built.
    """
    # As all ids are here; some engines leave out what kind of digest it is.
    return f"sha256:{gateways.ensure(engine).id.removeprefix('sha256:')}"


def _complete(engine: Engine, wanted: Wanted, repository: str) -> bool:
    """Add the CLI to a published base."""
    if os.environ.get(base.REPOSITORY_VARIABLE, "").strip():
        return False
    try:
        execute.build(engine, wanted.version, variant=wanted.variant, base_repository=repository)
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
        raise pin.suggesting(error, str(wanted.version)) from error


def lock_entry(version: CliVersion) -> LockEntry:
    """Return the lock's entry of a version, for all platforms; the registry is asked if need be."""
    return execute.locked(version, platforms=platforms.SUPPORTED)
