"""Carry out what is left to do. Nothing that moves is touched before everything is verified."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder.publish import provenance
from pinnace_builder.publish.plan import moves_to
from pinnace_builder.publish.provenance import INDEX, MANIFEST
from pinnace_builder.publish.remote_state import VERSION, held_of
from pinnace_builder.publish.scratch import scratch
from pinnace_builder.registry import Manifest
from pinnace_core.console import say
from pinnace_core.errors import VerificationFailedError
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pinnace_builder.publish.build_platform import Layout, PlatformBuilder
    from pinnace_builder.publish.plan import Action, PlatformImage, Release
    from pinnace_builder.publish.provenance import Signer
    from pinnace_builder.publish.remote_state import RemoteState
    from pinnace_builder.publish.verify import Verifier

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
class Executor:
    """Carries out actions in one repository.

    What another machine has done since they were planned is not done again, and not undone.

    Attributes:
        state: what is there, and where to publish.
        builder: builds.
        verifier: verifies.
        annotations: of every manifest list that is made.
        attesting: whether attestations are added.
        signer: signs manifest lists, if asked to.
    """

    state: RemoteState
    builder: PlatformBuilder
    verifier: Verifier
    annotations: Mapping[str, str]
    attesting: bool
    signer: Signer | None
    _built: dict[str, list[str]] = field(default_factory=dict)
    _moved: dict[str, list[str]] = field(default_factory=dict)
    # By the releases' immutable tags.
    _lists: dict[str, Manifest] = field(default_factory=dict)
    _platforms: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, releases: Iterable[Release], actions: Sequence[Action]) -> list[Published]:
        """Carry out all actions, in their order; return what there is of each release then.

        Raises:
            PinnaceError: of any action; no moving tag was touched if a release is not whole.
        """
        joined = {action.tag for action in actions if action.verb == "join"}
        releases = list(releases)
        for release in releases:
            if release.tag not in joined:
                self._keep(release, self._whole(release.tag))
        moves = [action for action in actions if action.verb == "move"]
        for action in actions:
            if action not in moves:
                self._carry_out(action)
        # All before the first: one that must stay is a reason to move none.
        for action in [action for action in moves if self._moves(action)]:
            self._move(action)
        return [
            Published(
                release,
                self._lists[release.tag].digest,
                self._platforms[release.tag],
                tuple(self._built.get(release.tag, ())),
                tuple(self._moved.get(release.tag, ())),
            )
            for release in releases
        ]

    def _carry_out(self, action: Action) -> None:
        if action.image:
            self._build(action.image, action.release)
        elif action.verb == "join":
            self._join(action.release)
        else:
            self._sign(action.release)

    def _whole(self, tag: str) -> Manifest:
        held = self.state.whole(tag)
        if held is None:
            raise VerificationFailedError(f"{tag} went away", hint=_HINT)
        return held

    def _build(self, image: PlatformImage, release: Release) -> None:
        """Build, push by digest, verify; only then give the immutable tag."""
        if self.state.whole(image.tag):
            return
        base = self._base_digest(image.base) if image.base else ""
        with scratch() as directory:
            layout = self.builder.build(image, base, directory)
            say(f"pushing {image}")
            self._push_image(layout)
            say(f"verifying {image}")
            self.verifier.check_manifest(image, layout.digest)
            self._check_layers(layout, base)
            root = self.verifier.check_content(image, layout.digest, directory)
            entries = [_entry(image, layout), *self._attest(image, layout, root)]
            self._name(_index(entries, {}), image.tag)
        self._built.setdefault(release.tag, []).append(str(image))
        say(f"pushed {image.tag}")

    def _base_digest(self, base: PlatformImage) -> str:
        digest = self._whole(base.tag).platform_digest(base.platform)
        if digest is None:
            raise VerificationFailedError(f"{base.tag} lacks {base.platform}", hint=_HINT)
        return digest

    def _push_image(self, layout: Layout) -> None:
        for blob in (*layout.layers, layout.config):
            self.state.registry.push_blob(blob["digest"], layout.blob(blob["digest"]))
        self.state.registry.push_manifest(layout.manifest, MANIFEST, layout.digest)

    def _check_layers(self, layout: Layout, base: str) -> None:
        """Read what the registry has stored: the engine that has built it does not pull it."""
        if base:
            self.state.trust(base)
        self.state.verify(layer["digest"] for layer in layout.layers)

    def _attest(self, image: PlatformImage, layout: Layout, root: Path) -> list[dict[str, Any]]:
        if not self.attesting:
            return []
        registry = self.state.registry
        statements = [*layout.provenance, self.builder.sbom(image, layout.digest, root)]
        name = f"pkg:docker/{self.verifier.repository}@{image.tag}"
        made = provenance.attestation(layout.digest, name, statements)
        for digest, data in made.blobs.items():
            registry.push_blob(digest, data)
        registry.push_manifest(made.manifest, MANIFEST, provenance.digest(made.manifest))
        self.state.verify(made.blobs)
        return [provenance.reference(layout.digest, made)]

    def _name(self, data: bytes, tag: str) -> Manifest:
        """Give an immutable tag; if somebody elsewhere has given it meanwhile, theirs stays."""
        held = self.state.whole(tag)
        if held is None:
            self.state.registry.push_manifest(data, INDEX, tag)
            held = Manifest(data, INDEX)
        return held

    def _join(self, release: Release) -> None:
        """Make the manifest list of platforms that are all verified."""
        held = [self._whole(image.tag) for image in release.images]
        entries = [entry for one in held for entry in one.document.get("manifests", [])]
        made = Manifest(_index(entries, self._annotations(release)), INDEX)
        self._keep(release, made)
        named = self._name(made.data, release.tag)
        if named.digest != made.digest:
            self._keep(release, named)
        say(f"joined {release.tag}")

    def _keep(self, release: Release, held: Manifest) -> None:
        """Verify the manifest list of a release, and go on with it."""
        self._platforms[release.tag] = self._check_platforms(release, held)
        self._lists[release.tag] = held

    def _check_platforms(self, release: Release, held: Manifest) -> dict[str, str]:
        """See that every platform is there, with the right labels; return their digests."""
        found = {}
        for image in release.images:
            digest = held.platform_digest(image.platform)
            if digest is None:
                raise VerificationFailedError(f"{release.tag} lacks {image.platform}", hint=_HINT)
            self.verifier.check_manifest(image, digest)
            found[str(image.platform)] = digest
        return found

    def _annotations(self, release: Release) -> dict[str, str]:
        """Describe a manifest list; what is said here changes no image's digest."""
        version = {VERSION: str(release.version)} if release.version else {}
        return {
            TITLE: release.images[0].request.variant.title,
            **self.annotations,
            # Last: these are what moving a tag goes by.
            contract.LABEL_CONTRACT: str(contract.CONTRACT_VERSION),
            contract.ANNOTATION_REFRESHED: release.refreshed,
            **version,
        }

    def _sign(self, release: Release) -> None:
        digest = self._lists[release.tag].digest
        if self.signer and not provenance.is_signed(self.state.registry, digest):
            self.signer.sign(f"{self.verifier.repository}@{digest}")

    def _moves(self, action: Action) -> bool:
        """Return whether a tag is still to be moved: another machine may have done it.

        Raises:
            UnsafeRequestError: of `moves_to`.
        """
        current = self.state.registry.manifest(action.tag)
        held = held_of(current) if current else None
        digest = self._lists[action.release.tag].digest
        return moves_to(action.release, action.tag, held, digest)

    def _move(self, action: Action) -> None:
        release, held = action.release, self._lists[action.release.tag]
        if self._moves(action):
            self.state.registry.push_manifest(held.data, held.media_type, action.tag)
            self._moved.setdefault(release.tag, []).append(action.tag)
            say(f"{action.tag} -> {release.tag}")


def _index(entries: Sequence[Mapping[str, Any]], annotations: Mapping[str, str]) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": list(entries),
        **({"annotations": dict(annotations)} if annotations else {}),
    }
    return json.dumps(document, indent=2, sort_keys=True).encode()


def _entry(image: PlatformImage, layout: Layout) -> dict[str, Any]:
    platform = {"os": "linux", "architecture": image.platform.architecture}
    return {**provenance.descriptor(layout.manifest, MANIFEST), "platform": platform}
