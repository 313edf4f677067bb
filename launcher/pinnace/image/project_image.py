"""The image of a project that wants more than the pinned one; imported only then."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pinnace.image import build_context, custom, images
from pinnace.image.published import require_claims
from pinnace_core.errors import ImageMissingError

if TYPE_CHECKING:
    from pinnace.config import Settings
    from pinnace.image.images import LocalImage, Wanted
    from pinnace_core.engine import Engine
    from pinnace_images.recipe import Recipe


def named(found: Engine, wanted: Wanted, reference: str, *, provision: bool) -> LocalImage:
    """Return the image that the settings name, if it is one of the pinned version.

    Args:
        found: the engine.
        wanted: version and platform; its variant does not matter.
        reference: a name or id.
        provision: pull it if it is missing.

    Raises:
        VerificationFailedError: its labels say something else.
        ImageMissingError: it is neither here nor published.
        BadProjectImageError: `reference` is no image's name.
    """
    image = local(found, wanted, reference)
    if image is None and provision:
        from pinnace.image import pull

        pull.pull(found, reference, wanted.platform)
        image = local(found, wanted, reference)
    if image is None:
        raise ImageMissingError(
            f"the image '{reference}', which the setting 'image' names, is not here",
            hint=f"run: {found.name} pull {reference}",
        )
    return image


def local(found: Engine, wanted: Wanted, reference: str) -> LocalImage | None:
    """Return the image that the settings name, if it is here.

    Raises:
        VerificationFailedError: its labels say something else.
        BadProjectImageError: `reference` is no image's name.
    """
    from pinnace.image import pull

    pull.require_reference(reference, source="the setting 'image'")
    image = images.local(found, reference)
    if image is not None:
        require_claims(image, _any_variant(wanted, image), named=reference)
    return image


def _any_variant(wanted: Wanted, image: LocalImage) -> Wanted:
    from pinnace_images import contract

    return wanted._replace(variant=image.labels.get(contract.LABEL_VARIANT, "a variant"))


def fits(image: LocalImage, wanted: Wanted) -> str:
    """Return why an image that somebody names is none for a launch; nothing if it is."""
    return images.mislabelled(image, _any_variant(wanted, image))


def recipe_of(base: LocalImage, settings: Settings) -> Recipe:
    """Read what the settings add to an image.

    Raises:
        BadProjectImageError: a package or the Dockerfile is none.
        CannotReadError: the Dockerfile, or what it copies, cannot be read.
    """
    packages = custom.packages(settings.packages)
    if not settings.dockerfile:
        return custom.recipe(base, packages=packages)
    context = build_context.read(Path(settings.dockerfile))
    return custom.recipe(
        base,
        packages=packages,
        dockerfile=context.dockerfile,
        root=context.root,
        files=context.files,
    )


def built(found: Engine, recipe: Recipe) -> LocalImage | None:
    """Return the image that a recipe makes, if it is here."""
    image = images.local(found, recipe.name)
    return image if image is not None and custom.fits(image, recipe) else None


def own(
    found: Engine,
    base: LocalImage,
    settings: Settings,
    *,
    provision: bool,
    refresh: bool = False,
) -> LocalImage:
    """Return the project's own image; build it if an input has changed.

    Args:
        found: the engine.
        base: a verified image.
        settings: with packages, a Dockerfile, or both.
        provision: build what is missing.
        refresh: build it anyway, with the packages of today.

    Raises:
        ImageMissingError: it is missing, and may not be built.
        PinnaceError: it cannot be built, or breaks the contract.
    """
    recipe = recipe_of(base, settings)
    look = partial(built, found, recipe)
    image = None if refresh else look()
    if image is None and provision:
        from pinnace.image import provision as provisioning

        provisioning.derive_image(recipe, look=look, refresh=refresh, engine=found)
        image = look()
    if image is None:
        raise ImageMissingError(
            f"the project's own image {recipe.name} is not built yet",
            hint="run the same command without --no-provision and --dry-run",
        )
    return image
