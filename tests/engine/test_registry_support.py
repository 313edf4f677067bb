"""The registry and its faulty proxy, which other tests rely on, with the real engine."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import http.client
import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest

from tests.engine.conftest import docker
from tests.support.registry import FaultyProxy, RealRegistry
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

Push: TypeAlias = "Callable[[], subprocess.CompletedProcess[str]]"

_UPLOADS = "/v2/made/up/blobs/uploads/"


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(
    address: str,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask over HTTP; a body in pieces is sent chunked."""
    with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        chunked = not isinstance(body, bytes)
        connection.request(method, path, body, headers or {}, encode_chunked=chunked)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())


def is_blob(method: str, path: str) -> bool:
    """Choose the requests that bring a blob's content."""
    return method in {"PATCH", "PUT"} and "/blobs/uploads/" in path


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def proxy(registry: RealRegistry) -> Iterator[FaultyProxy]:
    with FaultyProxy(registry) as server:
        yield server


@pytest.fixture
def payload() -> bytes:
    return os.urandom(300_000)


@pytest.fixture
def push(tmp_path: Path, proxy: FaultyProxy, payload: bytes) -> Iterator[Push]:
    """Build a tiny image, and push it to the proxy."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "payload").write_bytes(payload)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY payload /\n", encoding="utf-8")
    name = f"{proxy.address}/tiny:1"
    output = ["--output", f"type=registry,name={name}"]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "buildx", "build", *output, str(context)],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    yield run
    subprocess.run(["docker", "image", "rm", "--force", name], check=False, capture_output=True)


def test_the_engine_pushes_and_pulls_through_the_proxy(
    push: Push, proxy: FaultyProxy, registry: RealRegistry, payload: bytes
) -> None:
    done = push()
    assert done.returncode == 0, done.stdout
    assert ("PUT", "/v2/tiny/manifests/1", 201) in proxy.log

    blobs = {digest: registry.blob_bytes(digest) for digest in registry.blob_digests()}
    assert all(digest_of(content) == digest for digest, content in blobs.items())
    layers = [gzip.decompress(blob) for blob in blobs.values() if blob.startswith(b"\x1f\x8b")]
    assert any(payload in layer for layer in layers)
    assert registry.size() > len(payload)

    name = f"{proxy.address}/tiny:1"
    docker("image", "rm", name)
    docker("pull", name)
    assert docker("image", "inspect", "--format", "{{.Id}}", name).startswith("sha256:")


def test_a_refusal_is_logged_and_the_engine_asks_again(
    push: Push, proxy: FaultyProxy, registry: RealRegistry
) -> None:
    proxy.fail(2, 429, lambda method, _: method == "POST", {"Retry-After": "1"})
    done = push()
    assert done.returncode == 0, done.stdout
    refused = [exchange for exchange in proxy.log if exchange[2] == 429]
    assert refused == [("POST", "/v2/tiny/blobs/uploads/", 429)] * 2
    assert registry.blob_digests()


def test_a_dropped_upload_is_logged_and_the_engine_begins_again(
    push: Push, proxy: FaultyProxy
) -> None:
    proxy.cut(1, 100_000, is_blob)
    done = push()
    assert done.returncode == 0, done.stdout
    (dropped,) = [exchange for exchange in proxy.log if exchange[2] == 0]
    assert is_blob(*dropped[:2])


def test_what_was_pushed_outlives_a_kill(
    push: Push, proxy: FaultyProxy, registry: RealRegistry
) -> None:
    killed: list[set[str]] = []

    def kill_once(method: str, path: str) -> None:
        if not killed and method == "PUT" and "/manifests/" in path:
            registry.kill()
            killed.append(registry.blob_digests())
            registry.start()

    proxy.on_request(kill_once)
    done = push()
    assert done.returncode == 0, done.stdout
    assert killed[0]
    assert killed[0] < registry.blob_digests()

    registry.kill()
    with pytest.raises(ConnectionError):
        ask(proxy.address, "GET", "/v2/tiny/manifests/1")
    assert proxy.log[-1] == ("GET", "/v2/tiny/manifests/1", 0)
    registry.start()
    wanted = {"Accept": "application/vnd.oci.image.index.v1+json"}
    found = ask(proxy.address, "GET", "/v2/tiny/manifests/1", headers=wanted)
    assert digest_of(found.body) in registry.blob_digests()


def test_bodies_and_ranges_pass_unchanged(tmp_path: Path, payload: bytes) -> None:
    user = {"Authorization": f"Basic {base64.b64encode(b'somebody:pass word').decode()}"}
    with (
        RealRegistry(tmp_path / "closed", password=("somebody", "pass word")) as registry,
        FaultyProxy(registry) as proxy,
    ):
        assert ask(proxy.address, "POST", _UPLOADS).status == 401

        opened = ask(proxy.address, "POST", _UPLOADS, headers=user)
        where = opened.headers["Location"]
        assert where.startswith(f"http://{proxy.address}/")
        pieces = [payload[:100_000], payload[100_000:200_000]]
        sent = ask(proxy.address, "PATCH", where.partition(proxy.address)[2], pieces, user)
        assert (sent.status, sent.headers["Range"]) == (202, "0-199999")
        where = sent.headers["Location"].partition(proxy.address)[2]
        closing = f"{where}&digest={digest_of(payload)}"
        assert ask(proxy.address, "PUT", closing, payload[200_000:], user).status == 201

        blob = f"/v2/made/up/blobs/{digest_of(payload)}"
        assert ask(proxy.address, "GET", blob, headers=user).body == payload
        part = ask(proxy.address, "GET", blob, headers={**user, "Range": "bytes=10-19"})
        assert (part.status, part.body) == (206, payload[10:20])
        head = ask(proxy.address, "HEAD", blob, headers=user)
        assert (head.headers["Content-Length"], head.body) == ("300000", b"")

        before = registry.size()
        registry.collect_garbage()
        assert registry.blob_digests() == set()
        assert registry.size() <= before - len(payload)


def test_a_cut_lets_so_many_bytes_through(
    proxy: FaultyProxy, registry: RealRegistry, payload: bytes
) -> None:
    def uploads() -> list[str]:
        opened = [ask(proxy.address, "POST", _UPLOADS).headers["Location"] for _ in range(2)]
        return [where.partition(proxy.address)[2] for where in opened]

    proxy.cut(1, 12_345, is_blob)
    first, second = uploads()
    assert ask(proxy.address, "PATCH", first, b"a short body is left alone").status == 202
    with pytest.raises(ConnectionError):
        ask(proxy.address, "PATCH", second, payload)
    assert proxy.log[-1] == ("PATCH", second, 0)
    wait_until(
        lambda: any(path.stat().st_size == 12_345 for path in registry.storage.rglob("data")),
        "the registry never got its part",
    )
    # The one that was cut cannot be resumed, as this registry is; nothing else is cut.
    first, _ = uploads()
    assert ask(proxy.address, "PATCH", first, payload).status == 202


def test_an_error_in_a_hook_fails_the_test(registry: RealRegistry) -> None:
    def expect(_: str, path: str) -> None:
        assert path == "/v2/"

    def ask_both() -> None:
        with FaultyProxy(registry) as proxy:
            proxy.on_request(expect)
            assert ask(proxy.address, "GET", "/v2/").status == 200
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                ask(proxy.address, "GET", "/v2/elsewhere")

    with pytest.raises(AssertionError, match="/v2/elsewhere"):
        ask_both()


def test_a_missing_program_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="scripts/engine up"):
        RealRegistry(tmp_path)
