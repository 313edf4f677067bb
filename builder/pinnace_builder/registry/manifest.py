"""What a registry stores beside blobs: manifests and indexes, which nothing is believed of."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.errors import ImageRegistryError
from pinnace_images.refs import digest_of

if TYPE_CHECKING:
    from pinnace_images.platforms import Platform

DIGEST_HEADER: Final = "Docker-Content-Digest"
"""Of an answer: what it says the digest is of what was asked for."""
INDEX: Final = "application/vnd.oci.image.index.v1+json"
MEDIA_TYPES: Final = (
    INDEX,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


@dataclass(frozen=True)
class Manifest:
    """A manifest or an index, as it is stored.

    Attributes:
        data: its bytes, which the digest is of.
        media_type: one of `MEDIA_TYPES`, usually.
    """

    data: bytes = field(repr=False)
    media_type: str

    @property
    def digest(self) -> str:
        """What it is addressed by."""
        return digest_of(self.data)

    @property
    def document(self) -> dict[str, Any]:
        """What it says.

        Raises:
            ImageRegistryError: nothing that can be read.
        """
        return read_document(self.data, "manifest")

    def platform_digest(self, platform: Platform) -> str | None:
        """Return the digest of a platform's image in an index; None: there is none."""
        for entry in self.document.get("manifests", ()):
            stated = entry.get("platform") or {}
            if (stated.get("os"), stated.get("architecture")) == ("linux", platform.architecture):
                return str(entry["digest"])
        return None


def read_document(data: bytes, what: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ImageRegistryError: it is none; it says that it should be a `what`.
    """
    try:
        document = json.loads(data)
    except ValueError as error:
        raise nonsense(what) from error
    if not isinstance(document, dict):
        raise nonsense(what)
    return document


def descriptors(index: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of an index.

    Raises:
        ImageRegistryError: there is no list of them.
    """
    found = index.get("manifests")
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise nonsense("list of manifests")
    return found


def nonsense(what: str) -> ImageRegistryError:
    """Return the error of an answer that is no `what`."""
    return ImageRegistryError(
        f"the registry answers with something else than a {what}",
        hint="check the repository's host, and that no proxy answers in its place",
    )
