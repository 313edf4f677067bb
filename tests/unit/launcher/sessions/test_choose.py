"""The session that a launch goes on with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pinnace.agent.arguments import chooses_session, converses
from pinnace.plan.contributors import session
from pinnace.sessions import Names
from pinnace.sessions.choose import BEGINS, Choice, choose
from pinnace_core.errors import SessionBusyError, SessionMissingError, UsageError
from pinnace_images import contract
from pinnace_images.versions import CliVersion
from tests.support import contributions, hosts

if TYPE_CHECKING:
    from pathlib import Path

_ID = "11111111-1111-4111-8111-111111111111"
_NEW = CliVersion(2, 1, 330)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = tmp_path / "config"
    made.mkdir()
    return made


def _write(config: Path, chosen: Choice) -> Path:
    path = config / "projects" / "-srv-demo" / f"{chosen.id}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}\n")
    return path


def _launched(config: Path, *, writes: bool = True) -> Choice:
    chosen = choose(config, "fix", _NEW, ())
    with chosen.held():
        if writes:
            _write(config, chosen)
    return chosen


def test_a_name_begins_a_session_and_later_resumes_it(config: Path) -> None:
    first = _launched(config)
    second = choose(config, "fix", _NEW, ("-p", "hi"))

    assert first.arguments == ("--session-id", first.id, "--name", "fix")
    assert second.arguments == ("--resume", first.id)


def test_a_plan_alone_writes_nothing(config: Path) -> None:
    choose(config, "fix", _NEW, ())

    assert not (config.parent / "state").exists()


def test_one_that_claude_never_wrote_begins_again(config: Path) -> None:
    first = _launched(config, writes=False)

    assert choose(config, "fix", _NEW, ()).arguments[:2] == ("--session-id", first.id)


def test_a_transcript_that_has_gone_is_said(config: Path) -> None:
    _write(config, _launched(config)).unlink()

    with pytest.raises(SessionMissingError, match="'fix' has gone") as error:
        choose(config, "fix", _NEW, ())
    assert "pinnace session rm fix" in error.value.hint


@pytest.mark.parametrize("trap", ["link", "pipe", "directory", "linked directory"])
def test_a_trap_in_its_place_is_no_transcript(config: Path, trap: str) -> None:
    path = _write(config, _launched(config))
    path.unlink()
    elsewhere = config.parent / "elsewhere"
    if trap == "link":
        elsewhere.write_text("{}\n")
        path.symlink_to(elsewhere)
    elif trap == "pipe":
        os.mkfifo(path)
    elif trap == "directory":
        path.mkdir()
    else:
        path.parent.rename(elsewhere)
        (elsewhere / path.name).write_text("{}\n")
        path.parent.symlink_to(elsewhere)

    with pytest.raises(SessionMissingError):
        choose(config, "fix", _NEW, ())


def test_an_id_is_resumed_if_it_is_there(config: Path) -> None:
    with pytest.raises(SessionMissingError, match=_ID):
        choose(config, _ID, _NEW, ())
    path = config / "projects" / "-srv-demo" / f"{_ID}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    chosen = choose(config, _ID.upper(), _NEW, ())

    assert chosen.arguments == ("--resume", _ID)
    with chosen.held():
        assert Names(config).all() == {}


def test_the_second_of_two_at_once_is_refused(config: Path) -> None:
    first = _launched(config)
    second = choose(config, "fix", _NEW, ())
    with first.held(), pytest.raises(SessionBusyError):
        second.held().__enter__()


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("--resume", _ID), "--resume"),
        (("-p", "hi", "-c"), "-c"),
        (("-cp", "hi"), "-cp"),
        (("--session-id=x",), "--session-id"),
        (("--fork-session",), "--fork-session"),
        (("-p", "hi", "--no-session-persistence"), "--no-session-persistence"),
        (("-p", "--", "--resume"), ""),
        (("-p", "--resume is a word"), ""),
    ],
)
def test_arguments_that_say_which_session_are_found(
    config: Path, arguments: tuple[str, ...], option: str
) -> None:
    assert chooses_session(arguments) == option
    if option:
        with pytest.raises(UsageError, match="both say which session"):
            choose(config, "fix", _NEW, arguments)


def test_a_version_that_gives_new_ids_is_refused(config: Path) -> None:
    with pytest.raises(UsageError, match="gives a session a new id") as error:
        choose(config, "fix", CliVersion(1, 0, 115), ())
    assert str(BEGINS) in error.value.hint
    old = choose(config, "fix", BEGINS, ())

    assert old.arguments == ("--session-id", old.id)


def test_an_old_version_finds_a_session_only_where_it_was_begun(config: Path) -> None:
    _launched(config)
    old = CliVersion(2, 1, 215)
    assert choose(config, "fix", _NEW, (), workdir="/srv/demo/sub").arguments[0] == "--resume"
    assert choose(config, "fix", old, (), workdir="/srv/demo").arguments[0] == "--resume"

    with pytest.raises(UsageError, match=r"Claude Code 2\.1\.215 finds it from there only"):
        choose(config, "fix", old, (), workdir="/srv/demo/sub")


def test_the_contributor_says_it_to_claude_alone(config: Path) -> None:
    inputs = hosts.inputs(session="fix", config_directory=str(config))
    given = session.contribute(inputs)
    (label,) = given.labels

    assert given.arguments[0] == "--session-id"
    assert label == (contract.LABEL_RUN_SESSION, given.arguments[1])
    with contributions.held(given):
        assert Names(config).resolve("fix") == label[1]
    for words in (("--version",), ("mcp", "list"), ("-h",)):
        assert not converses(words)
        assert not session.contribute(inputs._replace(claude_arguments=words)).arguments
    assert not session.contribute(inputs._replace(program=contract.SHELL)).arguments
