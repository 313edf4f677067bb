"""Names of sessions: where no agent writes, whole, and one launch at a time."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from pinnace.sessions import Names
from pinnace.sessions.names import is_id
from pinnace_core import host
from pinnace_core.errors import SessionBusyError, SessionMissingError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_ID = "11111111-1111-4111-8111-111111111111"
_OTHER = "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Names(tmp_path / "config")


def _files() -> list[Path]:
    return sorted((host.directory("state") / "sessions").rglob("*.json"))


def test_a_name_gets_an_id_and_keeps_it(names: Names) -> None:
    assert names.resolve("fix-42") is None
    given = names.assign("fix-42")

    assert is_id(given)
    assert names.assign("fix-42") == given
    assert names.resolve("fix-42") == given
    assert names.of(given) == "fix-42"
    assert names.assign("another") != given


def test_projects_have_names_of_their_own(names: Names, tmp_path: Path) -> None:
    given = names.assign("fix")
    other = Names(tmp_path / "other")

    assert other.resolve("fix") is None
    assert other.assign("fix") != given
    assert len(_files()) == 2


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/b", "-x", ".x", "a b", "a\n", "x" * 65, "\x1b[0m", "é", _ID]
)
def test_what_is_no_name_is_refused_and_makes_no_file(names: Names, name: str) -> None:
    for ask in (names.resolve, names.assign):
        with pytest.raises(UsageError):
            ask(name)

    assert _files() == []


def test_what_is_kept_is_read_again_only_if_it_makes_sense(names: Names) -> None:
    names.assign("fix", _ID)
    (path,) = _files()
    document = json.loads(path.read_text())
    document["names"] |= {"../x": {"id": _OTHER, "begun": True}}
    path.write_text(json.dumps(document))
    assert list(names.all()) == ["fix"]
    for text in ("", "[]", "{", json.dumps(document | {"config": "/elsewhere"}), "[" * 100_000):
        path.write_text(text)
        assert names.all() == {}


def test_a_strangers_file_does_not_count(names: Names) -> None:
    names.assign("fix", _ID)
    (path,) = _files()
    path.chmod(0o666)

    assert names.all() == {}


def test_a_session_has_one_name_and_a_name_one_session(names: Names) -> None:
    names.assign("old", _ID)
    names.give("new", _ID)
    assert {name: one.id for name, one in names.all().items()} == {"new": _ID}
    with pytest.raises(UsageError, match="another session is called 'new'"):
        names.give("new", _OTHER)
    names.forget(_ID)

    assert names.all() == {}


def test_it_is_known_whether_a_transcript_has_been_there(names: Names) -> None:
    names.assign("fix", _ID)
    assert not names.all()["fix"].begun
    names.has_begun(_ID)

    assert names.all()["fix"].begun


def test_one_launch_at_a_time_goes_on_with_a_session(names: Names) -> None:
    with names.held(_ID, "fix"):
        assert names.resolve("fix") == _ID
        assert names.is_held(_ID)
        with pytest.raises(SessionBusyError, match="a launch is at work on session 'fix'") as error:
            names.held(_ID, "fix").__enter__()
        assert "pinnace session fork fix" in error.value.hint
        with names.held(_OTHER):
            pass

    assert not names.is_held(_ID)
    with names.held(_ID, "fix"):
        pass


def test_of_two_that_begin_a_name_at_once_one_is_refused(names: Names) -> None:
    names.assign("fix", _OTHER)

    with pytest.raises(SessionBusyError):
        names.held(_ID, "fix").__enter__()
    assert names.resolve("fix") == _OTHER


def test_a_lock_is_not_held_by_what_is_no_id(names: Names) -> None:
    with pytest.raises(SessionMissingError):
        names.held("../../x").__enter__()


def test_it_is_closed_to_others(names: Names) -> None:
    old = os.umask(0)
    try:
        with names.held(_ID, "fix"):
            pass
    finally:
        os.umask(old)
    place = host.directory("state") / "sessions"
    for path in (p for p in place.rglob("*") if not p.name.endswith(".lock")):
        assert not path.stat().st_mode & 0o022, path
