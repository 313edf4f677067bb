"""The client of image registries, against a real one."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder.registry import Manifest, Registry, RetryPolicy
from pinnace_core.errors import RegistryDeniedError, VerificationFailedError
from tests.support.fake_registry import basic, digest_of
from tests.support.registry import FaultyProxy, RealRegistry

if TYPE_CHECKING:
    from pathlib import Path

_OCI: Final = "application/vnd.oci.image.{}.v1+{}"
_MANIFEST: Final = _OCI.format("manifest", "json")
_INDEX: Final = _OCI.format("index", "json")
_QUICK: Final = RetryPolicy(first_seconds=0.01, most_seconds=0.05, most_asked_seconds=0.05)
_CONFIG: Final = json.dumps({"architecture": "amd64", "os": "linux"}).encode()
_LAYER: Final = os.urandom(5 << 20)
_SESSIONS: Final = "/blobs/uploads/"


@pytest.fixture(autouse=True)
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The docker client's own file, absent at first."""
    (tmp_path / "docker").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "docker" / "config.json"


def _client(server: RealRegistry | FaultyProxy) -> Registry:
    return Registry(f"{server.address}/team/claude", policy=_QUICK)


def _describe(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def _manifest() -> bytes:
    layers = [_describe(_LAYER, _OCI.format("layer", "tar"))]
    config = _describe(_CONFIG, _OCI.format("config", "json"))
    return _document(_MANIFEST, config=config, layers=layers)


def _index(*manifests: bytes) -> bytes:
    return _document(_INDEX, manifests=[_describe(data, _MANIFEST) for data in manifests])


def _document(media_type: str, **content: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": media_type, **content}).encode()


def _push(client: Registry, layer: Path) -> str:
    """Publish an image under an index; return the index's digest."""
    layer.write_bytes(_LAYER)
    client.push_blob(digest_of(_CONFIG), _CONFIG)
    client.push_blob(digest_of(_LAYER), layer)
    manifest = _manifest()
    client.push_manifest(manifest, _MANIFEST, digest_of(manifest))
    return client.push_manifest(_index(manifest), _INDEX, "1.0")


def test_an_image_goes_there_and_back(registry: RealRegistry, tmp_path: Path) -> None:
    client, back = _client(registry), tmp_path / "back"

    digest = _push(client, tmp_path / "layer")

    assert digest == client.digest("1.0") == digest_of(_index(_manifest()))
    assert (
        client.manifest("1.0") == client.manifest(digest) == Manifest(_index(_manifest()), _INDEX)
    )
    assert client.manifest(digest_of(_manifest())) == Manifest(_manifest(), _MANIFEST)
    assert client.blob(digest_of(_CONFIG)) == _CONFIG
    client.download(digest_of(_LAYER), back)
    assert back.read_bytes() == _LAYER


def test_to_push_again_changes_nothing(registry: RealRegistry, tmp_path: Path) -> None:
    with FaultyProxy(registry) as proxy:
        first = _push(_client(proxy), tmp_path / "layer")
        stored = registry.blob_digests(), registry.size()
        proxy.log.clear()

        assert _push(_client(proxy), tmp_path / "layer") == first

        assert (registry.blob_digests(), registry.size()) == stored
        assert [method for method, _, _ in proxy.log if method == "POST"] == []


def test_what_is_not_there_is_none(registry: RealRegistry) -> None:
    client = _client(registry)

    assert client.tags() == []
    assert client.manifest("1.0") is None
    assert client.digest(digest_of(b"")) is None
    assert not client.has_blob(digest_of(b""))
    client.delete(digest_of(b""))


def test_tags_are_listed_until_their_manifest_is_deleted(
    registry: RealRegistry, tmp_path: Path
) -> None:
    client = _client(registry)
    digest = _push(client, tmp_path / "layer")
    client.push_manifest(_manifest(), _MANIFEST, "amd64")
    client.push_manifest(_index(_manifest()), _INDEX, "latest")
    assert client.tags() == ["1.0", "amd64", "latest"]

    client.delete(digest)

    assert client.tags() == ["amd64"]
    assert client.manifest(digest) is None
    client.delete(digest)


def test_an_empty_blob_is_a_blob(registry: RealRegistry, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    assert _client(registry).push_blob(digest_of(b""), tmp_path / "empty")
    assert _client(registry).blob(digest_of(b"")) == b""


def test_a_wrong_digest_is_refused(registry: RealRegistry) -> None:
    with pytest.raises(VerificationFailedError):
        _client(registry).push_blob(digest_of(b"x"), b"y")


def test_a_manifest_of_what_is_not_there_is_refused(registry: RealRegistry) -> None:
    with pytest.raises(RegistryDeniedError, match="BLOB_UNKNOWN"):
        _client(registry).push_manifest(_manifest(), _MANIFEST, "1.0")


def test_an_upload_that_breaks_off_begins_again(registry: RealRegistry, tmp_path: Path) -> None:
    with FaultyProxy(registry) as proxy:
        proxy.cut(2, 1 << 20, lambda method, path: method == "PUT" and _SESSIONS in path)
        proxy.fail(1, 429, lambda method, _: method == "POST", {"Retry-After": "1"})

        _push(_client(proxy), tmp_path / "layer")

        sessions = [
            path for method, path, status in proxy.log if method == "POST" and status == 202
        ]
    assert len(sessions) == 4
    assert _client(registry).has_blob(digest_of(_LAYER))


def test_a_registry_that_comes_back_is_waited_for(registry: RealRegistry, tmp_path: Path) -> None:
    attempts = 0

    def restart(_method: str, _path: str) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            registry.start()

    digest = _push(_client(registry), tmp_path / "layer")
    with FaultyProxy(registry) as proxy:
        proxy.on_request(restart)
        registry.stop()

        assert _client(proxy).digest("1.0") == digest
    assert attempts == 3


def test_a_login_is_needed_where_one_is_wanted(tmp_path: Path, docker_config: Path) -> None:
    with RealRegistry(tmp_path / "closed", password=("me", "password")) as closed:
        with pytest.raises(RegistryDeniedError) as caught:
            _client(closed).tags()
        assert f"docker login {closed.address}" in caught.value.hint

        login = basic("me", "password").removeprefix("Basic ")
        docker_config.write_text(json.dumps({"auths": {closed.address: {"auth": login}}}))
        _push(_client(closed), tmp_path / "layer")
        assert _client(closed).tags() == ["1.0"]

        login = basic("me", "else").removeprefix("Basic ")
        docker_config.write_text(json.dumps({"auths": {closed.address: {"auth": login}}}))
        with pytest.raises(RegistryDeniedError):
            _client(closed).tags()
