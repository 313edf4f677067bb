"""The client of image registries: what it fetches, pushes, lists and deletes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder.registry import Manifest, Registry
from pinnace_core.errors import (
    ImageRegistryError,
    PinnaceError,
    RegistryDeniedError,
    VerificationFailedError,
)
from tests.support.fake_registry import Answer, FakeRegistry, digest_of, error
from tests.support.registry_client import BLOB, DIGEST, INDEX, MANIFEST, OCI

if TYPE_CHECKING:
    from pathlib import Path


def test_a_manifest_is_given_as_it_is(fake: FakeRegistry, registry: Registry) -> None:
    digest = fake.store(MANIFEST, OCI, "1.0")

    for reference in ("1.0", digest):
        found = registry.manifest(reference)
        assert found == Manifest(MANIFEST, OCI)
        assert found.digest == digest
        assert found.document["schemaVersion"] == 2
        assert registry.digest(reference) == digest
    accepted = fake.seen("GET")[0].headers["Accept"]
    assert accepted.count("application/vnd.") == 4


def test_what_is_not_there_is_none(registry: Registry) -> None:
    assert registry.manifest("1.0") is None
    assert registry.manifest(DIGEST) is None
    assert registry.digest("1.0") is None
    assert registry.tags() == []
    assert not registry.has_blob(DIGEST)
    registry.delete(DIGEST)


def test_the_media_type_is_the_documents_own(fake: FakeRegistry, registry: Registry) -> None:
    fake.store(MANIFEST, "application/json", "stated")
    fake.store(b"{}", f"{INDEX}; charset=utf-8", "unstated")

    stated, unstated = registry.manifest("stated"), registry.manifest("unstated")

    assert stated
    assert unstated
    assert (stated.media_type, unstated.media_type) == (OCI, INDEX)


def test_a_digest_that_is_not_stated_is_computed(fake: FakeRegistry, registry: Registry) -> None:
    fake.store(MANIFEST, OCI, "1.0")
    fake.will("HEAD", "manifests", Answer(200))

    assert registry.digest("1.0") == digest_of(MANIFEST)


@pytest.mark.parametrize("size", [0, 1, len(BLOB)])
@pytest.mark.parametrize("as_file", [True, False])
def test_a_blob_goes_there_and_back(
    fake: FakeRegistry, registry: Registry, tmp_path: Path, size: int, *, as_file: bool
) -> None:
    data, file, back = BLOB[:size], tmp_path / "layer", tmp_path / "back"
    file.write_bytes(data)

    assert registry.push_blob(digest_of(data), file if as_file else data)
    registry.download(digest_of(data), back)

    assert fake.blobs == {digest_of(data): data}
    assert registry.has_blob(digest_of(data))
    assert registry.blob(digest_of(data)) == back.read_bytes() == data
    assert fake.seen("PUT")[0].headers["Content-Length"] == str(size)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "docker", "layer"]


def test_a_blob_is_pushed_once(fake: FakeRegistry, registry: Registry) -> None:
    assert registry.push_blob(DIGEST, BLOB)
    assert not registry.push_blob(DIGEST, BLOB)
    assert fake.uploads == 1


@pytest.mark.parametrize("answer_by", ["path", "address", "address without a query"])
def test_an_upload_goes_on_where_the_registry_says(
    fake: FakeRegistry, registry: Registry, answer_by: str
) -> None:
    place = "/v2/team/claude/blobs/uploads/0?_state=a%2Fb%3D%3D&more=1"
    place = place if answer_by == "path" else f"http://{fake.address}{place}"
    place = place.partition("?")[0] if "without" in answer_by else place
    fake.will("POST", "uploads", Answer(202, headers={"Location": place}))
    fake.will("PUT", "uploads", Answer(201))

    registry.push_blob(DIGEST, b"x")

    put = fake.seen("PUT")[0]
    assert put.query["digest"] == [DIGEST]
    assert "without" in answer_by or put.query["_state"] == ["a/b=="]


def test_a_manifest_is_pushed_as_it_is(fake: FakeRegistry, registry: Registry) -> None:
    odd = b'{ "schemaVersion":2,\n"x": "\xc3\xa4"}\n'

    assert registry.push_manifest(odd, INDEX, "1.0") == digest_of(odd)
    assert registry.push_manifest(odd, INDEX, digest_of(odd)) == digest_of(odd)
    assert fake.manifests["1.0"] == (odd, INDEX)


def test_a_manifest_goes_under_no_digest_but_its_own(registry: Registry) -> None:
    with pytest.raises(VerificationFailedError):
        registry.push_manifest(MANIFEST, OCI, DIGEST)


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_all_pages_of_tags_are_read(fake: FakeRegistry, registry: Registry, page: int) -> None:
    fake.page = page
    fake.store(MANIFEST, OCI, "b", "a", "c", "0", "B")

    assert registry.tags() == ["0", "B", "a", "b", "c"]


def test_half_a_list_of_tags_is_an_error(fake: FakeRegistry, registry: Registry) -> None:
    fake.page = 1
    fake.store(MANIFEST, OCI, "a", "b", "c")
    with_next = {"Link": '</v2/team/claude/tags/list?n=1&last=a>; rel="next"'}
    for second in (Answer(404), Answer(200, b"{}"), Answer(200, b'{"tags": []}', with_next)):
        fake.will("GET", "tags", Answer(200, b'{"tags": ["a"]}', with_next))
        fake.will("GET", "tags", second)
        fake.will("GET", "tags", Answer(200, b'{"tags": ["b"]}', with_next))
        with pytest.raises(PinnaceError):
            registry.tags()
        fake.requests.clear()
        while fake.told("GET", "tags"):
            pass


def test_a_manifest_is_deleted(fake: FakeRegistry, registry: Registry) -> None:
    digest = fake.store(MANIFEST, OCI, "1.0")

    registry.delete(digest)

    assert registry.tags() == []
    registry.delete(digest)


def test_a_registry_may_not_allow_deletion(fake: FakeRegistry, registry: Registry) -> None:
    fake.will("DELETE", "", Answer(405, error("UNSUPPORTED")))

    with pytest.raises(RegistryDeniedError, match="deleted") as caught:
        registry.delete(DIGEST)
    assert "allow it" in caught.value.hint


def test_threads_may_share_it(fake: FakeRegistry, registry: Registry) -> None:
    blobs = [b"%d" % number for number in range(20)]
    fake.wants = "token"

    with ThreadPoolExecutor(4) as pool:
        # The session of an upload is the last one, for this registry.
        assert (
            list(pool.map(lambda data: registry.has_blob(digest_of(data)), blobs)) == [False] * 20
        )


def test_a_blob_that_is_whole_is_not_sent_again_and_one_that_is_cut_is(
    fake: FakeRegistry, registry: Registry
) -> None:
    fake.blobs[DIGEST] = BLOB[:-1]
    assert registry.has_blob(DIGEST)
    assert not registry.has_blob(DIGEST, len(BLOB))

    assert registry.push_blob(DIGEST, BLOB)

    assert fake.blobs[DIGEST] == BLOB
    assert registry.has_blob(DIGEST, len(BLOB))


def test_a_blob_is_read_to_its_end(fake: FakeRegistry, registry: Registry) -> None:
    fake.blobs[DIGEST] = BLOB
    registry.verify_blob(DIGEST)

    fake.blobs[DIGEST] = BLOB[:-1] + b"?"
    with pytest.raises(VerificationFailedError, match="is expected"):
        registry.verify_blob(DIGEST)


def test_a_blob_that_is_only_said_to_be_there_is_not(
    fake: FakeRegistry, registry: Registry
) -> None:
    fake.will("HEAD", "blobs", Answer(200, length=len(BLOB)))
    assert registry.has_blob(DIGEST, len(BLOB))

    with pytest.raises(VerificationFailedError, match="lacks a blob") as caught:
        registry.verify_blob(DIGEST)
    assert "mend its storage" in caught.value.hint


_LISTED: Final = {"digest": DIGEST, "artifactType": "application/vnd.example"}
_INDEX_TYPE: Final = {"Content-Type": f"{INDEX}; charset=utf-8"}


def index(*entries: object) -> bytes:
    """Write a list of manifests."""
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


def test_referrers_are_listed_from_all_pages(fake: FakeRegistry, registry: Registry) -> None:
    more = {"Link": f'</v2/team/claude/referrers/{DIGEST}?page=2>; rel="next"'}
    other = {"digest": digest_of(b"other")}
    fake.will("GET", "referrers", Answer(200, index(_LISTED), {**_INDEX_TYPE, **more}))
    fake.will("GET", "referrers", Answer(200, index(other), _INDEX_TYPE))

    assert registry.referrers(DIGEST) == [_LISTED, other]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404),
        Answer(400),
        Answer(405),
        Answer(403),
        Answer(501),
        Answer(200, b"<html>", {"Content-Type": "text/html"}),
        Answer(303, headers={"Location": "/login"}),
    ],
    ids=lambda answer: str(answer.status),
)
def test_referrers_are_found_where_the_registry_cannot_list_them(
    fake: FakeRegistry, registry: Registry, answer: Answer
) -> None:
    fake.will("GET", "referrers", answer)
    assert registry.referrers(DIGEST) == []

    fake.store(index(_LISTED), INDEX, DIGEST.replace(":", "-"))
    fake.will("GET", "referrers", answer)
    assert registry.referrers(DIGEST) == [_LISTED]


@pytest.mark.parametrize("manifests", [None, {}, ["x"], "x"])
def test_a_list_of_referrers_that_is_none_is_an_error(
    fake: FakeRegistry, registry: Registry, manifests: object
) -> None:
    body = json.dumps({"manifests": manifests}).encode()
    fake.will("GET", "referrers", Answer(200, body, _INDEX_TYPE))

    with pytest.raises(ImageRegistryError):
        registry.referrers(DIGEST)
