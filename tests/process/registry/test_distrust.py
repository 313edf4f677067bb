"""The client of image registries: what it does not believe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace_core.errors import CannotWriteError, ImageRegistryError, VerificationFailedError
from tests.support.fake_registry import Answer, FakeRegistry, digest_of
from tests.support.registry_client import BLOB, DIGEST, MANIFEST, OCI

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_builder.registry import Registry


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b"\xff", b"null"])
def test_a_manifest_that_is_none_is_an_error(
    fake: FakeRegistry, registry: Registry, data: bytes
) -> None:
    fake.store(data, "text/html", "1.0")

    with pytest.raises(ImageRegistryError) as caught:
        registry.manifest("1.0")
    assert caught.value.hint


@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"{}", b"[]", b'{"tags": "abc"}', b'{"tags": [1]}', b'{"tags": {}}']
)
def test_tags_that_are_none_are_an_error(
    fake: FakeRegistry, registry: Registry, data: bytes
) -> None:
    fake.will("GET", "tags", Answer(200, data))

    with pytest.raises(ImageRegistryError):
        registry.tags()


def test_what_a_digest_stands_for_is_verified(
    fake: FakeRegistry, registry: Registry, tmp_path: Path
) -> None:
    fake.manifests[DIGEST] = (MANIFEST, OCI)
    fake.blobs[DIGEST] = b"something else"
    target = tmp_path / "blob"

    for use in (
        lambda: registry.manifest(DIGEST),
        lambda: registry.blob(DIGEST),
        lambda: registry.download(DIGEST, target),
    ):
        with pytest.raises(VerificationFailedError) as caught:
            use()
        assert caught.value.hint
    assert not target.exists()
    assert len(fake.requests) == 3


def test_a_digest_that_the_registry_states_is_compared(
    fake: FakeRegistry, registry: Registry
) -> None:
    wrong = {"Docker-Content-Digest": DIGEST}
    fake.will("PUT", "manifests", Answer(201, headers=wrong))
    fake.will("GET", "manifests", Answer(200, b"{}", wrong))
    fake.will("PUT", "uploads", Answer(201, headers=wrong))

    with pytest.raises(VerificationFailedError):
        registry.push_manifest(MANIFEST, OCI, "1.0")
    with pytest.raises(VerificationFailedError):
        registry.manifest("1.0")
    with pytest.raises(VerificationFailedError):
        registry.push_blob(digest_of(b"x"), b"x")


def test_a_source_that_is_not_what_it_is_called_is_refused(
    fake: FakeRegistry, registry: Registry
) -> None:
    with pytest.raises(VerificationFailedError, match="DIGEST_INVALID"):
        registry.push_blob(DIGEST, b"something else")
    assert fake.uploads == 1


def test_a_small_blob_has_a_limit(
    fake: FakeRegistry, registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pinnace_builder.registry._MOST_BLOB", 1000)
    fake.blobs[DIGEST] = BLOB

    with pytest.raises(ImageRegistryError, match="more than"):
        registry.blob(DIGEST)
    registry.download(DIGEST, tmp_path / "blob")


def test_compression_on_the_way_is_not_undone(fake: FakeRegistry, registry: Registry) -> None:
    fake.will("GET", "blobs", Answer(200, BLOB, {"Content-Encoding": "gzip"}))

    assert registry.blob(DIGEST) == BLOB
    assert fake.requests[0].headers["Accept-Encoding"] == "identity"


def test_an_upload_without_a_place_is_an_error(fake: FakeRegistry, registry: Registry) -> None:
    for headers in ({}, {"Location": "http://["}, {"Location": "http://:0/"}):
        fake.will("POST", "uploads", Answer(202, headers=headers))
        with pytest.raises(ImageRegistryError, match="does not say where"):
            registry.push_blob(DIGEST, BLOB)


@pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
def test_nothing_goes_out_unencrypted(fake: FakeRegistry, registry: Registry, scheme: str) -> None:
    place = {"Location": f"{scheme}://store.example/x"}
    fake.will("POST", "uploads", Answer(202, headers=place))
    fake.will("GET", "blobs", Answer(307, headers=place))

    with pytest.raises(ImageRegistryError, match="not encrypted"):
        registry.push_blob(DIGEST, BLOB)
    with pytest.raises(ImageRegistryError, match="not encrypted"):
        registry.blob(DIGEST)


def test_a_place_that_cannot_be_written_to_is_said(
    fake: FakeRegistry, registry: Registry, tmp_path: Path
) -> None:
    fake.blobs[DIGEST] = BLOB

    with pytest.raises(CannotWriteError):
        registry.download(DIGEST, tmp_path / "missing" / "blob")
