"""What stands in transcripts is an agent's, and so is what lies there in their place."""

from __future__ import annotations

import io
import json
import os
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.sessions import Names, about, change, entries, export, search, transcripts
from pinnace_core.errors import AmbiguousNameError, BadTranscriptError, SessionMissingError

if TYPE_CHECKING:
    from pathlib import Path

_ID = "11111111-1111-4111-8111-111111111111"
_OTHER = "12222222-2222-4222-8222-222222222222"


def _said(role: str, content: Any, **more: Any) -> str:
    message = {"role": role, "content": content}
    when = "2026-01-02T03:04:05.678Z"
    return json.dumps({"type": role, "message": message, "timestamp": when, "cwd": "/srv/x"} | more)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "config"


def _write(config: Path, *lines: str, session: str = _ID, end: str = "\n") -> Path:
    path = config / "projects" / "-srv-x" / f"{session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + end)
    return path


def _one(config: Path, session: str = _ID) -> transcripts.Transcript:
    found = transcripts.find(config, session)
    assert found is not None
    return found


def _messages(data: bytes) -> tuple[list[entries.Message], entries.Counts]:
    counts = entries.Counts()
    return list(entries.messages(io.BytesIO(data), counts)), counts


def test_broken_lines_are_counted_and_a_half_written_last_one_is_normal() -> None:
    good = _said("user", "one")
    data = f'{good}\nnonsense\n[1]\n{"[" * 100_000}\n\n{good}\n{{"type":"us'.encode()
    found, counts = _messages(data)

    assert [one.text for one in found] == ["one", "one"]
    assert (counts.corrupt, counts.long, counts.half) == (3, 0, True)
    assert "3 lines that are not JSON" in counts.described()


def test_a_line_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MOST_LINE", 1000)
    found, counts = _messages(f"{'x' * 5000}\n{_said('user', 'one')}\n{'y' * 5000}".encode())

    assert [one.text for one in found] == ["one"]
    assert counts.long == 2


def test_blocks_of_all_kinds_are_read() -> None:
    tool = {"type": "tool_use", "name": "Bash", "input": {"command": "ls"}}
    result = {"type": "tool_result", "content": [{"type": "text", "text": "a\nb"}]}
    content = [{"type": "text", "text": "t"}, tool, result, "plain", 7, {"type": "image"}, {}]
    lone = _said("assistant", "\ud800")
    hidden = _said("user", "no", isMeta=True)
    data = "\n".join([_said("assistant", content), lone, hidden]).encode()
    (first, second), _ = _messages(data)

    assert first.blocks[:4] == (
        entries.Block("text", "t"),
        entries.Block("tool", "ls", "Bash"),
        entries.Block("result", "a\nb"),
        entries.Block("text", "plain"),
    )
    assert second.text == "?"


def test_a_session_is_found_by_name_id_beginning_and_title(config: Path) -> None:
    titled = json.dumps({"type": "custom-title", "customTitle": "Mend the login"})
    _write(config, _said("user", "first words"), titled)
    _write(config, _said("user", "other words"), session=_OTHER)
    Names(config).give("fix", _ID)

    for word in ("fix", _ID, _ID.upper(), "1111", "mend the LOGIN", "login"):
        assert about.chosen(config, word).transcript.id == _ID, word
    assert about.chosen(config, "fix").title == "Mend the login"
    assert about.chosen(config, "other words").transcript.id == _OTHER
    with pytest.raises(AmbiguousNameError):
        about.chosen(config, "o")
    for word in ("nothing", "../../x", "", _ID.replace("1", "3")):
        with pytest.raises((SessionMissingError, AmbiguousNameError)):
            about.chosen(config, word)


@pytest.mark.parametrize("trap", ["link", "pipe", "directory", "linked projects"])
def test_traps_are_no_sessions_and_nothing_waits_for_them(config: Path, trap: str) -> None:
    path = _write(config, _said("user", "one"))
    found = _one(config)
    victim = config.parent / "victim"
    victim.write_text(f"{_said('user', 'secret')}\n")
    path.unlink()
    if trap == "link":
        path.symlink_to(victim)
    elif trap == "pipe":
        os.mkfifo(path)
    elif trap == "directory":
        path.mkdir()
    else:
        real = config.parent / "real"
        (config / "projects").rename(real)
        (real / "-srv-x" / path.name).write_text("{}\n")
        (config / "projects").symlink_to(real)
    before = victim.read_bytes()

    assert list(transcripts.all_of(config)) == []
    assert list(search.search(found, "secret", entries.Counts())) == []
    for act in (
        lambda: list(export.exported(about.About(found), "jsonl", entries.Counts())),
        lambda: change.set_title(found, "x"),
        lambda: change.fork(found, "x"),
    ):
        with pytest.raises(Exception, match=r"plain file|cannot write|gone"):
            act()
    assert victim.read_bytes() == before


def test_removing_follows_no_link(config: Path) -> None:
    path = _write(config, _said("user", "one"))
    victim = config.parent / "victim"
    victim.mkdir()
    (victim / "kept").write_text("x")
    (path.parent / _ID).symlink_to(victim)
    (config / "file-history").symlink_to(config.parent)
    change.remove(_one(config))

    assert (victim / "kept").exists()
    assert not path.exists()
    assert not (path.parent / _ID).is_symlink()


def test_a_title_stands_behind_a_half_written_line(config: Path) -> None:
    path = _write(config, _said("user", "one"), '{"type":"us', end="")
    change.set_title(_one(config), "named")

    assert json.loads(path.read_text().splitlines()[-1])["customTitle"] == "named"
    assert about.about(_one(config)).title == "named"


def test_a_copy_has_ids_of_its_own_in_the_same_order(config: Path) -> None:
    uuids = [f"{n}{_ID[1:]}" for n in (4, 5)]
    _write(
        config,
        _said("user", "one", uuid=uuids[0], parentUuid=None, sessionId=_ID),
        json.dumps({"type": "cost-state", "sessionId": _ID}),
        _said("assistant", "two", uuid=uuids[1], parentUuid=uuids[0], sessionId=_ID),
        '{"half',
        end="",
    )
    copy = _one(config, change.fork(_one(config), "a copy"))
    with transcripts.opened(copy) as stream:
        first, second, title = entries.documents(stream, entries.Counts())

    assert second["parentUuid"] == first["uuid"] not in uuids
    assert {first["sessionId"], second["sessionId"], title["sessionId"]} == {copy.id}
    assert first["forkedFrom"] == {"sessionId": _ID, "messageUuid": uuids[0]}
    assert about.about(copy).title == "a copy"


def test_where_nothing_was_said_there_is_nothing_to_copy(config: Path) -> None:
    path = _write(config, json.dumps({"type": "mode"}))
    with pytest.raises(BadTranscriptError, match="nothing was said"):
        change.fork(_one(config), "x")

    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("form", export.FORMATS)
def test_no_export_holds_a_terminals_commands(config: Path, form: str) -> None:
    evil = "\x1b]0;owned\x07\x9b31m\u202e"
    tool = {"type": "tool_use", "name": evil, "input": {"command": evil}}
    title = json.dumps({"type": "custom-title", "customTitle": evil})
    _write(config, _said("user", evil), _said("assistant", [tool, {"type": evil}]), title)
    text = "".join(export.exported(about.about(_one(config)), form, entries.Counts()))

    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & {*text}
    if form == "json":
        assert json.loads(text)["id"] == _ID


def test_search_finds_what_was_said_however_it_is_spelled(config: Path) -> None:
    tool = {"type": "tool_use", "name": "Bash", "input": {"command": "make Tests"}}
    _write(config, _said("user", 'a "quoted" Größe'), _said("assistant", [tool]))

    def found(text: str) -> list[str]:
        return [hit.role for hit in search.search(_one(config), text, entries.Counts())]

    assert found('"QUOTED"') == ["user"]
    assert found("größe") == ["user"]
    assert found("make tests") == found("BASH") == ["tool"]
    assert found("timestamp") == []


def test_many_large_transcripts_are_searched_in_bounded_time_and_memory(config: Path) -> None:
    line = _said("assistant", "x" * 50_000)
    _write(config, *[line] * 400, _said("user", "the needle"))
    tracemalloc.start()
    hits = list(search.search(_one(config), "needle", entries.Counts()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(hits) == 1
    assert peak < 4 << 20


def test_the_newest_is_the_last(config: Path) -> None:
    old = _write(config, _said("user", "one"))
    _write(config, _said("user", "two"), session=_OTHER)
    os.utime(old, (time.time() - 100,) * 2)

    assert [one.transcript.id for one in about.all_of(config)] == [_ID, _OTHER]
