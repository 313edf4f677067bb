"""Logins outside of profiles: what counts, what an agent can do, and when one is renewed."""

from __future__ import annotations

import json
import os
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.agent import PLACEHOLDER, logins, places
from pinnace.gateway import changing, renewal
from pinnace_core.errors import CannotWriteError

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.agent.logins import Login


def _made(
    token: str = "real",  # noqa: S107 (a test's)
    renewing: str | None = "renews",
    left: float = 3600,
) -> dict[str, Any]:
    return {
        "accessToken": token,
        "refreshToken": renewing,
        "expiresAt": int((time.time() + left) * 1000),
        "scopes": ["user:inference"],
        "subscriptionType": "max",
    }


def _put(path: Path, login: object, **others: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"claudeAiOauth": login, **others}))


def _inside(login: Login) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((login.config / logins.FILE).read_text())
    return found


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Login:
    for kind in ("CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    config = places.projects_root() / "demo" / "work"
    config.mkdir(parents=True)
    return logins.of(places.root() / "work")._replace(config=config)


def test_a_login_that_was_there_for_all_projects_is_kept_outside(login: Login) -> None:
    _put(login.shared / logins.FILE, _made(), mcpOAuth={"server": "its own"})
    note = logins.take_out(login)
    shown = _inside(login)
    left = json.loads((login.shared / logins.FILE).read_text())

    assert "pinnace auth logout --profile work" in note
    assert logins.load(login) is not None
    assert stat.S_IMODE(login.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(login.file.parent.stat().st_mode) == 0o700
    assert shown["claudeAiOauth"]["accessToken"] == PLACEHOLDER
    assert shown["claudeAiOauth"]["refreshToken"] is None
    assert shown["claudeAiOauth"]["subscriptionType"] == "max"
    assert left == {**shown, "mcpOAuth": {"server": "its own"}}
    assert logins.is_settled(login)
    assert logins.take_out(login) == ""


def test_a_login_that_is_made_in_a_project_is_nobodys(login: Login) -> None:
    _put(login.config / logins.FILE, _made("strangers"), mcpOAuth={"server": "its own"})
    note = logins.take_out(login)

    assert "does not count" in note
    assert logins.load(login) is None
    assert _inside(login) == {"mcpOAuth": {"server": "its own"}}
    assert logins.take_out(login) == ""


def test_whose_login_it_is_is_kept_beside_it(login: Login) -> None:
    logins.remember_account(login, {"emailAddress": "nobody@example.com"})
    before = logins.account(login)
    logins.replace(login, _made())

    assert before == {}, "there is no login"
    assert logins.account(login) == {"emailAddress": "nobody@example.com"}


def test_a_strangers_login_inside_does_not_replace_the_users(login: Login) -> None:
    _put(login.file, _made())
    _put(login.config / logins.FILE, _made("strangers"))
    note = logins.take_out(login)

    assert "does not count" in note
    assert (logins.load(login) or {})["accessToken"] == "real"
    assert "strangers" not in json.dumps(_inside(login))


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"null",
        b"[]",
        b'{"claudeAiOauth": 1}',
        b'{"claudeAiOauth": {"accessToken": 1}}',
        b'{"claudeAiOauth": {"accessToken": "two\\nlines"}}',
        b'{"claudeAiOauth": {"accessToken": "two words"}}',
        b'{"claudeAiOauth": {"accessToken": "x", "refreshToken": ["x"]}}',
        b'{"claudeAiOauth": {"accessToken": "x", "expiresAt": "soon"}}',
        b'{"claudeAiOauth": {"accessToken": "pinnace-placeholder-the-key-is-outside"}}',
        b"\xff\xfe",
    ],
)
def test_rubbish_inside_is_no_login_and_is_put_right(login: Login, rubbish: bytes) -> None:
    path = login.config / logins.FILE
    path.write_bytes(rubbish)

    assert logins.take_out(login) == ""
    assert logins.load(login) is None
    _put(login.file, _made())
    path.write_bytes(rubbish)
    assert logins.take_out(login) == ""
    assert _inside(login)["claudeAiOauth"]["accessToken"] == PLACEHOLDER


@pytest.mark.parametrize("there", [True, False])
def test_a_link_inside_is_replaced_and_never_followed(
    login: Login, tmp_path: Path, *, there: bool
) -> None:
    target = tmp_path / "of the host"
    if there:
        _put(target, _made("of the host"))
    before = target.read_bytes() if there else None
    (login.config / logins.FILE).symlink_to(target)
    _put(login.file, _made())
    logins.take_out(login)

    assert (target.read_bytes() if target.exists() else None) == before
    assert not (login.config / logins.FILE).is_symlink()
    assert (logins.load(login) or {})["accessToken"] == "real"


def test_a_link_is_no_login_either_where_there_is_none(login: Login, tmp_path: Path) -> None:
    _put(tmp_path / "of the host", _made("of the host"))
    (login.config / logins.FILE).symlink_to(tmp_path / "of the host")
    logins.take_out(login)

    assert logins.load(login) is None
    assert (tmp_path / "of the host").exists()


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_is_no_file_harms_nothing(login: Login, kind: str) -> None:
    path = login.config / logins.FILE
    _put(login.file, _made())
    if kind == "pipe":
        os.mkfifo(path)
        logins.take_out(login)
        assert _inside(login)["claudeAiOauth"]["accessToken"] == PLACEHOLDER
    else:
        path.mkdir()
        with pytest.raises(CannotWriteError):
            logins.take_out(login)
    assert (logins.load(login) or {})["accessToken"] == "real"


def test_what_is_cut_off_half_way_loses_nothing(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(login.shared / logins.FILE, _made())

    def fail(*_: object) -> None:
        raise CannotWriteError("the disk is full", hint="")

    with monkeypatch.context() as patched:
        patched.setattr(logins, "_leave", fail)
        with pytest.raises(CannotWriteError):
            logins.take_out(login)
    assert logins.take_out(login) == ""
    assert (logins.load(login) or {})["accessToken"] == "real"
    assert logins.is_settled(login)


def test_a_new_login_counts_at_once_and_a_logout_leaves_none(login: Login) -> None:
    _put(login.file, _made("old"))
    logins.refuse(login, _made("old"))
    logins.replace(login, _made("new", "renews-new"))
    found = logins.load(login) or {}

    assert found["accessToken"] == "new"
    assert not logins.is_refused(login, found)
    assert not logins.is_settled(login)
    logins.take_out(login)
    assert logins.is_settled(login)
    assert logins.remove(login)
    assert not logins.is_there(login)
    assert not (login.config / logins.FILE).exists()
    assert not logins.remove(login)


def test_placeholders_without_a_login_go(login: Login) -> None:
    _put(login.config / logins.FILE, logins.shown(_made()))
    logins.take_out(login)

    assert not (login.config / logins.FILE).exists()


def test_a_directory_of_the_users_own_keeps_its_login(login: Login, tmp_path: Path) -> None:
    own = logins.of(tmp_path / "own")
    _put(own.file, _made(), mcpOAuth={})
    before = own.file.read_bytes()

    assert logins.take_out(own) == ""
    assert own.file.read_bytes() == before
    assert own.lock.parent == login.lock.parent
    logins.store(own, _made("next"))
    assert json.loads(own.file.read_text())["mcpOAuth"] == {}
    assert b"next" not in logins.placeholders(logins.load(own))


@pytest.mark.parametrize("token", ["n", "next", "next" * 5000])
def test_what_lies_over_the_users_own_file_is_not_pushed_aside(tmp_path: Path, token: str) -> None:
    """Another file in its place would end the mount that hides it from running containers."""
    own = logins.of(tmp_path / "own")
    _put(own.file, _made(), mcpOAuth={})
    before = own.file.stat().st_ino

    logins.store(own, _made(token))
    document = json.loads(own.file.read_bytes())
    assert logins.remove(own)

    assert document == {"mcpOAuth": {}, "claudeAiOauth": _made(token) | document["claudeAiOauth"]}
    assert document["claudeAiOauth"]["accessToken"] == token
    assert own.file.stat().st_ino == before
    assert json.loads(own.file.read_bytes()) == {"mcpOAuth": {}}
    assert logins.load(own) is None


@pytest.mark.parametrize("kind", ["link", "pipe", "nothing"])
def test_what_is_no_file_of_the_users_own_is_replaced(tmp_path: Path, kind: str) -> None:
    own, other = logins.of(tmp_path / "own"), tmp_path / "other"
    own.config.mkdir()
    other.write_text("kept")
    if kind == "link":
        own.file.symlink_to(other)
    elif kind == "pipe":
        os.mkfifo(own.file)
    logins.store(own, _made("next"))

    assert (logins.load(own) or {})["accessToken"] == "next"
    assert not own.file.is_symlink()
    assert other.read_text() == "kept"


@pytest.mark.parametrize(
    ("left", "age", "due"),
    [(3600, 3600, False), (300, 3600, True), (300, 5, False), (-5, 5, True), (-5, 3600, True)],
)
def test_a_login_is_renewed_some_minutes_before_it_runs_out(
    login: Login, left: float, age: float, *, due: bool
) -> None:
    _put(login.file, _made(left=left))
    os.utime(login.file, (time.time() - age,) * 2)

    assert renewal.is_due(login, logins.load(login) or {}) is due
    assert not renewal.is_due(login, _made(renewing=None, left=left))
    logins.refuse(login, _made())
    assert not renewal.is_due(login, logins.load(login) or {})


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b'{"access_token": "a b"}', b'{"access_token": "a\\n"}']
)
def test_an_answer_without_a_token_is_none(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        renewal.read_answer(answer)


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 300), ("1000000", 1000), ("1", 5), ("-5", 300), ("soon", 300)]
)
def test_the_time_of_a_helpers_key_is_read_as_claude_code_does(text: str, seconds: float) -> None:
    assert changing.ttl({"CLAUDE_CODE_API_KEY_HELPER_TTL_MS": text}) == seconds
