"""What is read from manifests, also from those that nobody of us wrote."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from pinnace_builder.registry import Manifest, Registry
from pinnace_builder.retention import scan
from tests.support.repositories import CACHE, CONFIG, INDEX, LAYER, MANIFEST, NOW, STATEMENT, Made

_DIGEST: Final = f"sha256:{'a' * 64}"
_OTHER: Final = f"sha256:{'b' * 64}"


def _described(kind: str, digest: object = _DIGEST, size: object = 5) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest, "size": size}


def _manifest(**document: object) -> Manifest:
    return Manifest(json.dumps(document).encode(), MANIFEST)


def test_an_image_tells_what_it_is() -> None:
    manifest = _manifest(config=_described(CONFIG), layers=[_described(LAYER, _OTHER, 7)])
    config = {"architecture": "arm64", "created": NOW.isoformat(), "config": {"Labels": {"a": "b"}}}

    held = scan.held(manifest, config)

    assert (held.is_image, held.is_cache, held.children) == (True, False, ())
    assert (held.architecture, held.created, held.labels) == ("arm64", NOW, {"a": "b"})
    assert held.blobs == {manifest.digest: len(manifest.data), _DIGEST: 5, _OTHER: 7}


def test_an_index_refers_to_manifests_only() -> None:
    parts = [_described(MANIFEST), _described(INDEX, _OTHER), _described(LAYER, _OTHER)]

    held = scan.held(_manifest(manifests=[*parts, parts[0]]), {})

    assert (held.children, held.is_image) == ((_DIGEST, _OTHER), False)


def test_an_attestation_is_no_image() -> None:
    held = scan.held(_manifest(config=_described(CONFIG), layers=[_described(STATEMENT)]), {})

    assert not held.is_image


@pytest.mark.parametrize(
    "document",
    [
        {"config": _described(CACHE), "layers": [_described(LAYER)]},
        # Without image-manifest=true, BuildKit lists its layers in an index.
        {"manifests": [_described(LAYER), _described(CACHE, _OTHER)]},
    ],
)
def test_a_cache_is_known_in_both_of_its_forms(document: dict[str, Any]) -> None:
    held = scan.held(_manifest(**document), {})

    assert (held.is_cache, held.is_image, held.children) == (True, False, ())


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"manifests": None, "layers": "x", "config": [], "annotations": 1},
        {"manifests": [None, 1, {}, _described(MANIFEST, "sha512:x"), _described(MANIFEST, 7)]},
        {"config": _described(CONFIG, None), "layers": [_described(LAYER, "x")]},
    ],
)
def test_nonsense_refers_to_nothing(document: dict[str, Any]) -> None:
    held = scan.held(_manifest(**document), {"config": {"Labels": [1]}, "created": 5})

    assert (held.children, held.is_image, held.created, held.labels) == ((), False, None, {})


def test_a_size_that_is_none_does_not_count() -> None:
    manifest = _manifest(config=_described(CONFIG, size="5"))

    assert scan.held(manifest, {"config": None}).blobs == {manifest.digest: len(manifest.data)}


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{", b"[" * 100_000])
def test_a_configuration_without_sense_is_an_empty_one(data: bytes) -> None:
    assert scan.read_config(data) == {}


class _Held(Registry):
    """Stands in for a registry that holds a repository."""

    def __init__(self, made: Made) -> None:
        super().__init__("registry.example/claude")
        self._made = made

    def tags(self) -> list[str]:
        return [*self._made.tags, "gone-since-it-was-listed"]

    def manifest(self, reference: str) -> Manifest | None:
        return self._made.manifests.get(self._made.tags.get(reference, reference))

    def blob(self, digest: str) -> bytes:
        return self._made.blobs[digest]


def test_a_repository_is_read_with_all_that_its_tags_lead_to() -> None:
    made = Made()
    digest = made.publish("2.1.330", age=5, cache=True)
    made.base_index("base")
    made.sign(digest)

    assert scan.read(_Held(made)) == made.snapshot()
