"""What a repository holds, as far as retention goes by it: pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pinnace_builder.retention import names
from pinnace_builder.retention.policy import youngest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from pinnace_builder.retention.names import Role


@dataclass(frozen=True)
class Held:
    """A manifest or an index.

    Attributes:
        children: digests of the manifests that it refers to.
        blobs: sizes by digest, of all that goes with it: itself, a configuration, layers.
        is_image: whether it is an image, rather than an index, an attestation or a cache.
        is_cache: whether it is a cache of BuildKit's.
        architecture: of an image.
        labels: of an image.
        created: the youngest of the times that it states.
    """

    children: tuple[str, ...] = ()
    blobs: Mapping[str, int] = field(default_factory=dict)
    is_image: bool = False
    is_cache: bool = False
    architecture: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None


@dataclass(frozen=True)
class Snapshot:
    """A repository.

    Attributes:
        tags: digests by tag.
        manifests: by digest: what tags name, all below it, and what signatures are about.
    """

    tags: Mapping[str, str]
    manifests: Mapping[str, Held]

    def closure(self, digests: Iterable[str]) -> set[str]:
        """Return manifests with all that they refer to, whether it is there or not."""
        found: set[str] = set()
        left = list(digests)
        while left:
            digest = left.pop()
            if digest not in found:
                found.add(digest)
                left += self.children(digest)
        return found

    def children(self, digest: str) -> tuple[str, ...]:
        """Return what a manifest refers to directly."""
        held = self.manifests.get(digest)
        return held.children if held else ()

    def images(self, digest: str) -> list[str]:
        """Return the images that a digest leads to."""
        below = sorted(self.closure([digest]))
        return [one for one in below if one in self.manifests and self.manifests[one].is_image]

    def labels(self, digest: str) -> list[Mapping[str, str]]:
        """Return the labels of each image that a digest leads to."""
        return [self.manifests[image].labels for image in self.images(digest)]

    def created(self, digest: str) -> datetime | None:
        """Return the youngest of the times that are stated by a manifest and all below it."""
        below = (self.manifests.get(one) for one in self.closure([digest]))
        return youngest(held.created for held in below if held)

    def role(self, tag: str) -> Role:
        """Return what a tag stands for."""
        digest = self.tags[tag]
        held = self.manifests[digest]
        return names.role_of(tag, self.labels(digest), is_cache=held.is_cache)
