"""What a repository holds, and whether it is all there: a registry may lose what it has taken."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder.publish.plan import Held, immutable_tags_of, tags_of
from pinnace_images import contract
from pinnace_images.versions import CliVersion, is_exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pinnace_builder.publish.plan import Release
    from pinnace_builder.registry import Manifest, Registry

VERSION: Final = "org.opencontainers.image.version"
_AT_ONCE: Final = 8


@dataclass
class RemoteState:
    """Asks a registry once; what was there is not asked for again.

    Attributes:
        registry: which.
    """

    registry: Registry
    _whole: set[str] = field(default_factory=set)
    _verified: set[str] = field(default_factory=set)

    def whole(self, reference: str) -> Manifest | None:
        """Return what a tag names; None if there is nothing, or if parts of it are gone.

        Sizes of blobs are compared, their contents are not.

        Raises:
            VerificationFailedError: a part is something else than its digest says.
        """
        found = self.registry.manifest(reference)
        return found if found and self._is_whole(found) else None

    def verify(self, digests: Iterable[str]) -> None:
        """Read blobs to their ends, each once.

        Raises:
            VerificationFailedError: one is something else than its digest says, or is not there.
        """
        for digest in digests:
            if digest not in self._verified:
                self.registry.verify_blob(digest)
                self._verified.add(digest)

    def trust(self, digest: str) -> None:
        """Take the layers of an image for verified: its name was given because they were."""
        manifest = self.registry.manifest(digest)
        layers = manifest.document.get("layers", []) if manifest else []
        self._verified.update(str(layer["digest"]) for layer in layers)

    def held(self, planned: Sequence[Release]) -> dict[str, Held]:
        """Return which of a plan's tags there are, and what they name.

        Immutable ones count only if all below them is there: what is lost is to be made again.
        """
        names, immutable = tags_of(planned), set(immutable_tags_of(planned))
        # Alone: whatever is wrong with the registry is then said once.
        self.registry.digest(names[0])

        def ask(name: str) -> Manifest | None:
            return self.whole(name) if name in immutable else self.registry.manifest(name)

        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            found = zip(names, pool.map(ask, names), strict=True)
            return {name: held_of(manifest) for name, manifest in found if manifest}
        finally:
            # Interrupted, nobody waits for answers any more.
            pool.shutdown(wait=False, cancel_futures=True)

    def _is_whole(self, manifest: Manifest) -> bool:
        if manifest.digest in self._whole:
            return True
        try:
            manifests, blobs = _parts(manifest.document)
        except (KeyError, TypeError, ValueError):
            # Nothing that we have made: whoever is to use it says so.
            return True
        there = all(map(self._has_manifest, manifests)) and all(
            self._has_blob(digest, size) for digest, size in blobs
        )
        if there:
            self._whole.add(manifest.digest)
        return there

    def _has_manifest(self, digest: str) -> bool:
        return digest in self._whole or self.whole(digest) is not None

    def _has_blob(self, digest: str, size: int) -> bool:
        # Many images share the layers of a base.
        there = digest in self._whole or self.registry.has_blob(digest, size)
        if there:
            self._whole.add(digest)
        return there


def _parts(document: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, int]]]:
    """List what a manifest or an index refers to: manifests, and blobs with their sizes."""
    config = [document["config"]] if "config" in document else []
    blobs = [*document.get("layers", ()), *config]
    manifests = [str(entry["digest"]) for entry in document.get("manifests", ())]
    return manifests, [(str(blob["digest"]), int(blob["size"])) for blob in blobs]


def held_of(manifest: Manifest) -> Held:
    """Read what a tag names; whatever is not as this program writes it is not ours."""
    try:
        annotations = dict(manifest.document["annotations"])
        stated = str(annotations.get(VERSION, ""))
        platforms = [entry["platform"]["architecture"] for entry in manifest.document["manifests"]]
        return Held(
            manifest.digest,
            CliVersion.parse(stated) if is_exact(stated) else None,
            contract.LABEL_CONTRACT in annotations,
            frozenset(platforms) - {"unknown"},
            str(annotations.get(contract.ANNOTATION_REFRESHED, "")),
        )
    except (KeyError, TypeError, ValueError):
        return Held(manifest.digest, ours=False)
