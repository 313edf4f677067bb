"""A registry that loses, damages or spoils what it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder.publish import plan
from pinnace_builder.publish.provenance import INDEX
from pinnace_builder.publish.remote_state import RemoteState
from pinnace_builder.registry import Manifest
from pinnace_core.errors import VerificationFailedError
from tests.unit.builder import recipes
from tests.unit.builder.publish.publishing import MemoryRegistry, Publisher
from tests.unit.builder.recipes import DISTRIBUTIONS, request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace_builder.publish.execute import Published

_PLANNED: Final = plan.releases([request(recipes.native())], DISTRIBUTIONS, {})
_RELEASE: Final = _PLANNED[0]
_AMD64: Final = "2.1.330 slim (linux/amd64)"
_ARM64: Final = "2.1.330 slim (linux/arm64)"
_BASES: Final = ("base slim (linux/amd64)", "base slim (linux/arm64)")


@pytest.fixture
def publisher() -> Publisher:
    """Somebody who has published a version."""
    made = Publisher()
    made.publish(_PLANNED)
    return made


def _again(publisher: Publisher) -> Published:
    (published,) = publisher.publish(_PLANNED)
    return published


def _image(registry: MemoryRegistry, number: int = 0) -> str:
    """Return the digest of one of the list's entries."""
    return str(registry.document(_RELEASE.tag)["manifests"][number]["digest"])


def _blobs(registry: MemoryRegistry, number: int = 0) -> Sequence[str]:
    """Return the digests of an entry's layers, from the bottom up, and of its configuration."""
    document = registry.document(_image(registry, number))
    return [blob["digest"] for blob in (*document["layers"], document["config"])]


def _assert_whole(publisher: Publisher) -> None:
    for tag in publisher.registry.tags_held:
        assert RemoteState(publisher.registry).whole(tag), tag


def test_what_was_published_is_whole(publisher: Publisher) -> None:
    _assert_whole(publisher)
    assert RemoteState(publisher.registry).whole("nothing") is None


def test_an_image_whose_manifest_is_lost_is_made_again(publisher: Publisher) -> None:
    tags = publisher.registry.tags_held
    del publisher.registry.manifests[_image(publisher.registry)]

    again = _again(publisher)

    assert again.built == (_AMD64,)
    # The same bytes, so all names are right again.
    assert again.moved == ()
    assert publisher.registry.tags_held == tags
    _assert_whole(publisher)


@pytest.mark.parametrize("which", [2, 3], ids=["the CLI", "the configuration"])
@pytest.mark.parametrize("left", [None, 3], ids=["lost", "cut"])
def test_an_image_whose_blob_is_lost_or_cut_is_made_again(
    publisher: Publisher, which: int, left: int | None
) -> None:
    digest = _blobs(publisher.registry, number=2)[which]
    data = publisher.registry.blobs.pop(digest)
    if left:
        publisher.registry.blobs[digest] = data[:left]

    assert _again(publisher).built == (_ARM64,)

    assert publisher.registry.blobs[digest] == data
    _assert_whole(publisher)


def test_what_all_images_share_is_brought_once(publisher: Publisher) -> None:
    del publisher.registry.blobs[_blobs(publisher.registry)[0]]

    again = _again(publisher)

    # The first one that is made brings it, and all others are whole again.
    assert again.built == (_BASES[0],)
    _assert_whole(publisher)


def test_whatever_has_no_tag_itself_is_lost_and_all_is_made_again(publisher: Publisher) -> None:
    registry = publisher.registry
    for name in [name for name in registry.manifests if name.startswith("sha256:")]:
        del registry.manifests[name]
    registry.blobs.clear()

    again = _again(publisher)

    assert set(again.built) == {*_BASES, _AMD64, _ARM64}
    _assert_whole(publisher)


def test_an_attestation_that_is_lost_is_made_again(publisher: Publisher) -> None:
    del publisher.registry.manifests[_image(publisher.registry, 1)]

    assert _again(publisher).built == (_AMD64,)
    _assert_whole(publisher)


def test_a_registry_that_keeps_what_is_cut_is_told(publisher: Publisher) -> None:
    registry = publisher.registry
    digest = _blobs(registry)[2]
    registry.blobs[digest] = registry.blobs[digest][:3]
    registry.stubborn = True
    before = registry.tags_held

    with pytest.raises(VerificationFailedError, match="lacks its layer") as caught:
        _again(publisher)

    assert "storage is mended" in caught.value.hint
    assert registry.tags_held == before


@pytest.mark.parametrize("kept", [b"", b"?", b"longer" * 20], ids=["none", "cut", "longer"])
def test_a_layer_that_was_stored_in_another_size_is_noticed(kept: bytes) -> None:
    _refuses_to_name(kept)


def test_a_layer_that_was_stored_with_other_bytes_is_noticed() -> None:
    _refuses_to_name(_LAYER[:-1] + b"?")


_LAYER: Final = f"cli {_RELEASE.images[0].id}".encode()


def _refuses_to_name(kept: bytes) -> None:
    publisher = Publisher()
    publisher.registry.spoils[_LAYER] = kept

    with pytest.raises(VerificationFailedError):
        publisher.publish(_PLANNED)

    # Its base is good.
    assert all(tag.startswith("base-slim-amd64-") for tag in publisher.registry.tags_held)


def test_what_is_pushed_is_read_and_a_base_that_was_there_is_not() -> None:
    publisher = Publisher()
    bases = plan.base_releases([request()], DISTRIBUTIONS)
    publisher.publish(bases)
    publisher.registry.verified.clear()

    publisher.publish(_PLANNED, attesting=False)

    layers = [_blobs(publisher.registry, number) for number in (0, 1)]
    assert publisher.registry.verified == [of[2] for of in layers]


@pytest.mark.parametrize(
    "text",
    ["{}", '{"manifests": [{}]}', '{"layers": 5}', '{"config": []}', '{"layers": [{"size": 1}]}'],
)
def test_what_is_not_ours_is_left_to_those_who_use_it(text: str) -> None:
    registry = MemoryRegistry([])
    registry.manifests["odd"] = Manifest(text.encode(), INDEX)

    assert RemoteState(registry).whole("odd")
