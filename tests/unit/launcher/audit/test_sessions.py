"""Transcripts: what stands in them is the agent's, and so is what lies there in their place."""

from __future__ import annotations

import hashlib
import json
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.audit import sessions

if TYPE_CHECKING:
    from pathlib import Path

_WORKDIR = "/srv/my.project_1"
_ENCODED = "-srv-my-project-1"


def _line(tool: str, when: float, **given: Any) -> str:
    moment = datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")
    block = {"type": "tool_use", "id": "toolu_1", "name": tool, "input": given}
    return json.dumps(
        {
            "type": "assistant",
            "message": {"role": "assistant", "content": [block]},
            "timestamp": moment.replace("+00:00", "Z"),
        },
        separators=(",", ":"),
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "projects" / _ENCODED
    made.mkdir(parents=True)
    return made


def _found(tmp_path: Path, since: float) -> list[sessions.Transcript]:
    return list(sessions.changed(tmp_path, _WORKDIR, since))


def test_it_is_hashed_and_its_calls_are_counted(tmp_path: Path, place: Path) -> None:
    now = time.time()
    lines = [_line("Old", now - 100), _line("Bash", now, command="ls"), '{"type":"user"}']
    lines += [_line("Edit", now, file_path="/srv/a.py"), _line("Bash", now)]
    data = "\n".join(lines).encode()
    (place / "s.jsonl").write_bytes(data)

    (found,) = _found(tmp_path, now)

    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert (found.size, found.hashed) == (len(data), len(data))
    assert found.tool_calls == {"Bash": 2, "Edit": 1}
    assert found.files == ("/srv/a.py",)


def test_those_of_agents_below_a_session_count_too(tmp_path: Path, place: Path) -> None:
    below = place / "s" / "subagents"
    below.mkdir(parents=True)
    (below / "agent-1.jsonl").write_text(_line("Read", time.time()))

    assert [one.tool_calls for one in _found(tmp_path, time.time())] == [{"Read": 1}]


def test_an_older_one_is_not_of_this_launch_and_no_time_that_is_set_back_hides_one(
    tmp_path: Path, place: Path
) -> None:
    (place / "s.jsonl").write_text("{}")
    os.utime(place / "s.jsonl", (1_000_000_000, 1_000_000_000))

    assert len(_found(tmp_path, time.time())) == 1
    assert _found(tmp_path, time.time() + 60) == []


@pytest.mark.parametrize("what", ["link", "pipe", "directory", "device"])
def test_a_trap_in_its_place_is_passed_over(tmp_path: Path, place: Path, what: str) -> None:
    trap = place / "s.jsonl"
    if what == "link":
        (tmp_path / "secret").write_text("secret")
        trap.symlink_to(tmp_path / "secret")
    elif what == "pipe":
        os.mkfifo(trap)
    elif what == "directory":
        trap.mkdir()
    else:
        trap.symlink_to("/dev/zero")
    (place / "t.jsonl").write_text("{}")

    assert [one.path for one in _found(tmp_path, time.time())] == [str(place / "t.jsonl")]


@pytest.mark.parametrize("where", ["projects", _ENCODED])
def test_a_directory_that_is_a_link_is_not_followed(tmp_path: Path, where: str) -> None:
    elsewhere = tmp_path / "elsewhere" / _ENCODED
    elsewhere.mkdir(parents=True)
    (elsewhere / "s.jsonl").write_text("{}")
    if where == "projects":
        (tmp_path / "projects").symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "projects").mkdir()
        (tmp_path / "projects" / _ENCODED).symlink_to(elsewhere)

    assert _found(tmp_path, time.time()) == []


def test_a_file_without_end_is_hashed_in_part_and_said_to_be(tmp_path: Path, place: Path) -> None:
    with (place / "s.jsonl").open("wb") as stream:
        stream.truncate(1 << 40)

    (found,) = _found(tmp_path, time.time())

    assert found.hashed < 1 << 30
    assert found.as_json()["hashed"] == found.hashed


def test_no_more_files_are_read_than_are_sane(tmp_path: Path, place: Path) -> None:
    for number in range(100):
        (place / f"{number:03}.jsonl").write_text("{}")

    assert len(_found(tmp_path, time.time())) < 50


@pytest.mark.parametrize(
    "line",
    [
        '"tool_use"',
        '{"x":"tool_use"}',
        '{"timestamp":"9999","message":{"content":["tool_use",{"type":"tool_use"}]}}',
        '{"timestamp":"9999","message":{"content":[{"type":"tool_use","name":[1]}]}}',
        '{"timestamp":"9999","message":{"content":[{"type":"tool_use","input":"x"}]}}',
        '{"timestamp":1,"message":"tool_use"}',
        "[" * 50_000 + '"tool_use"',
        '\udcff"tool_use"',
    ],
)
def test_what_makes_no_sense_stops_nothing(tmp_path: Path, place: Path, line: str) -> None:
    data = f"{line}\n{_line('Bash', time.time())}\n".encode(errors="surrogateescape")
    (place / "s.jsonl").write_bytes(data)

    (found,) = _found(tmp_path, time.time())

    assert found.tool_calls["Bash"] == 1


def test_calls_are_told_with_what_they_are_about(place: Path) -> None:
    now = time.time()
    lines = [_line("Bash", now, command="ls"), _line("Read", now + 100, file_path="/x")]
    (place / "s.jsonl").write_text("\n".join(lines))

    found = list(sessions.calls(place / "s.jsonl", since=now, until=now + 1))

    assert [(call.tool, call.subject) for call in found] == [("Bash", "ls")]


def test_the_config_directory_is_the_one_that_was_mounted() -> None:
    mounts = [{"source": "/a", "target": "/b"}, {"source": "/c", "target": "/home/agent/.claude"}]

    assert str(sessions.config_of({"mounts": mounts})) == "/c"
    assert sessions.config_of({}) is None
