"""What a registry holds: manifests, and what is addressed by a tag or a digest."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from pinnace_core.errors import ImageRegistryError, UsageError

INDEX: Final = "application/vnd.oci.image.index.v1+json"
MEDIA_TYPES: Final = (
    INDEX,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
DIGEST_HEADER: Final = "Docker-Content-Digest"
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


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


def digest_of(data: bytes) -> str:
    """Return the digest of some bytes, as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_digest(text: str) -> bool:
    """Tell a digest from a tag."""
    return _DIGEST.fullmatch(text) is not None


def require_digest(text: str) -> str:
    """Return a digest back.

    Raises:
        UsageError: it is none.
    """
    if not is_digest(text):
        raise UsageError(f"'{text}' is not a digest", hint="write sha256: and 64 hex digits")
    return text


def require_reference(text: str) -> str:
    """Return a tag or a digest back.

    Raises:
        UsageError: it is neither.
    """
    if not is_digest(text) and not _TAG.fullmatch(text):
        raise UsageError(
            f"'{text}' is neither a tag nor a digest",
            hint="write a tag such as 2.1.330, or sha256: and 64 hex digits",
        )
    return text


def read_document(data: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise nonsense(what) from error
    if not isinstance(document, dict):
        raise nonsense(what)
    return document


def nonsense(what: str) -> ImageRegistryError:
    return ImageRegistryError(
        f"the registry answers with something else than a {what}",
        hint="check the repository's host, and that no proxy answers in its place",
    )
