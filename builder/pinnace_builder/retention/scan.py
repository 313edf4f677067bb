"""Read a repository: what it holds, how that hangs together, and what its tags stand for.

What manifests say is not trusted. A tag is ours if it is one that `publish` would give to an image
with such labels. Everything else is somebody's own, or a channel's, and stays.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pinnace_builder.registry import MEDIA_TYPES
from pinnace_builder.retention.policy import moment_of, youngest
from pinnace_builder.retention.roles import role_of, subject_of
from pinnace_core.console import say
from pinnace_core.errors import ImageRegistryError, RegistryDeniedError
from pinnace_images.refs import is_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from pinnace_builder.registry import Manifest, Registry
    from pinnace_builder.retention.roles import Role

T = TypeVar("T")

_AT_ONCE: Final = 8
_CREATED: Final = "org.opencontainers.image.created"
_CONFIGS: Final = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_CACHE_TYPE: Final = "application/vnd.buildkit.cacheconfig.v0"
_STATEMENT: Final = "application/vnd.in-toto+json"


@dataclass(frozen=True)
class Held:
    """A manifest or an index.

    Attributes:
        children: digests of the manifests that it refers to.
        blobs: sizes by digest, of all that goes with it: itself, a configuration, layers.
        is_image: whether it is an image, rather than an index, an attestation or a cache.
        is_cache: whether it is a cache of BuildKit's.
        architecture: of an image.
        labels: of an image.
        created: the youngest of the times that it states.
    """

    children: tuple[str, ...] = ()
    blobs: Mapping[str, int] = field(default_factory=dict)
    is_image: bool = False
    is_cache: bool = False
    architecture: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None


@dataclass(frozen=True)
class Snapshot:
    """A repository.

    Attributes:
        tags: digests by tag.
        manifests: by digest: what tags name, all below it, and what signatures are about.
    """

    tags: Mapping[str, str]
    manifests: Mapping[str, Held]

    def closure(self, digests: Iterable[str]) -> set[str]:
        """Return manifests with all that they refer to, whether it is there or not."""
        found: set[str] = set()
        left = list(digests)
        while left:
            digest = left.pop()
            if digest not in found:
                found.add(digest)
                left += self.children(digest)
        return found

    def children(self, digest: str) -> tuple[str, ...]:
        """Return what a manifest refers to directly."""
        held = self.manifests.get(digest)
        return held.children if held else ()

    def images(self, digest: str) -> list[str]:
        """Return the images that a digest leads to."""
        known = sorted(self.closure([digest]) & self.manifests.keys())
        return [below for below in known if self.manifests[below].is_image]

    def labels(self, digest: str) -> list[Mapping[str, str]]:
        """Return the labels of each image that a digest leads to."""
        return [self.manifests[image].labels for image in self.images(digest)]

    def created(self, digest: str) -> datetime | None:
        """Return the youngest of the times that are stated by a manifest and all below it."""
        known = self.closure([digest]) & self.manifests.keys()
        return youngest(self.manifests[below].created for below in known)

    def role(self, tag: str) -> Role:
        """Return what a tag stands for."""
        digest = self.tags[tag]
        held = self.manifests[digest]
        return role_of(tag, self.labels(digest), is_cache=held.is_cache)


def read(registry: Registry) -> Snapshot:
    """Read all tags of a repository, what they name, and what that refers to."""
    tags = registry.tags()
    say(f"reading {len(tags)} tags of {registry.repository}")
    with _pool() as pool:
        # A tag may have gone since they were listed.
        tagged = _found(pool, registry.manifest, tags)
        manifests = {manifest.digest: manifest for manifest in tagged.values()}
        wanted = _below(manifests.values()) | set(filter(None, map(subject_of, tagged)))
        while missing := wanted - manifests.keys():
            found = _found(pool, registry.manifest, missing)
            manifests |= found
            wanted = _below(found.values())
        configs = {config_digest(manifest.document) for manifest in manifests.values()} - {""}
        read_configs = _found(pool, lambda digest: _config(registry, digest), configs)
    known = {
        digest: held(manifest, read_configs.get(config_digest(manifest.document), {}))
        for digest, manifest in manifests.items()
    }
    return Snapshot({tag: manifest.digest for tag, manifest in tagged.items()}, known)


def _below(manifests: Iterable[Manifest]) -> set[str]:
    return {child for manifest in manifests for child in _children(manifest.document)}


def _config(registry: Registry, digest: str) -> dict[str, Any] | None:
    """Return an image's configuration, or None if the image has lost it."""
    try:
        return read_config(registry.blob(digest))
    except (ImageRegistryError, RegistryDeniedError):
        if registry.has_blob(digest):
            raise
        return None


def _found(
    pool: ThreadPoolExecutor, get: Callable[[str], T | None], keys: Iterable[str]
) -> dict[str, T]:
    """Ask for several things at once; return those that are there."""
    asked = sorted(keys)
    answers = zip(asked, pool.map(get, asked), strict=True)
    return {key: answer for key, answer in answers if answer is not None}


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Return threads that an error does not keep busy with what nobody wants any more."""
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def held(manifest: Manifest, config: Mapping[str, Any]) -> Held:
    """Return what is known about a manifest.

    Args:
        manifest: as it is stored.
        config: of an image, read.
    """
    document = manifest.document
    labels = _texts(_table(config, "config"), "Labels")
    stated = (
        _texts(document, "annotations").get(_CREATED),
        labels.get(_CREATED),
        config.get("created"),
    )
    return Held(
        children=_children(document),
        blobs={manifest.digest: len(manifest.data), **_blobs(document)},
        is_image=bool(config_digest(document)),
        is_cache=_is_cache(document),
        architecture=str(config.get("architecture", "")),
        labels=labels,
        created=youngest(map(moment_of, stated)),
    )


def _is_cache(document: Mapping[str, Any]) -> bool:
    listed = _descriptors(document, "manifests")
    return _CACHE_TYPE in map(_kind, (_config_of(document), *listed))


def _blobs(document: Mapping[str, Any]) -> dict[str, int]:
    described = [_config_of(document), *_descriptors(document, "layers")]
    described += [d for d in _descriptors(document, "manifests") if _kind(d) == _CACHE_TYPE]
    sizes = {d.get("digest"): d.get("size") for d in described}
    return {digest: size for digest, size in sizes.items() if digest and isinstance(size, int)}


def _config_of(document: Mapping[str, Any]) -> dict[str, Any]:
    config = _table(document, "config")
    return config if is_digest(str(config.get("digest", ""))) else {}


def _descriptors(document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = document.get(name)
    found = [d for d in listed if isinstance(d, dict)] if isinstance(listed, list) else []
    return [d for d in found if is_digest(str(d.get("digest", "")))]


def _kind(descriptor: Mapping[str, Any]) -> str:
    return str(descriptor.get("mediaType", ""))


def _table(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _texts(document: Mapping[str, Any], name: str) -> dict[str, str]:
    table = _table(document, name)
    return {key: text for key, text in table.items() if isinstance(text, str)}


def _children(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the manifests that an index refers to; BuildKit lists layers in some of its own."""
    listed = [d for d in _descriptors(document, "manifests") if _kind(d) in MEDIA_TYPES]
    return tuple(dict.fromkeys(d["digest"] for d in listed))


def config_digest(document: Mapping[str, Any]) -> str:
    """Return the configuration of an image; empty for what is none, such as an attestation."""
    config = _config_of(document)
    layers = _descriptors(document, "layers")
    is_statement = bool(layers) and all(_kind(layer) == _STATEMENT for layer in layers)
    return config["digest"] if _kind(config) in _CONFIGS and not is_statement else ""


def read_config(data: bytes) -> dict[str, Any]:
    """Read a configuration; an empty one if it makes no sense."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
