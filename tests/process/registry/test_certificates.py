"""The client of image registries: whom it trusts."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from pinnace_builder.registry import session
from pinnace_core.errors import ImageRegistryError
from tests.support.fake_registry import FakeRegistry
from tests.support.registry_client import BLOB, DIGEST, client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    """A registry with a certificate of its own, under a name that is not this machine's."""
    key, certificate, both = (tmp_path / name for name in ("key", "ca.crt", "pem"))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "1", "-subj", "/CN=test"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", "subjectAltName=DNS:registry.example"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: real(
            "127.0.0.1" if host == "registry.example" else host, *rest, **more
        ),
    )
    with FakeRegistry(certificate=both) as running:
        running.address = f"registry.example:{running.port}"
        yield running


def test_a_certificate_must_be_trusted(encrypted: FakeRegistry) -> None:
    with pytest.raises(ImageRegistryError, match="not trusted") as caught:
        client(encrypted).tags()
    assert "certs.d" in caught.value.hint
    assert encrypted.requests == []


@pytest.mark.parametrize("how", ["as the engine", "by the environment"])
def test_an_authority_of_ones_own_is_trusted(
    encrypted: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "as the engine":
        place = tmp_path / "certs.d" / encrypted.address
        place.mkdir(parents=True)
        (tmp_path / "ca.crt").rename(place / "ca.crt")
        monkeypatch.setattr(session, "CERTIFICATES", tmp_path / "certs.d")
    else:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.crt"))

    assert client(encrypted).push_blob(DIGEST, BLOB)
    assert encrypted.blobs == {DIGEST: BLOB}


def test_a_certificate_that_is_none_is_said(
    encrypted: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "certs.d" / encrypted.address
    place.mkdir(parents=True)
    (place / "ca.crt").write_text("garbage")
    monkeypatch.setattr(session, "CERTIFICATES", tmp_path / "certs.d")

    with pytest.raises(ImageRegistryError, match=r"ca\.crt"):
        client(encrypted)
