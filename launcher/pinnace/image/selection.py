"""The image that a launch runs: found, or got, and verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace.image import images, verify
from pinnace_core import console, paths
from pinnace_core.errors import ImageMissingError
from pinnace_core.files import make_directory
from pinnace_images import contract

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.config import Settings
    from pinnace.image.images import LocalImage, Wanted
    from pinnace_core.engine import Engine


def chosen_image(
    found: Engine, wanted: Wanted, settings: Settings, *, project: Path, provision: bool
) -> LocalImage:
    """Return the image that a launch runs, verified; get it if it is missing.

    Raises:
        PinnaceError: there is none, or it is not what it claims to be.
    """
    image = None
    if settings.image:
        from pinnace.image import project_image

        image = project_image.named(found, wanted, settings.image, provision=provision)
    elif settings.devcontainer:
        from pinnace.image import devcontainer

        image, note = devcontainer.choose(found, wanted, project, trusted=True)
        if note:
            console.stderr(f"pinnace: {note}")
    if image is None:
        image = local_image(found, wanted, provision=provision, repository=settings.repository)
    ensure_verified(found, image)
    if settings.packages or settings.dockerfile:
        from pinnace.image import project_image

        image = project_image.own(found, image, settings, provision=provision)
        ensure_verified(found, image)
    return image


def local_image(
    found: Engine, wanted: Wanted, *, provision: bool, repository: str = ""
) -> LocalImage:
    """Return the image that fits; pull or build it if it is missing.

    Raises:
        ImageMissingError: there is none, and it may not be got.
    """
    image = find_image(found, wanted)
    if image is None and provision:
        from pinnace.image import provision as provisioning

        provisioning.obtain(
            found,
            wanted,
            repository=repository,
            records=records_directory(),
            look=lambda: find_image(found, wanted),
        )
        image = find_image(found, wanted)
    if image is None:
        build = f"pinnace-build build {wanted.version} --variant {wanted.variant}"
        raise ImageMissingError(
            f"no local image holds Claude Code {wanted.version} "
            f"({wanted.variant}, {wanted.platform})",
            hint=f"run: {f'pinnace pull {wanted.version}, or ' if repository else ''}{build}",
        )
    return image


def find_image(found: Engine, wanted: Wanted) -> LocalImage | None:
    """Look at the usual name first, then at all images; their labels decide in both cases.

    An engine describes one image in 4 ms; to list 13 took one with a containerd store 100 ms.
    """
    named = images.local(found, contract.local_name(str(wanted.version), wanted.variant))
    image = images.select([named], wanted) if named else None
    return image or images.select(images.listed(found), wanted)


def records_directory() -> Path:
    """Return the directory of verification records."""
    return paths.directory("state") / "verified"


def ensure_verified(found: Engine, image: LocalImage) -> None:
    """Verify an image unless that was done before; of several launches at once, one does it."""
    records = records_directory()
    if verify.is_verified(image, records):
        verify.mark_used(image, records)
        return
    from filelock import FileLock

    turn = make_directory(paths.directory("state")) / f"verify-{image.id[-12:]}.lock"
    with FileLock(turn):
        if not verify.is_verified(image, records):
            verify.verify(image, records, found)
