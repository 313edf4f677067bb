"""Take an image from the configured repository: pulled, looked at, and only then given our name."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pinnace.image import images, pull, verify
from pinnace_core import console
from pinnace_core.errors import EngineUnavailableError, ImageMissingError, VerificationFailedError
from pinnace_images import contract

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.image.images import LocalImage, Wanted
    from pinnace_core.engine import Engine


def take(found: Engine, wanted: Wanted, repository: str, records: Path) -> LocalImage:
    """Pull the version; verify it; name it as ours.

    Args:
        found: the engine.
        wanted: version, variant, platform.
        repository: where it is published.
        records: the directory of verification records.

    Raises:
        VerificationFailedError: it is something else; it was removed again.
        ImageMissingError: it is not published there.
        RegistryDeniedError: we may not see it.
        ImageRegistryError: no answer.
        BadProjectImageError: `repository` is no repository.
    """
    reference = images.published_name(repository, wanted)
    pull.require_reference(reference, source="the configured repository")
    console.stderr(f"pinnace: pulling {reference} ({wanted.platform})")
    pull.pull(found, reference, wanted.platform)
    image = images.local(found, reference)
    if image is None:
        raise ImageMissingError(f"'{reference}' went away", hint="run the same command again")
    try:
        require_claims(image, wanted, named=reference)
        _require_plain(image, reference)
        verify.verify(image, records, found, anew=True)
    except VerificationFailedError as error:
        # Its name goes, and so does the image unless something else uses it.
        with suppress(EngineUnavailableError):
            found.untag(reference)
        raise VerificationFailedError(
            f"{error.message}; it was removed again",
            hint=f"do not use it; find out who can write to '{repository}'",
        ) from error
    name = contract.local_name(str(wanted.version), wanted.variant)
    found.tag(image.id, name)
    return image._replace(tags=(name, *image.tags))


def require_claims(image: LocalImage, wanted: Wanted, *, named: str) -> None:
    """See that labels say what is wanted, before anything in the image is run.

    Raises:
        VerificationFailedError: they do not.
    """
    if wrong := images.mislabelled(image, wanted):
        raise VerificationFailedError(
            f"'{named}' is not what is wanted: {wrong}",
            hint="what an image has to be is in docs/image-contract.md",
        )


def _require_plain(image: LocalImage, reference: str) -> None:
    if contract.LABEL_PROJECT in image.labels:
        raise VerificationFailedError(
            f"'{reference}' was made for a project that adds something of its own",
            hint="publish the plain image: pinnace-build publish",
        )
