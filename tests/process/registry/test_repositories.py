"""The client of image registries: what it is asked for, and the packages that it needs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pinnace_builder.registry import Manifest, Registry
from pinnace_core.errors import ClientMissingError, UsageError
from pinnace_images.refs import RepositoryName
from tests.support.registry_client import OCI, client

if TYPE_CHECKING:
    from tests.support.fake_registry import FakeRegistry


@pytest.mark.parametrize(
    ("text", "host", "name", "origin"),
    [
        ("ghcr.io/me/claude", "ghcr.io", "me/claude", "https://ghcr.io"),
        ("me/claude", "docker.io", "me/claude", "https://registry-1.docker.io"),
        ("claude", "docker.io", "library/claude", "https://registry-1.docker.io"),
        ("docker.io/claude", "docker.io", "library/claude", "https://registry-1.docker.io"),
        ("index.docker.io/me/x", "docker.io", "me/x", "https://registry-1.docker.io"),
        ("localhost/x", "localhost", "x", "http://localhost"),
        ("127.9.9.9:5000/x/y", "127.9.9.9:5000", "x/y", "http://127.9.9.9:5000"),
        ("[::1]:5000/x", "[::1]:5000", "x", "http://[::1]:5000"),
        ("192.168.1.1:5000/x", "192.168.1.1:5000", "x", "https://192.168.1.1:5000"),
        ("a.b-c.example:8443/x__y/z.z-z", "a.b-c.example:8443", "x__y/z.z-z", None),
    ],
)
def test_a_repository_is_understood(text: str, host: str, name: str, origin: str | None) -> None:
    place = RepositoryName.parse(text)

    assert (place.host, place.name) == (host, name)
    assert place.origin == (origin or f"https://{host}")
    assert str(place) == f"{host}/{name}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "claude:latest",
        "ghcr.io/me/claude:1",
        "ghcr.io/me/claude@sha256:" + "0" * 64,
        "ghcr.io/Me/claude",
        "GHCR.io/me/claude",
        "https://ghcr.io/me/claude",
        "ghcr.io/",
        "ghcr.io/../x",
        "ghcr.io/x?y",
        "ghcr.io/x\n",
        "ghcr..io/x",
        "ghcr.io:99999/x",
        "ghcr.io:0/x",
        "[1:2]:5000/x",
        "me//claude",
        "x" * 256,
    ],
)
def test_what_is_no_repository_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Registry(text)
    assert caught.value.hint


def test_a_password_in_a_repository_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        Registry("me:secret@ghcr.io/claude")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("reference", ["", "a/b", "../x", "sha256:0", ".x", "a?b", "x" * 129])
def test_what_is_no_reference_is_not_asked_for(fake: FakeRegistry, reference: str) -> None:
    for ask in (client(fake).manifest, client(fake).digest):
        with pytest.raises(UsageError):
            ask(reference)
    for use in (client(fake).blob, client(fake).has_blob, client(fake).delete):
        with pytest.raises(UsageError):
            use(reference or "latest")
    assert fake.requests == []


@pytest.mark.parametrize("name", ["requests", "docker", "tenacity"])
def test_packages_that_are_missing_are_named(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ours = [module for module in sys.modules if module.startswith("pinnace_builder.registry.")]
    for module in ours:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(ClientMissingError, match=f"'{name}") as caught:
        Registry(f"{fake.address}/x")
    assert caught.value.hint == "pip install 'pinnace[publish]'"


def test_it_can_be_imported_without_them() -> None:
    code = (
        "import sys, pinnace_builder.registry;"
        "sys.exit(bool({'requests', 'docker', 'tenacity'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_digest_is_the_hash_of_the_bytes() -> None:
    manifest = Manifest(b"x", OCI)

    assert manifest.digest == f"sha256:{hashlib.sha256(b'x').hexdigest()}"
