"""Repositories as `publish` leaves them, made of tiny manifests: to be read, or to be pushed."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder.registry import Manifest
from pinnace_builder.retention import scan
from pinnace_builder.retention.scan import Snapshot
from pinnace_images import contract, refs
from pinnace_images.platforms import Platform
from pinnace_images.versions import CliVersion
from tests.support.fake_registry import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace_builder.registry import Registry

NOW: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
BOTH: Final = ("amd64", "arm64")
_OCI: Final = "application/vnd.oci.image.{}.v1+{}"
MANIFEST: Final = _OCI.format("manifest", "json")
INDEX: Final = _OCI.format("index", "json")
CONFIG: Final = _OCI.format("config", "json")
LAYER: Final = _OCI.format("layer", "tar")
STATEMENT: Final = "application/vnd.in-toto+json"
CACHE: Final = "application/vnd.buildkit.cacheconfig.v0"
SIGNED: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
_AT_ONCE: Final = 8
CREATED: Final = "org.opencontainers.image.created"


def hexadecimal(*words: object) -> str:
    """Make up an id."""
    return hashlib.sha256(repr(words).encode()).hexdigest()


@dataclass
class Made:
    """A repository.

    Attributes:
        now: what ages are counted from.
        tags: digests by tag.
        manifests: by digest, parts before what refers to them.
        blobs: by digest.
    """

    now: datetime = NOW
    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def publish(  # noqa: PLR0913 (each has its default)
        self,
        version: str,
        *,
        age: float,
        variant: str = "slim",
        base: str = "base",
        build: str = "",
        architectures: Sequence[str] = BOTH,
        moves: Sequence[str] = (),
        cache: bool = False,
    ) -> str:
        """Publish a version with its bases; return the digest of its manifest list."""
        number, parts = CliVersion.parse(version), []
        for architecture in architectures:
            base_id = self.base(base, architecture, flavour=variant, age=age)
            identity = hexadecimal(version, variant, architecture, base, build)
            labels = {
                contract.LABEL_VERSION: version,
                contract.LABEL_VARIANT: variant,
                contract.LABEL_BASE_ID: base_id,
                contract.LABEL_BUILD_ID: identity,
            }
            platform = Platform(architecture)
            tag = refs.platform_tag(number, variant, platform, identity)
            parts += self._platform(tag, architecture, labels, age=age)
            if cache:
                self.cache(f"cache-{version}-{variant}-{architecture}")
        tag = refs.index_tag(number, variant, hexadecimal(version, variant, base, build))
        for name in (tag, *refs.version_tags(number, variant), *moves):
            self.index(name, *parts)
        return self.tags[tag]

    def base(self, name: str, architecture: str, *, flavour: str = "slim", age: float) -> str:
        """Publish one platform's base, once; return its id."""
        identity = hexadecimal("base", name, flavour, architecture)
        tag = refs.base_platform_tag(flavour, Platform(architecture), identity)
        labels = {
            contract.LABEL_VARIANT: flavour.removesuffix("-node"),
            contract.LABEL_BASE_ID: identity,
        }
        if tag not in self.tags:
            self._platform(tag, architecture, labels, age=age)
        return identity

    def base_index(self, name: str, *, flavour: str = "slim", moving: bool = True) -> str:
        """Publish the manifest list of a base that is there for both platforms."""
        parts: list[dict[str, Any]] = []
        for architecture in BOTH:
            identity = hexadecimal("base", name, flavour, architecture)
            tag = refs.base_platform_tag(flavour, Platform(architecture), identity)
            parts += self.manifests[self.tags[tag]].document["manifests"]
        tag = refs.base_index_tag(flavour, hexadecimal(name, flavour))
        for one in (tag, *([refs.base_tag(flavour)] if moving else [])):
            self.index(one, *parts)
        return self.tags[tag]

    def _platform(
        self, tag: str, architecture: str, labels: Mapping[str, str], *, age: float
    ) -> list[dict[str, Any]]:
        image = self.image(labels, architecture=architecture, age=age)
        statement = self._blob(json.dumps({"subject": image["digest"]}).encode(), STATEMENT)
        config = self._blob(b'{"architecture": "unknown"}', CONFIG)
        attestation = self._manifest(config=config, layers=[statement])
        parts = [image, attestation]
        self.index(tag, *parts)
        return parts

    def image(
        self, labels: Mapping[str, str], *, architecture: str = "amd64", age: float | None = None
    ) -> dict[str, Any]:
        """Make an image; return its descriptor."""
        created = {"created": (self.now - timedelta(days=age)).isoformat()} if age else {}
        document = {"architecture": architecture, "config": {"Labels": dict(labels)}, **created}
        config = self._blob(json.dumps(document, sort_keys=True).encode(), CONFIG)
        below = labels.get(contract.LABEL_BASE_ID, "")
        layers = [below, *([str(labels)] if contract.LABEL_VERSION in labels else [])]
        described = self._manifest(
            config=config, layers=[self._blob(layer.encode(), LAYER) for layer in layers]
        )
        return {**described, "platform": {"os": "linux", "architecture": architecture}}

    def index(
        self, tag: str, *parts: Mapping[str, Any], annotations: Mapping[str, str] | None = None
    ) -> str:
        """Join parts under a tag; return the digest."""
        more = {"annotations": dict(annotations)} if annotations else {}
        return self.name(tag, self._document(INDEX, manifests=list(parts), **more)["digest"])

    def name(self, tag: str, digest: str) -> str:
        """Return a tag to something."""
        self.tags[tag] = digest
        return digest

    def cache(self, tag: str) -> str:
        """Export a cache as BuildKit does."""
        config = self._blob(json.dumps({"cache": tag}).encode(), CACHE)
        layers = [self._blob(f"layer of {tag}".encode(), LAYER)]
        return self.name(tag, self._manifest(config=config, layers=layers)["digest"])

    def sign(self, digest: str, suffix: str = ".sig") -> str:
        """Sign as cosign does; return the tag."""
        tag = f"{digest.replace(':', '-')}{suffix}"
        layers = [self._blob(tag.encode(), SIGNED)]
        signature = self._manifest(config=self._blob(b"{}", CONFIG), layers=layers)
        if suffix:
            self.name(tag, signature["digest"])
        else:
            self.index(tag, signature)
        return tag

    def snapshot(self) -> Snapshot:
        """Return what a reader finds: nothing that has neither a name nor a parent with one."""
        held = {}
        for digest, manifest in self.manifests.items():
            config = self.blobs.get(scan.config_digest(manifest.document), b"{}")
            held[digest] = scan.held(manifest, scan.read_config(config))
        everything = Snapshot(self.tags, held)
        reached = everything.closure(self.tags.values())
        return Snapshot(dict(self.tags), {d: one for d, one in held.items() if d in reached})

    def push(self, registry: Registry) -> None:
        """Put all of it into a real one."""
        # Each is refused before what it refers to is there; tags come last.
        named = {**{digest: digest for digest in self.manifests}, **self.tags}
        waves: dict[tuple[bool, bool], list[str]] = {}
        for name, digest in named.items():
            wave = name in self.tags, self.manifests[digest].media_type == INDEX
            waves.setdefault(wave, []).append(name)

        def give(name: str) -> str:
            manifest = self.manifests[named[name]]
            return registry.push_manifest(manifest.data, manifest.media_type, name)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda pair: registry.push_blob(*pair), self.blobs.items()))
            for _, names in sorted(waves.items()):
                list(pool.map(give, names))

    def _manifest(self, **content: object) -> dict[str, Any]:
        return self._document(MANIFEST, **content)

    def _document(self, media_type: str, **content: object) -> dict[str, Any]:
        document = {"schemaVersion": 2, "mediaType": media_type, **content}
        manifest = Manifest(json.dumps(document, sort_keys=True).encode(), media_type)
        self.manifests[manifest.digest] = manifest
        return {"mediaType": media_type, "digest": manifest.digest, "size": len(manifest.data)}

    def _blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = digest_of(data)
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}
