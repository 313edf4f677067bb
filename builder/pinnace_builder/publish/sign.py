"""Sign manifest lists with cosign, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.errors import ClientMissingError, SigningFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace_builder.registry import Registry

_PROGRAM: Final = "cosign"
# https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md; a version may follow. The same
# holds attestations: which it is, an annotation tells.
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle"
_PREDICATE: Final = "dev.sigstore.bundle.predicateType"
_SIGNATURE: Final = "https://sigstore.dev/cosign/sign/v1"


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
        """
        if shutil.which(_PROGRAM) is None:
            raise ClientMissingError(
                "cosign is not installed", hint="install it, or publish without --sign"
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
