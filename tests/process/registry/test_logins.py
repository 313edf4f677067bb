"""The client of image registries: how it says who it is."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_core.errors import ImageRegistryError, RegistryDeniedError
from tests.support.fake_registry import Answer, FakeRegistry, basic, digest_of, error
from tests.support.registry_client import (
    BLOB,
    BUSY,
    DIGEST,
    MANIFEST,
    OCI,
    client,
    log_in,
    password_entry,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_builder.registry import Registry


def test_without_a_login_it_is_said_how_to_log_in(fake: FakeRegistry, registry: Registry) -> None:
    fake.wants = "basic"

    for use in (registry.tags, lambda: registry.digest("1.0")):
        with pytest.raises(RegistryDeniedError) as caught:
            use()
        assert f"docker login {fake.address}" in caught.value.hint
    assert len(fake.requests) == 2


def test_a_basic_login_is_used(fake: FakeRegistry, registry: Registry, docker_config: Path) -> None:
    fake.wants, fake.users = "basic", {"me": "pass:wörd"}
    log_in(docker_config, fake, **password_entry("me", "pass:wörd"))

    assert registry.push_blob(DIGEST, BLOB)
    assert registry.tags() == []
    assert [request.authorization == "" for request in fake.requests].count(True) == 1


@pytest.mark.parametrize(
    "entry",
    [
        {"username": "me", "password": "pass"},
        password_entry("me", "pass\0"),
        password_entry("me", "pass\0\0\0"),
    ],
    ids=["plain", "padded", "padded more"],
)
def test_a_login_is_read_as_the_docker_client_reads_it(
    fake: FakeRegistry, registry: Registry, docker_config: Path, entry: dict[str, str]
) -> None:
    fake.wants, fake.users = "basic", {"me": "pass"}
    log_in(docker_config, fake, **entry)

    assert registry.tags() == []


@pytest.mark.parametrize("wants", ["basic", "token"])
def test_a_wrong_password_is_not_tried_again_and_not_shown(
    fake: FakeRegistry, registry: Registry, docker_config: Path, wants: str
) -> None:
    fake.wants, fake.users = wants, {"me": "right"}
    log_in(docker_config, fake, **password_entry("me", "hunter2"))

    with pytest.raises(RegistryDeniedError) as caught:
        registry.tags()
    assert "401" in caught.value.message
    assert not {"hunter2", password_entry("me", "hunter2")["auth"]} & set(
        caught.value.message.split()
    )
    assert len(fake.requests) == 2


def test_a_login_that_does_not_reach_far_enough_is_said(
    fake: FakeRegistry, registry: Registry
) -> None:
    fake.will("PUT", "manifests", Answer(403, error("DENIED", "requested access is denied")))

    with pytest.raises(RegistryDeniedError, match=r"403 \(DENIED: requested access is denied\)"):
        registry.push_manifest(MANIFEST, OCI, "1.0")
    assert len(fake.requests) == 1


@pytest.mark.parametrize("user", ["", "me"])
def test_tokens_are_fetched_once_a_scope(
    fake: FakeRegistry, registry: Registry, docker_config: Path, user: str
) -> None:
    fake.wants, fake.users = "token", {user: "password"}
    if user:
        log_in(docker_config, fake, **password_entry(user, "password"))

    assert registry.push_blob(DIGEST, BLOB)
    assert not registry.push_blob(DIGEST, BLOB)
    digest = registry.push_manifest(MANIFEST, OCI, "1.0")
    assert registry.manifest("1.0")
    registry.delete(digest)

    asked = fake.seen("GET", "/token")
    assert [request.query["scope"] for request in asked] == [
        [f"repository:team/claude:{actions}"] for actions in ("pull", "pull,push", "delete")
    ]
    assert {request.query["service"][0] for request in asked} == {"the registry"}
    assert {request.authorization for request in asked} == {basic(user, "password") if user else ""}
    logins = {r.authorization for r in fake.requests if r.path != "/token"}
    assert logins == {"", "Bearer token-0", "Bearer token-1", "Bearer token-2"}


def test_a_token_that_has_expired_is_renewed(fake: FakeRegistry, registry: Registry) -> None:
    fake.wants = "token"
    registry.push_blob(DIGEST, BLOB)
    fake.tokens = {"x": "", "y": "", "z": ""}

    assert registry.push_blob(digest_of(b"x"), b"x")
    assert len(fake.seen("GET", "/token")) == 4


def test_an_upload_goes_on_with_a_renewed_token(
    fake: FakeRegistry, registry: Registry, tmp_path: Path
) -> None:
    source = tmp_path / "layer"
    source.write_bytes(BLOB)
    fake.wants = "token"
    challenge = 'bearer Realm="/token",scope="repository:team/claude:pull,push"'
    fake.will("PUT", "uploads", Answer(401, headers={"WWW-Authenticate": challenge}))

    assert registry.push_blob(DIGEST, source)
    assert fake.blobs == {DIGEST: BLOB}
    assert fake.uploads == 1


def test_what_the_registry_calls_the_repository_is_asked_for_too(
    fake: FakeRegistry, registry: Registry
) -> None:
    fake.wants = "token"
    fake.challenge = (
        f'Basic realm="here, or there", Bearer realm="http://{fake.address}/token",'
        'scope="repository:other/name:pull registry:catalog:*"'
    )

    registry.tags()

    assert fake.seen("GET", "/token")[0].query["scope"] == [
        "repository:other/name:pull",
        "registry:catalog:*",
        "repository:team/claude:pull",
    ]


def test_an_identity_token_is_exchanged(
    fake: FakeRegistry, registry: Registry, docker_config: Path
) -> None:
    fake.wants, fake.users = "token", {"": "my-passport"}
    log_in(docker_config, fake, identitytoken="my-passport", **password_entry("0", ""))

    assert registry.push_blob(DIGEST, BLOB)
    assert len(fake.seen("POST", "/token")) == 2
    assert all("my-passport" not in str(r.query) + str(r.headers) for r in fake.requests)


def test_a_token_server_that_is_busy_is_asked_again(fake: FakeRegistry, registry: Registry) -> None:
    fake.wants = "token"
    fake.will("GET", "/token", BUSY)
    fake.will("GET", "/token", Answer(200, b'{"token": "x', length=100))

    assert registry.tags() == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"{}"),
        Answer(200, b'{"token": null}'),
        Answer(200, b'{"token": "line\\nbreak"}'),
        Answer(200, b"<html>"),
        Answer(307, headers={"Location": "/other"}),
        Answer(404),
    ],
)
def test_a_token_server_may_be_none(fake: FakeRegistry, registry: Registry, answer: Answer) -> None:
    fake.wants = "token"
    fake.will("GET", "/token", answer)

    with pytest.raises((ImageRegistryError, RegistryDeniedError)):
        registry.tags()
    assert len(fake.requests) <= 3


@pytest.mark.parametrize(
    "challenge",
    ["", "Negotiate", "Bearer", 'Bearer realm=""', 'Bearer realm="http://tokens.example/"', "Bear"],
)
def test_a_challenge_may_be_nonsense(
    fake: FakeRegistry, registry: Registry, docker_config: Path, challenge: str
) -> None:
    log_in(docker_config, fake, **password_entry("me", "password"))
    fake.will("GET", "tags", Answer(401, headers={"WWW-Authenticate": challenge}), count=9)

    with pytest.raises(ImageRegistryError):
        registry.tags()
    assert len(fake.requests) == 1


_HELPER: Final = """#!{python}
import json, sys
server = sys.stdin.read()
print(json.dumps({{"ServerURL": server, "Username": "{user}", "Secret": "password"}}))
sys.exit({code})
"""


def _install_helper(
    place: Path, monkeypatch: pytest.MonkeyPatch, *, user: str = "me", code: int = 0
) -> None:
    program = place / "docker-credential-fake"
    program.write_text(_HELPER.format(python=sys.executable, user=user, code=code))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(place))


@pytest.mark.parametrize("setting", ["credsStore", "credHelpers"])
@pytest.mark.parametrize("user", ["me", "<token>"])
def test_helpers_of_the_docker_client_are_asked(  # noqa: PLR0913, PLR0917 (fixtures)
    fake: FakeRegistry,
    registry: Registry,
    docker_config: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    user: str,
) -> None:
    _install_helper(docker_config.parent, monkeypatch, user=user)
    helper = "fake" if setting == "credsStore" else {fake.address: "fake"}
    docker_config.write_text(json.dumps({setting: helper}))
    fake.wants, fake.users = "token", {"" if user == "<token>" else user: "password"}

    registry.tags()

    method = "POST" if user == "<token>" else "GET"
    assert len(fake.seen(method, "/token")) == 1


@pytest.mark.parametrize(
    "config",
    [
        {"credsStore": "missing"},
        {"credsStore": "fake"},
        {"auths": ["x"]},
        {"auths": {"x": 1}},
        {"auths": {"HOST": {"auth": ""}}},
        {"auths": {"HOST": {"auth": "bm8gY29sb24="}}},
        {"auths": {"HOST": {"auth": "ä"}}},
    ],
)
def test_credentials_that_cannot_be_read_are_said(
    fake: FakeRegistry,
    registry: Registry,
    docker_config: Path,
    monkeypatch: pytest.MonkeyPatch,
    config: object,
) -> None:
    _install_helper(docker_config.parent, monkeypatch, code=1)
    docker_config.write_text(json.dumps(config).replace("HOST", fake.address))
    fake.wants = "token"

    with pytest.raises(RegistryDeniedError, match="cannot be read") as caught:
        registry.tags()
    assert f"docker login {fake.address}" in caught.value.hint
    assert "password" not in caught.value.message


@pytest.mark.parametrize("text", ["", "{}", "garbage", '{"auths": {}}', '{"currentContext": "x"}'])
def test_a_config_without_credentials_is_none(
    fake: FakeRegistry, registry: Registry, docker_config: Path, text: str
) -> None:
    docker_config.write_text(text)
    fake.wants = "token"

    assert registry.tags() == []


def test_another_directorys_credentials_are_not_used(
    fake: FakeRegistry, registry: Registry, docker_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = docker_config.parent / "home"
    (home / ".docker").mkdir(parents=True)
    log_in(home / ".docker" / "config.json", fake, **password_entry("me", "password"))
    monkeypatch.setenv("HOME", str(home))
    fake.wants, fake.users = "token", {"me": "password"}

    registry.tags()
    assert fake.seen("GET", "/token")[0].authorization == ""

    monkeypatch.delenv("DOCKER_CONFIG")
    client(fake).tags()
    assert fake.seen("GET", "/token")[1].authorization == basic("me", "password")
