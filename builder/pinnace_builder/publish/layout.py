"""What buildx wrote: an OCI image layout, with one platform's image and perhaps its provenance."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.errors import BuildFailedError

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_images.platforms import Platform

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
STATEMENT: Final = "application/vnd.in-toto+json"
_REFERENCE_TYPE: Final = "vnd.docker.reference.type"


@dataclass(frozen=True)
class Layout:
    """One platform's image on disk.

    Attributes:
        directory: the layout's.
        digest: of the platform's manifest.
        manifest: its bytes.
        provenance: statements (in-toto), parsed, or none.
    """

    directory: Path
    digest: str
    manifest: bytes
    provenance: tuple[dict[str, Any], ...]

    @property
    def layers(self) -> list[dict[str, Any]]:
        """Descriptors, from the bottom up."""
        found: list[dict[str, Any]] = json.loads(self.manifest)["layers"]
        return found

    @property
    def config(self) -> dict[str, Any]:
        """The configuration's descriptor."""
        found: dict[str, Any] = json.loads(self.manifest)["config"]
        return found

    def blob(self, digest: str) -> Path:
        """Return the file of a blob."""
        return _blob(self.directory, digest)


def load(directory: Path, platform: Platform) -> Layout:
    """Read what buildx wrote for `platform`.

    Raises:
        BuildFailedError: it is something else.
    """
    try:
        return _load(directory, platform)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise BuildFailedError(
            f"buildx wrote no image of {platform} that can be read: {error!r}",
            hint="update the docker-buildx plugin and the builder",
        ) from error


def _load(directory: Path, platform: Platform) -> Layout:
    top = json.loads((directory / "index.json").read_bytes())["manifests"]
    if top[0]["mediaType"] == INDEX:
        top = json.loads(_blob(directory, top[0]["digest"]).read_bytes())["manifests"]
    images = [m for m in top if m["platform"]["architecture"] == platform.architecture]
    (digest,) = [str(m["digest"]) for m in images]
    attestations = [m["digest"] for m in top if _REFERENCE_TYPE in m.get("annotations", {})]
    statements = tuple(s for a in attestations for s in _statements(directory, a))
    layout = Layout(directory, digest, _blob(directory, digest).read_bytes(), statements)
    for descriptor in (*layout.layers, layout.config):
        layout.blob(descriptor["digest"]).stat()
    return layout


def _statements(directory: Path, digest: str) -> list[dict[str, Any]]:
    layers = json.loads(_blob(directory, digest).read_bytes())["layers"]
    return [json.loads(_blob(directory, layer["digest"]).read_bytes()) for layer in layers]


def _blob(directory: Path, digest: str) -> Path:
    algorithm, _, encoded = digest.partition(":")
    return directory / "blobs" / algorithm / encoded
