"""Rebuild a published image from its recipe, and see whether the same bytes come out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pinnace_builder import build
from pinnace_builder.base import Base
from pinnace_builder.publish.build_platform import PlatformBuilder
from pinnace_builder.publish.plan import PlatformImage, base_image, cli_image
from pinnace_builder.registry import Registry
from pinnace_builder.render import BASE_DIGEST, BASE_NAME
from pinnace_core import signals
from pinnace_core.engine import of_builds
from pinnace_core.engine.buildx import NO_CACHE, Cache
from pinnace_core.errors import BaseMissingError, ImageMissingError, VerificationFailedError
from pinnace_images import contract
from pinnace_images.platforms import SUPPORTED, Platform
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pinnace_builder.images_config import Images


@dataclass(frozen=True)
class Comparison:
    """One platform's image, published and made again.

    Attributes:
        platform: which.
        published: digest of the manifest.
        rebuilt: the same, of what was built now.
    """

    platform: str
    published: str
    rebuilt: str

    @property
    def same(self) -> bool:
        """Whether it is the same image, byte by byte."""
        return self.published == self.rebuilt


@dataclass(frozen=True)
class _Image:
    platform: Platform
    digest: str
    layers: Sequence[Mapping[str, Any]]
    labels: Mapping[str, str]


def reproduce(
    repository: str,
    reference: str,
    *,
    images: Images,
    platforms: Sequence[Platform] = (),
) -> list[Comparison]:
    """Build what `reference` names again, without any cache.

    Args:
        repository: HOST[:PORT]/NAME.
        reference: a tag or a digest in it.
        images: what is declared.
        platforms: only these.

    Raises:
        ImageMissingError: there is no such image.
        VerificationFailedError: it was made by another recipe than this program's.
    """
    registry = Registry(repository)
    found = [
        image
        for image in _published(registry, reference)
        if image.platform in (platforms or SUPPORTED)
    ]
    if not found:
        raise ImageMissingError(f"{repository} has no image {reference}", hint="check the name")
    return [_compare(registry, repository, image, images) for image in found]


def _published(registry: Registry, reference: str) -> Iterator[_Image]:
    top = registry.manifest(reference)
    for platform in SUPPORTED:
        digest = top.platform_digest(platform) if top else None
        manifest = registry.manifest(digest) if digest else None
        if digest and manifest:
            config = json.loads(registry.blob(manifest.document["config"]["digest"]))
            labels = config["config"].get("Labels") or {}
            yield _Image(platform, digest, manifest.document["layers"], labels)


def _compare(registry: Registry, repository: str, image: _Image, images: Images) -> Comparison:
    planned, base = _recipe(image, images)
    held = registry.manifest(base.tag)
    base_digest = held.platform_digest(image.platform) if held else None
    if base_digest is None:
        raise BaseMissingError(
            f"the base of this image is gone: {base.tag}", hint="restore it from a mirror"
        )
    media_type = str(image.layers[-1]["mediaType"])
    builder = PlatformBuilder(
        client=of_builds().connect(),
        repository=repository,
        compression="zstd" if media_type.endswith("zstd") else "gzip",
        cache=Cache(NO_CACHE),
        builders={},
        previous={},
        attesting=False,
        fresh=True,
    )
    with signals.temporary_directory("pinnace-reproduce-") as directory:
        made = builder.build(planned, base_digest, directory)
    return Comparison(str(image.platform), image.digest, made.digest)


def _recipe(image: _Image, images: Images) -> tuple[PlatformImage, PlatformImage]:
    """Find the recipe of an image, and of its base, by its labels; see that it is ours."""
    labels = image.labels
    try:
        version = CliVersion.parse(labels[contract.LABEL_VERSION])
        variant, identity = labels[contract.LABEL_VARIANT], labels[contract.LABEL_BUILD_ID]
        distribution = Base(labels[BASE_NAME], "", labels[BASE_DIGEST])
    except KeyError as error:
        raise VerificationFailedError(
            f"{image.digest} lacks the label {error}", hint="only images of Pinnace can be rebuilt"
        ) from error
    request = build.request_for(
        version, variant=variant, platforms=(image.platform,), images=images
    )
    base = base_image(request, image.platform, distribution)
    planned = cli_image(request, base)
    if planned.id != identity:
        raise VerificationFailedError(
            f"{image.digest} was made by another recipe (build-id {identity[:12]}, "
            f"here {planned.id[:12]})",
            hint="check out the revision that the manifest list's annotation names",
        )
    return planned, base
