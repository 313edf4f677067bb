"""Carry out a publishing plan. Nothing that moves is touched before everything is verified."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder.publish import provenance
from pinnace_builder.publish.layout import INDEX, MANIFEST
from pinnace_builder.publish.plan import BaseImage, CliImage, Release, moves_left, steps
from pinnace_builder.publish.remote_state import VERSION, held_of
from pinnace_builder.publish.sign import is_signed
from pinnace_builder.registry import Manifest
from pinnace_core.console import say
from pinnace_core.errors import VerificationFailedError
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pinnace_builder.publish.build_platform import Maker
    from pinnace_builder.publish.layout import Layout
    from pinnace_builder.publish.remote_state import Stored
    from pinnace_builder.publish.sign import Signer
    from pinnace_builder.publish.verify import Inspector
    from pinnace_builder.registry import Registry

TITLE: Final = "org.opencontainers.image.title"
_HINT: Final = "no tag was moved; find out what wrote to this repository, then run this again"


@dataclass(frozen=True)
class Published:
    """What the registry holds of a release.

    Attributes:
        release: which.
        digest: of the manifest list.
        platforms: digests of the images, by platform.
        built: what was built for it now; nothing, if all was there.
        moved: tags that were moved to it now.
    """

    release: Release
    digest: str
    platforms: Mapping[str, str]
    built: tuple[str, ...]
    moved: tuple[str, ...]


@dataclass
class Transaction:
    """Publishes releases to one repository.

    Attributes:
        stored: what is there, and where to publish.
        maker: builds.
        inspector: verifies.
        annotations: of every manifest list that is made.
        attesting: whether attestations are added.
        signer: signs manifest lists, if asked to.
    """

    stored: Stored
    maker: Maker
    inspector: Inspector
    annotations: Mapping[str, str]
    attesting: bool
    signer: Signer | None
    _built: dict[str, list[str]] = field(default_factory=dict)

    @property
    def registry(self) -> Registry:
        """Where to."""
        return self.stored.registry

    def run(self, planned: Sequence[Release]) -> list[Published]:
        """Publish; whatever an earlier run has finished is not done again.

        Raises:
            PinnaceError: of any step; no moving tag was touched if a release is not whole.
        """
        # Whatever cannot be moved is said before anything is built.
        steps(planned, self.stored.held(planned))
        whole = [(release, self._whole(release)) for release in planned]
        digests = {release.tag: self._sign(digest) for release, (digest, _) in whole}
        moved = self._move(planned, digests)
        return [
            Published(
                release,
                digest,
                platforms,
                tuple(self._built.get(release.tag, ())),
                tuple(tag for tag, where in moved.items() if where == release.tag),
            )
            for release, (digest, platforms) in whole
        ]

    def push(self, planned: Iterable[Release]) -> None:
        """Build, push and verify each platform; join and move nothing."""
        for release in planned:
            for image in release.images:
                self._platform(image, release)

    def _whole(self, release: Release) -> tuple[str, dict[str, str]]:
        """Return the manifest list of a release, made of platforms that are all verified."""
        held = self.stored.whole(release.tag)
        if held is None:
            entries = [e for image in release.images for e in self._platform(image, release)]
            data = self._index(entries, self._annotations(release))
            self._check_platforms(release, entries)
            held = self._name(data, release.tag)
            say(f"joined {release.tag}")
        entries = held.document.get("manifests", [])
        return held.digest, self._check_platforms(release, entries)

    def _check_platforms(
        self, release: Release, entries: Sequence[Mapping[str, Any]]
    ) -> dict[str, str]:
        """See that every platform is there, with the right labels."""
        found = {}
        for image in release.images:
            digest = platform_digest(entries, image.platform.architecture)
            if digest is None:
                raise VerificationFailedError(f"{release.tag} lacks {image.platform}", hint=_HINT)
            self.inspector.check_manifest(image, digest)
            found[str(image.platform)] = digest
        return found

    def _platform(self, image: BaseImage | CliImage, release: Release) -> list[dict[str, Any]]:
        """Return the entries of one platform in a manifest list: from the registry, or made now."""
        held = self.stored.whole(image.tag)
        if held is None:
            base = self._base(image.base, release) if isinstance(image, CliImage) else ""
            held = self._make(image, base)
            self._built.setdefault(release.tag, []).append(str(image))
        entries: list[dict[str, Any]] = held.document.get("manifests", [])
        return entries

    def _base(self, base: BaseImage, release: Release) -> str:
        entries = self._platform(base, release)
        digest = platform_digest(entries, base.platform.architecture)
        if digest is None:
            raise VerificationFailedError(f"{base.tag} lacks {base.platform}", hint=_HINT)
        return digest

    def _make(self, image: BaseImage | CliImage, base: str) -> Manifest:
        """Build, push by digest, verify; only then give the immutable tag."""
        with tempfile.TemporaryDirectory(prefix="pinnace-publish-") as name:
            layout = self.maker.make(image, base, Path(name))
            say(f"pushing {image}")
            self._push_image(layout)
            say(f"verifying {image}")
            self.inspector.check_manifest(image, layout.digest)
            self._check_layers(layout, base)
            root = Path(name) / "root"
            self.inspector.check_content(image, layout.digest, root)
            entries = [_entry(image, layout), *self._attest(image, layout, root)]
            held = self._name(self._index(entries, {}), image.tag)
        say(f"pushed {image.tag}")
        return held

    def _name(self, data: bytes, tag: str) -> Manifest:
        """Give an immutable tag; if somebody elsewhere has given it meanwhile, theirs stays."""
        held = self.stored.whole(tag)
        if held is None:
            self.registry.push_manifest(data, INDEX, tag)
            held = Manifest(data, INDEX)
        return held

    def _push_image(self, layout: Layout) -> None:
        for blob in (*layout.layers, layout.config):
            self.registry.push_blob(blob["digest"], layout.blob(blob["digest"]))
        self.registry.push_manifest(layout.manifest, MANIFEST, layout.digest)

    def _check_layers(self, layout: Layout, base: str) -> None:
        """Read what the registry has stored: the engine that has built it does not pull it."""
        if base:
            self.stored.trust(base)
        self.stored.verify(layer["digest"] for layer in layout.layers)

    def _attest(
        self, image: BaseImage | CliImage, layout: Layout, root: Path
    ) -> list[dict[str, Any]]:
        if not self.attesting:
            return []
        statements = [*layout.provenance, self.maker.bill(image, layout.digest, root)]
        name = f"pkg:docker/{self.inspector.repository}@{image.tag}"
        made = provenance.attestation(layout.digest, name, statements)
        for digest, data in made.blobs.items():
            self.registry.push_blob(digest, data)
        self.registry.push_manifest(made.manifest, MANIFEST, provenance.digest(made.manifest))
        self.stored.verify(made.blobs)
        return [provenance.reference(layout.digest, made)]

    def _annotations(self, release: Release) -> dict[str, str]:
        """Describe a manifest list; what is said here changes no image's digest."""
        request = release.images[0].request
        version = {VERSION: str(release.version)} if release.version else {}
        return {
            TITLE: request.variant.title,
            **self.annotations,
            # Last: these are what moving a tag goes by.
            contract.LABEL_CONTRACT: str(contract.CONTRACT_VERSION),
            contract.ANNOTATION_REFRESHED: release.refreshed,
            **version,
        }

    def _index(self, entries: Sequence[Mapping[str, Any]], annotations: Mapping[str, str]) -> bytes:
        document = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": list(entries),
            **({"annotations": dict(annotations)} if annotations else {}),
        }
        return json.dumps(document, indent=2, sort_keys=True).encode()

    def _sign(self, digest: str) -> str:
        if self.signer and not is_signed(self.registry, digest):
            self.signer.sign(f"{self.inspector.repository}@{digest}")
        return digest

    def _move(self, planned: Sequence[Release], digests: Mapping[str, str]) -> dict[str, str]:
        """Move tags; return what each moved one names now."""
        left = moves_left(planned, self.stored.held(planned), digests)
        moved = {}
        for tag, release in left.items():
            # Once more: another machine may have moved it meanwhile.
            current = self.registry.manifest(tag)
            now = {tag: held_of(current)} if current else {}
            if tag not in moves_left([release], now, digests):
                continue
            whole = self.registry.manifest(digests[release.tag])
            if whole is None:
                raise VerificationFailedError(f"{release.tag} went away", hint=_HINT)
            self.registry.push_manifest(whole.data, whole.media_type, tag)
            moved[tag] = release.tag
            say(f"{tag} -> {release.tag}")
        return moved


def platform_digest(entries: Iterable[Mapping[str, Any]], architecture: str) -> str | None:
    """Find one platform's image in a manifest list."""
    for entry in entries:
        if (entry.get("platform") or {}).get("architecture") == architecture:
            return str(entry["digest"])
    return None


def _entry(image: BaseImage | CliImage, layout: Layout) -> dict[str, Any]:
    platform = {"os": "linux", "architecture": image.platform.architecture}
    return {**provenance.descriptor(layout.manifest, MANIFEST), "platform": platform}
