"""What manifests say, as far as retention goes by it: pure, and trusting nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder.registry import MEDIA_TYPES
from pinnace_builder.retention.policy import moment_of, youngest
from pinnace_builder.retention.snapshot import Held
from pinnace_images.refs import is_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace_builder.registry import Manifest

_CREATED: Final = "org.opencontainers.image.created"
_CONFIGS: Final = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_CACHE: Final = "application/vnd.buildkit.cacheconfig.v0"
_STATEMENT: Final = "application/vnd.in-toto+json"


def children(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the manifests that an index refers to; BuildKit lists layers in some of its own."""
    listed = [one for one in _descriptors(document, "manifests") if _kind(one) in MEDIA_TYPES]
    return tuple(dict.fromkeys(one["digest"] for one in listed))


def config_digest(document: Mapping[str, Any]) -> str:
    """Return the configuration of an image; empty for what is none, such as an attestation."""
    config = _config(document)
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


def held(manifest: Manifest, config: Mapping[str, Any]) -> Held:
    """Bring together what is known about a manifest.

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
        children=children(document),
        blobs={manifest.digest: len(manifest.data), **_blobs(document)},
        is_image=bool(config_digest(document)),
        is_cache=_is_cache(document),
        architecture=str(config.get("architecture", "")),
        labels=labels,
        created=youngest(map(moment_of, stated)),
    )


def _is_cache(document: Mapping[str, Any]) -> bool:
    listed = _descriptors(document, "manifests")
    return _CACHE in map(_kind, (_config(document), *listed))


def _blobs(document: Mapping[str, Any]) -> dict[str, int]:
    described = [_config(document), *_descriptors(document, "layers")]
    described += [one for one in _descriptors(document, "manifests") if _kind(one) == _CACHE]
    sizes = {one.get("digest"): one.get("size") for one in described}
    return {digest: size for digest, size in sizes.items() if digest and isinstance(size, int)}


def _config(document: Mapping[str, Any]) -> dict[str, Any]:
    config = _table(document, "config")
    return config if is_digest(str(config.get("digest", ""))) else {}


def _descriptors(document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = document.get(name)
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [one for one in found if is_digest(str(one.get("digest", "")))]


def _kind(descriptor: Mapping[str, Any]) -> str:
    return str(descriptor.get("mediaType", ""))


def _table(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _texts(document: Mapping[str, Any], name: str) -> dict[str, str]:
    table = _table(document, name)
    return {key: text for key, text in table.items() if isinstance(text, str)}
