"""Get a missing image: the one module that reaches the builder, imported only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace_builder import execute, resolve
from pinnace_images import platforms

if TYPE_CHECKING:
    from pinnace_images.lock import LockEntry
    from pinnace_images.versions import CliVersion, Specifier


def build(version: CliVersion, *, variant: str, program: str = "docker") -> None:
    """Build the image, or wait for somebody who does; progress goes to stderr."""
    if program == "podman":
        from pinnace_builder import podman

        podman.build(version, variant=variant)
        return
    execute.build(version, variant=variant)


def lock_entry(version: CliVersion) -> LockEntry:
    """Give the lock's entry of a version, for all platforms; the registry is asked if need be."""
    return execute.locked(version, platforms=platforms.SUPPORTED)


def newest(specifier: Specifier) -> CliVersion:
    """Give the newest published version that fits."""
    return resolve.newest(specifier)


def require_published(version: CliVersion) -> None:
    """See that a version exists.

    Raises:
        UnknownVersionError: it does not.
    """
    resolve.require_published(version)
