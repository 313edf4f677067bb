"""OCI layouts as buildx 0.13 writes them, with small blobs."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pinnace_images.platforms import Platform

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
USER = "1000:1000"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
_STATEMENT: Final = "application/vnd.in-toto+json"
PROVENANCE: Final[Mapping[str, Any]] = {
    "_type": "https://in-toto.io/Statement/v0.1",
    "predicateType": "https://slsa.dev/provenance/v0.2",
    "subject": [{"name": "_", "digest": {"sha256": "00"}}],
    "predicate": {"buildType": "https://mobyproject.org/buildkit@v1"},
}


def digest_of(data: bytes) -> str:
    """Name some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def store(directory: Path, content: bytes | Mapping[str, Any], media_type: str) -> dict[str, Any]:
    """Put a blob into a layout; return its descriptor."""
    data = content if isinstance(content, bytes) else json.dumps(content, indent=2).encode()
    place = directory / "blobs" / "sha256" / digest_of(data).removeprefix("sha256:")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def image(
    directory: Path,
    platform: Platform,
    *,
    labels: Mapping[str, str],
    layers: Sequence[bytes] = (b"layer",),
) -> dict[str, Any]:
    """Put one platform's image into a layout; return the entry for an index."""
    config = {
        "architecture": platform.architecture,
        "os": "linux",
        "config": {"Labels": dict(labels), "User": USER},
    }
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": store(directory, config, _CONFIG),
        "layers": [store(directory, layer, _LAYER) for layer in layers],
    }
    shown = {"os": "linux", "architecture": platform.architecture}
    return {**store(directory, document, MANIFEST), "platform": shown}


def attestation(directory: Path, of: str, *statements: Mapping[str, Any]) -> dict[str, Any]:
    """Put statements about an image into a layout; return the entry for an index."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": store(directory, {"architecture": "unknown", "os": "unknown"}, _CONFIG),
        "layers": [store(directory, one, _STATEMENT) for one in statements],
    }
    return {
        **store(directory, document, MANIFEST),
        "annotations": {
            "vnd.docker.reference.digest": of,
            "vnd.docker.reference.type": "attestation-manifest",
        },
        "platform": {"architecture": "unknown", "os": "unknown"},
    }


def index(directory: Path, *entries: Mapping[str, Any]) -> None:
    """Write what a layout begins with."""
    document = {"schemaVersion": 2, "manifests": list(entries)}
    (directory / "index.json").write_text(json.dumps(document), encoding="utf-8")


def write(
    directory: Path,
    platform: Platform,
    *,
    labels: Mapping[str, str],
    layers: Sequence[bytes] = (b"layer",),
    attested: bool = False,
) -> dict[str, Any]:
    """Write a layout of one image, with or without its provenance; return the image's entry."""
    entry = image(directory, platform, labels=labels, layers=layers)
    if not attested:
        index(directory, entry)
        return entry
    statements = attestation(directory, entry["digest"], PROVENANCE)
    inner = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry, statements]}
    index(directory, store(directory, inner, INDEX))
    return entry
