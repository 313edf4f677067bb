"""The client of image registries: nobody else learns who we are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace_core.errors import ImageRegistryError, PinnaceError
from tests.support.fake_registry import Answer, FakeRegistry, basic
from tests.support.registry_client import BLOB, DIGEST, client

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_builder.registry import Registry


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_store_that_a_blob_is_redirected_to_gets_no_login(
    logged_in: FakeRegistry, other: FakeRegistry, tmp_path: Path, status: int
) -> None:
    registry = client(logged_in)
    assert registry.tags() == []
    place = f"http://{other.address}/v2/x/blobs/{DIGEST}?signature=s%2Fs"
    logged_in.will("GET", "blobs", Answer(status, headers={"Location": place}), count=2)
    logged_in.will("HEAD", "blobs", Answer(status, headers={"Location": place}))
    other.blobs[DIGEST] = BLOB

    registry.download(DIGEST, tmp_path / "blob")
    assert registry.blob(DIGEST) == BLOB
    assert registry.has_blob(DIGEST)

    assert all("Authorization" not in request.headers for request in other.requests)
    assert {request.query["signature"][0] for request in other.requests} == {"s/s"}
    assert logged_in.seen("GET", "blobs")[0].authorization == basic("me", "password")


def test_netrc_is_not_used(
    fake: FakeRegistry,
    other: FakeRegistry,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    place = f"http://{other.address}/v2/x/blobs/{DIGEST}"
    fake.will("GET", "blobs", Answer(307, headers={"Location": place}))
    other.blobs[DIGEST] = BLOB

    assert registry.blob(DIGEST) == BLOB
    assert all(not request.authorization for request in fake.requests + other.requests)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_store_that_refuses_gets_no_login_either(
    logged_in: FakeRegistry, other: FakeRegistry, status: int
) -> None:
    place = f"http://{other.address}/v2/x/blobs/{DIGEST}?signature=secret"
    logged_in.will("GET", "blobs", Answer(307, headers={"Location": place}))
    challenge = f'Bearer realm="http://{other.address}/token"'
    refusal = Answer(status, b"<Error>", {"WWW-Authenticate": challenge})
    other.will("GET", "blobs", refusal)

    with pytest.raises(ImageRegistryError) as caught:
        client(logged_in).blob(DIGEST)
    assert f"{other.address} answers {status}" in caught.value.message
    assert "secret" not in caught.value.message
    assert [request.authorization for request in other.requests] == [""]


def test_an_upload_elsewhere_gets_no_login(logged_in: FakeRegistry, other: FakeRegistry) -> None:
    place = {"Location": f"http://{other.address}/v2/x/blobs/uploads/1?token=t"}
    registry = client(logged_in)
    registry.tags()
    logged_in.will("POST", "uploads", Answer(202, headers=place))
    other.will("PUT", "uploads", Answer(201))

    assert registry.push_blob(DIGEST, BLOB)
    assert other.requests[0].query == {"token": ["t"], "digest": [DIGEST]}
    assert other.requests[0].body == BLOB
    assert other.requests[0].authorization == ""


def test_an_address_that_can_be_read_in_two_ways_gets_no_login(
    logged_in: FakeRegistry, other: FakeRegistry
) -> None:
    registry = client(logged_in)
    registry.tags()
    place = f"http://{other.address}\\@{logged_in.address}/v2/x/blobs/{DIGEST}"
    logged_in.will("GET", "blobs", Answer(307, headers={"Location": place}))

    with pytest.raises(PinnaceError):
        registry.blob(DIGEST)
    assert all(not request.authorization for request in other.requests)


def test_cookies_go_nowhere(fake: FakeRegistry, registry: Registry) -> None:
    fake.will("GET", "tags", Answer(200, b'{"tags": []}', {"Set-Cookie": "a=b; Path=/"}))

    registry.tags()
    registry.tags()

    assert all("Cookie" not in request.headers for request in fake.requests)


@pytest.mark.parametrize("place", ["", "http://[", "http://[zz]/", "http://:0/", "http://a:b/"])
def test_a_redirect_to_nowhere_is_an_error(
    fake: FakeRegistry, registry: Registry, place: str
) -> None:
    fake.will("GET", "blobs", Answer(307, headers={"Location": place}))

    with pytest.raises(ImageRegistryError):
        registry.blob(DIGEST)
    assert len(fake.requests) == 1


def test_redirects_in_a_circle_end(fake: FakeRegistry, registry: Registry) -> None:
    place = {"Location": f"/v2/team/claude/blobs/{DIGEST}"}
    fake.will("GET", "blobs", Answer(307, headers=place), count=100)

    with pytest.raises(ImageRegistryError, match="circles"):
        registry.blob(DIGEST)
    assert len(fake.requests) < 10


def test_this_machine_is_not_reached_through_a_proxy(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert registry.tags() == []
