"""Attestations: statements beside an image, as BuildKit lays them out, so that its tools read them.

They hang on a manifest of their own in the manifest list. The image's manifest, and so its digest,
is the same with and without them. https://docs.docker.com/build/metadata/attestations/attestation-storage/
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder.publish.layout import CONFIG, MANIFEST, STATEMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SPDX: Final = "https://spdx.dev/Document"
_STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v0.1"


@dataclass(frozen=True)
class Attestation:
    """A manifest of statements.

    Attributes:
        manifest: its bytes.
        blobs: what it refers to, by digest.
    """

    manifest: bytes
    blobs: Mapping[str, bytes]


def attestation(image: str, name: str, statements: Iterable[Mapping[str, Any]]) -> Attestation:
    """Lay out statements about an image.

    Args:
        image: digest of the image's manifest.
        name: of the image, for the statements' subject.
        statements: in-toto statements; their subject is set here.
    """
    subject = [{"name": name, "digest": {"sha256": image.removeprefix("sha256:")}}]
    layers, blobs = [], {}
    for statement in statements:
        data = _json({**statement, "subject": subject})
        layers.append(
            {
                **descriptor(data, STATEMENT),
                "annotations": {"in-toto.io/predicate-type": statement["predicateType"]},
            }
        )
        blobs[digest(data)] = data
    unpacked = {"type": "layers", "diff_ids": list(blobs)}
    config = _json({"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": unpacked})
    blobs[digest(config)] = config
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, CONFIG),
        "layers": layers,
    }
    return Attestation(_json(document), blobs)


def statement(predicate_type: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """Make an in-toto statement of a predicate."""
    return {"_type": _STATEMENT_TYPE, "predicateType": predicate_type, "predicate": predicate}


def reference(image: str, made: Attestation) -> dict[str, Any]:
    """Return the entry of a manifest list that says: this is about that image."""
    return {
        **descriptor(made.manifest, MANIFEST),
        "platform": {"architecture": "unknown", "os": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image,
        },
    }


def descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    """Describe a blob."""
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def digest(data: bytes) -> str:
    """Hash a blob as registries do."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
