"""Credentials that change, with processes: a stand-in for the login service, and key helpers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.agent import logins, places
from pinnace.gateway import changing, renewal
from pinnace_core.errors import KeyHelperError
from tests.support.login_service import login_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pinnace.agent.logins import Login
    from tests.support.login_service import LoginService

_RENEW: str = """
import sys
from pathlib import Path
from pinnace.agent import logins
from pinnace.gateway import renewal
renewal.renew(logins.of(Path(sys.argv[1])), Path(sys.argv[2]).read_bytes())
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginService]:
    with login_service(tmp_path / "service", "canary-renewing-0") as made:
        monkeypatch.setenv("HTTPS_PROXY", made.proxy)
        for name in ("https_proxy", "NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield made


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Login:
    """A login that has run out."""
    for kind in ("CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    made = logins.of(places.root() / "work")
    logins.replace(made, _made())
    return made


def _made() -> dict[str, Any]:
    return {
        "accessToken": "canary-access-0",
        "refreshToken": "canary-renewing-0",
        "expiresAt": int(time.time() * 1000) - 1000,
        "scopes": ["user:inference"],
        "subscriptionType": "max",
    }


def _now(login: Login) -> dict[str, Any]:
    found = logins.load(login)
    assert found is not None
    return found


def _renew(login: Login, service: LoginService) -> None:
    renewal.renew(login, service.certificate.read_bytes())


def test_what_is_asked_is_what_claude_code_asks(login: Login, service: LoginService) -> None:
    _renew(login, service)
    found = _now(login)

    assert service.bodies == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "canary-renewing-0",
            "client_id": "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
        }
    ]
    assert (found["accessToken"], found["refreshToken"]) == ("canary-access-1", service.good)
    assert found["subscriptionType"] == "max"
    assert 3500 < found["expiresAt"] / 1000 - time.time() < 3700


def test_many_at_once_ask_once(login: Login, service: LoginService) -> None:
    command = [sys.executable, "-c", _RENEW, str(login.config), str(service.certificate)]
    children = [subprocess.Popen(command) for _ in range(8)]

    assert [child.wait(60) for child in children] == [0] * 8
    assert len(service.bodies) == 1
    assert _now(login)["accessToken"] == "canary-access-1"


def test_each_next_token_renews_and_none_twice(login: Login, service: LoginService) -> None:
    for number in (1, 2, 3):
        _renew(login, service)
        assert _now(login)["accessToken"] == f"canary-access-{number}"
        logins.store(login, {**_now(login), "expiresAt": 0})

    assert len({body["refresh_token"] for body in service.bodies}) == 3


def test_who_is_refused_asks_no_more(login: Login, service: LoginService) -> None:
    service.good = "another"
    said: list[str] = []
    source = changing.Source(
        changing.Job(login=str(login.config)), service.certificate.read_bytes(), said.append
    )
    for _ in range(3):
        assert source.current() == changing.of_token("canary-access-0")

    assert len(service.bodies) == 1
    assert logins.is_refused(login, _now(login))
    assert said == ["the login service refuses to renew the login"]
    logins.replace(login, {**_made(), "refreshToken": "another"})
    assert source.current() == changing.of_token("canary-access-1")


@pytest.mark.parametrize("status", [429, 500, 503, 404, 403])
def test_after_a_failure_some_time_goes_by(
    login: Login, service: LoginService, clock: Callable[[float], None], status: int
) -> None:
    service.status = status
    said: list[str] = []
    source = changing.Source(
        changing.Job(login=str(login.config)), service.certificate.read_bytes(), said.append
    )
    for _ in range(3):
        source.current()
    assert len(service.bodies) == 1
    clock(16)
    source.current()
    assert len(service.bodies) == 2
    clock(31)
    service.status = 200

    assert source.current() == changing.of_token("canary-access-1")
    assert len(said) == 2
    assert "canary" not in "".join(said)


def test_a_service_that_nobody_vouches_for_sees_no_token(
    login: Login, service: LoginService
) -> None:
    with pytest.raises(OSError, match="certificate"):
        renewal.renew(login, b"")

    assert service.bodies == []
    assert _now(login)["accessToken"] == "canary-access-0"


def test_without_a_way_there_the_login_stays(
    login: Login, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    renewal.see_to(login, b"")

    assert "the login of profile work is not renewed" in capfd.readouterr().err
    assert _now(login)["refreshToken"] == "canary-renewing-0"


def test_a_source_tells_a_logout_and_a_new_login(login: Login) -> None:
    logins.store(login, {**_made(), "expiresAt": int(time.time() + 3600) * 1000})
    source = changing.Source(changing.Job(login=str(login.config)), b"", str)
    assert source.current() == changing.of_token("canary-access-0")
    logins.remove(login)
    assert source.current() == b""
    logins.replace(login, {**_made(), "accessToken": "x", "refreshToken": None})

    assert source.current() == changing.of_token("x")
    assert json.loads(login.file.read_text())["claudeAiOauth"]["accessToken"] == "x"


def test_a_helper_gives_a_key_and_nothing_else() -> None:
    job = changing.Job(helper="printf 'key-1\\n'")

    assert changing.content(job) == b"x-api-key key-1\nauthorization Bearer key-1\n"


@pytest.mark.parametrize(
    ("helper", "said"),
    [("exit 3", "ends with 3"), ("true", "prints no key"), ("echo two words", "prints no key")],
)
def test_a_helper_that_gives_no_key_is_an_error(helper: str, said: str) -> None:
    with pytest.raises(KeyHelperError, match=said):
        changing.asked(helper)


def test_a_helper_is_asked_again_after_its_time_and_pauses_if_it_fails(
    tmp_path: Path, clock: Callable[[float], None]
) -> None:
    said: list[str] = []
    key = tmp_path / "key"
    key.write_text("first")
    source = changing.Source(changing.Job(helper=f"cat '{key}'", ttl=300), b"", said.append)
    assert source.current() == changing.of_key("first")
    key.write_text("second")
    assert source.current() == changing.of_key("first")
    clock(301)
    assert source.current() == changing.of_key("second")
    key.unlink()
    clock(301)
    assert source.current() == changing.of_key("second")
    assert source.current() == changing.of_key("second")

    assert len(said) == 1
    assert "second" not in said[0]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time go by."""
    passed = [0.0]
    real = time.time

    def pass_(seconds: float) -> None:
        passed[0] += seconds

    monkeypatch.setattr(time, "time", lambda: real() + passed[0])
    return pass_
