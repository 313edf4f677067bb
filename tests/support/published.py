"""What a registry holds of a repository, read from its files: no client is in between."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.registry import RealRegistry


@dataclass(frozen=True)
class Repository:
    """One of a registry's repositories."""

    registry: RealRegistry
    name: str

    @property
    def address(self) -> str:
        """Its name for everybody else."""
        return f"{self.registry.address}/{self.name}"

    def tags(self) -> dict[str, str]:
        """List what names what, caches of builds aside."""
        root = self.registry.storage / "docker/registry/v2/repositories" / self.name
        found = {path.name: path for path in (root / "_manifests" / "tags").glob("*")}
        return {
            name: (path / "current" / "link").read_text(encoding="ascii")
            for name, path in found.items()
            if not name.startswith("cache-")
        }

    def document(self, digest: str) -> dict[str, Any]:
        """Read a manifest, a manifest list or a configuration."""
        found: dict[str, Any] = json.loads(self.registry.blob_bytes(digest))
        return found

    def platforms(self, digest: str) -> dict[str, str]:
        """Return the images in a manifest list, by platform; its attestations are left out."""
        entries = self.document(digest)["manifests"]
        named = {"{os}/{architecture}".format(**one["platform"]): one["digest"] for one in entries}
        return {name: image for name, image in named.items() if name != "unknown/unknown"}

    def layers(self, image: str) -> list[dict[str, Any]]:
        """Describe an image's layers, from the bottom up."""
        layers: list[dict[str, Any]] = self.document(image)["layers"]
        return layers

    def labels(self, image: str) -> dict[str, str]:
        """Return an image's labels."""
        config = self.document(self.document(image)["config"]["digest"])
        labels: dict[str, str] = config["config"]["Labels"]
        return labels
