"""Publishing without a machine: a registry in memory, images of a few bytes, an event log."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

from pinnace_builder import smoke
from pinnace_builder.publish import Order, build_platform, decide, provenance
from pinnace_builder.publish.execute import Executor
from pinnace_builder.publish.remote_state import RemoteState
from pinnace_builder.publish.verify import Verifier
from pinnace_builder.registry import Manifest, Registry
from pinnace_core.errors import SigningFailedError, VerificationFailedError
from pinnace_images import contract
from tests.unit.builder.publish import layouts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pinnace_builder.images_config import Images
    from pinnace_builder.publish.build_platform import Layout, PlatformBuilder
    from pinnace_builder.publish.execute import Published
    from pinnace_builder.publish.plan import PlatformImage, Release
    from pinnace_builder.publish.provenance import Signer
    from pinnace_core.engine import Engine

REPOSITORY: Final = "registry.example/claude"
REVISION: Final = "org.opencontainers.image.revision"


class MemoryRegistry(Registry):
    """Holds what it is given, and refuses a manifest whose parts it does not hold.

    Attributes:
        spoils: what it keeps in the place of a blob that holds this text.
        stubborn: whether it takes a blob only if it has none of that digest, damaged or not.
        verified: blobs that were read to their ends.
        referring: descriptors of what refers to a manifest, by its digest.
    """

    def __init__(self, events: list[str]) -> None:
        self.manifests: dict[str, Manifest] = {}
        self.blobs: dict[str, bytes] = {}
        self.spoils: dict[bytes, bytes] = {}
        self.stubborn = False
        self.verified: list[str] = []
        self.referring: dict[str, list[dict[str, Any]]] = {}
        self._events = events

    def manifest(self, reference: str) -> Manifest | None:
        return self.manifests.get(reference)

    def digest(self, reference: str) -> str | None:
        held = self.manifests.get(reference)
        return held.digest if held else None

    def blob(self, digest: str) -> bytes:
        data = self.blobs[digest]
        if layouts.digest_of(data) != digest:
            raise VerificationFailedError(f"{digest} is expected, something else is there")
        return data

    def has_blob(self, digest: str, size: int | None = None) -> bool:
        return digest in self.blobs and size in {None, len(self.blobs[digest])}

    def verify_blob(self, digest: str) -> None:
        self.verified.append(digest)
        if layouts.digest_of(self.blobs[digest]) != digest:
            raise VerificationFailedError(f"{digest} is expected, something else is there")

    def referrers(self, digest: str) -> list[dict[str, Any]]:
        return self.referring.get(digest, [])

    def push_blob(self, digest: str, source: Path | bytes) -> bool:
        data = source if isinstance(source, bytes) else source.read_bytes()
        assert layouts.digest_of(data) == digest
        if self.has_blob(digest, len(data)) or (self.stubborn and digest in self.blobs):
            return False
        kept = [spoilt for text, spoilt in self.spoils.items() if text in data]
        self.blobs[digest] = kept[0] if kept else data
        return True

    def push_manifest(self, data: bytes, media_type: str, reference: str) -> str:
        document = json.loads(data)
        assert document["mediaType"] == media_type
        parts = [*document.get("layers", ()), *filter(None, [document.get("config")])]
        assert all(part["digest"] in self.blobs for part in parts)
        for entry in document.get("manifests", ()):
            held = self.manifests[entry["digest"]]
            assert (len(held.data), held.media_type) == (entry["size"], entry["mediaType"])
        made = Manifest(data, media_type)
        self.manifests |= {reference: made, made.digest: made}
        if not reference.startswith("sha256:"):
            self._events.append(f"tag {reference}")
        return made.digest

    @property
    def tags_held(self) -> dict[str, str]:
        """Digests by tag."""
        return {
            name: manifest.digest
            for name, manifest in self.manifests.items()
            if not name.startswith("sha256:")
        }

    def document(self, reference: str) -> dict[str, Any]:
        """What is held under a name."""
        return self.manifests[reference].document


def labels_of(image: PlatformImage) -> dict[str, str]:
    """Return the labels that an image gets from its Dockerfile and its build."""
    if image.base:
        own = {contract.LABEL_BUILD_ID: image.id, contract.LABEL_BASE_ID: image.base.id}
    else:
        own = {contract.LABEL_BASE_ID: image.id}
    return smoke.expected_labels(image.request, image.platform) | own


@dataclass
class Workshop:
    """Stands in for the builder: small images, made as they are told.

    Attributes:
        events: what happened, in order.
        standing: digests of bases, by what was built on them.
        spoilt: labels that come out wrong, by image.
        blown: bytes of the last layer but one, by image.
    """

    events: list[str]
    standing: dict[str, str] = field(default_factory=dict)
    spoilt: dict[str, dict[str, str]] = field(default_factory=dict)
    blown: dict[str, int] = field(default_factory=dict)

    def build(self, image: PlatformImage, base_digest: str, into: Path) -> Layout:
        name = str(image)
        self.events.append(f"make {name}")
        self.standing[name] = base_digest
        base = image.base or image
        layers = [b"distribution", f"packages {base.id}".encode() + b"." * self.blown.get(name, 0)]
        if image.base:
            layers.append(f"cli {image.id}".encode())
        labels = labels_of(image) | self.spoilt.get(name, {})
        target = into / "layout"
        layouts.write(target, image.platform, labels=labels, layers=layers, attested=True)
        return build_platform.load_layout(target, image.platform)

    def sbom(self, image: PlatformImage, digest: str, root: Path) -> dict[str, Any]:
        assert (root / "packages").read_text() == f"of {digest}"
        return provenance.statement(provenance.SPDX, {"name": str(image)})


@dataclass(frozen=True)
class LookingVerifier(Verifier):
    """Checks manifests as it always does, and contents without an engine.

    Attributes:
        events: what happened, in order.
        bad: images whose content is wrong.
        meanwhile: what else happens while an image is looked at.
    """

    events: list[str] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    meanwhile: dict[str, Callable[[], object]] = field(default_factory=dict)

    def check_content(self, image: PlatformImage, digest: str, scratch: Path) -> Path:
        assert self.registry.manifest(digest), "it is pulled from where it was pushed to"
        self.events.append(f"verify {image}")
        if str(image) in self.meanwhile:
            self.meanwhile.pop(str(image))()
        if str(image) in self.bad:
            raise VerificationFailedError(f"{image} holds another CLI than the lock says")
        (scratch / "packages").write_text(f"of {digest}")
        return scratch


@dataclass
class Pen:
    """Stands in for the signer."""

    events: list[str]
    breaks: bool = False

    def sign(self, reference: str) -> None:
        if self.breaks:
            raise SigningFailedError("no ink")
        self.events.append(f"sign {reference}")


class Publisher:
    """A repository, and all that publishes to it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.registry = MemoryRegistry(self.events)
        self.workshop = Workshop(self.events)
        self.bad: set[str] = set()
        self.meanwhile: dict[str, Callable[[], object]] = {}

    def publish(
        self,
        planned: Sequence[Release],
        *,
        stage_only: bool = False,
        attesting: bool = True,
        pen: Pen | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> list[Published]:
        """Decide what is left to do, and do it; the events start anew."""
        self.events.clear()
        signer = cast("Signer | None", pen)
        state = RemoteState(self.registry)
        order = Order((), (), (), REPOSITORY, cast("Images", None), stage_only=stage_only)
        actions = decide(replace(order, signer=signer), planned, state)
        verifier = LookingVerifier(
            cast("Engine", None),
            self.registry,
            REPOSITORY,
            events=self.events,
            bad=self.bad,
            meanwhile=self.meanwhile,
        )
        builder = cast("PlatformBuilder", self.workshop)
        said = {REVISION: "c0ffee", **(annotations or {})}
        executor = Executor(state, builder, verifier, said, attesting, signer)
        return executor.run(() if stage_only else planned, actions)

    def happened(self, kind: str) -> list[str]:
        """Return the events of a kind since publishing last began."""
        return [e.removeprefix(f"{kind} ") for e in self.events if e.startswith(f"{kind} ")]

    def stranger(self, tag: str, **annotations: str) -> str:
        """Put something of somebody else's under a tag."""
        document: dict[str, Any] = {"mediaType": provenance.INDEX, "manifests": []}
        if annotations:
            document["annotations"] = annotations
        return self.registry.push_manifest(json.dumps(document).encode(), provenance.INDEX, tag)
