"""Attest and sign: statements beside an image as BuildKit lays them out, signatures by cosign.

Statements hang on a manifest of their own in the manifest list. The image's manifest, and so its
digest, is the same with and without them.
https://docs.docker.com/build/metadata/attestations/attestation-storage/
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.errors import CannotReadError, ClientMissingError, SigningFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pinnace_builder.registry import Registry

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_STATEMENT: Final = "application/vnd.in-toto+json"
_STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v0.1"
SPDX: Final = "https://spdx.dev/Document"
TYPE: Final = "vnd.docker.reference.type"
"""The annotation that tells an attestation from an image."""
_PROGRAM: Final = "cosign"
# https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md; a version may follow. The same
# holds attestations: which it is, an annotation tells.
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle"
_PREDICATE: Final = "dev.sigstore.bundle.predicateType"
_SIGNATURE: Final = "https://sigstore.dev/cosign/sign/v1"


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
                **descriptor(data, _STATEMENT),
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
        "config": descriptor(config, _CONFIG),
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
        "annotations": {TYPE: "attestation-manifest", "vnd.docker.reference.digest": image},
    }


def descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    """Describe a blob."""
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def digest(data: bytes) -> str:
    """Hash a blob as registries do."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Signer:
    """Signs by digest.

    Attributes:
        options: of `cosign sign`: a key, or none for a keyless signature.
    """

    options: Sequence[str]

    @classmethod
    def find(cls, *, key: str, offline: bool, plain_http: bool) -> Signer:
        """See that cosign is there.

        Args:
            key: a file, a KMS address, or empty to sign with an identity.
            offline: do not write to a transparency log.
            plain_http: the registry is a loopback one without encryption.

        Raises:
            ClientMissingError: it is not installed.
            CannotReadError: there is no such key.
        """
        if shutil.which(_PROGRAM) is None:
            raise ClientMissingError(
                "cosign is not installed", hint="install it, or publish without --sign"
            )
        # Others are addresses: awskms://, env://, k8s://, pkcs11: ...
        if key and ":" not in key and not Path(key).is_file():
            raise CannotReadError(
                f"there is no key '{key}'", hint="name a file that 'cosign generate-key-pair' wrote"
            )
        chosen = [f"--key={key}"] if key else []
        chosen += ["--tlog-upload=false"] if offline else []
        chosen += ["--allow-http-registry", "--allow-insecure-registry"] if plain_http else []
        return cls(chosen)

    def sign(self, reference: str) -> None:
        """Sign; what cosign says is for people, on stderr.

        Raises:
            SigningFailedError: it failed; no tag was moved.
        """
        command = [_PROGRAM, "sign", "--yes", *self.options, reference]
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=2)
        if done.returncode != 0:
            raise SigningFailedError(
                f"cosign could not sign {reference} (exit code {done.returncode})",
                hint="read its messages above; no tag was moved; COSIGN_PASSWORD opens a key",
            )


def is_signed(registry: Registry, digest: str) -> bool:
    """Return whether somebody has signed a manifest with cosign.

    Up to its version 2, a signature has a tag; from 3 on, it refers to the manifest.

    Raises:
        PinnaceError: the registry does not tell.
    """
    if registry.digest(f"{digest.replace(':', '-')}.sig") is not None:
        return True
    return any(_is_signature(registry, entry) for entry in registry.referrers(digest))


def _is_signature(registry: Registry, entry: Mapping[str, Any]) -> bool:
    if not str(entry.get("artifactType", "")).startswith(_BUNDLE):
        return False
    annotations = entry.get("annotations") or {}
    if _PREDICATE not in annotations:
        # cosign's own list leaves them out: https://github.com/sigstore/cosign/issues/4641
        manifest = registry.manifest(str(entry.get("digest")))
        annotations = (manifest.document.get("annotations") if manifest else None) or {}
    return annotations.get(_PREDICATE) == _SIGNATURE
