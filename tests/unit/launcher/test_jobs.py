"""Detached launches on record: what is kept of them, for how long, and what they printed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from pinnace.cli import view
from pinnace.launch import jobs, kept
from pinnace.launch.jobs import Exit, Job
from pinnace.launch.keeper import Keeper
from pinnace_core.errors import (
    AmbiguousNameError,
    CannotReadError,
    LaunchMissingError,
    PinnaceError,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def job(name: str = "pinnace-hello-c0ffee", begun: float = 1000.0, workspace: str = "/w") -> Job:
    return Job(name, workspace, begun, terminal=False, form="stream-json", version="2.1.330")


def ended(one: Job, at: float = 2000.0, code: int = 0) -> Job:
    os.close(jobs.begin(one))
    jobs.end(one, Exit(code, at))
    return one


def test_one_is_running_then_ended_and_known_for_long() -> None:
    one = job()
    held = jobs.begin(one)
    assert jobs.load(one.name) == one
    assert jobs.state_of(one) == "running"
    jobs.end(one, Exit(7, 2000.0, "why"))
    os.close(held)
    assert jobs.state_of(one) == "ended"
    assert jobs.wait(one) == Exit(7, 2000.0, "why")


def test_one_whose_keeper_is_gone_is_lost() -> None:
    one = job()
    os.close(jobs.begin(one))
    assert jobs.state_of(one) == "lost"
    assert jobs.wait(one) is None


def test_the_worktree_of_a_branch_is_its_projects() -> None:
    here = ended(job("pinnace-w-111111"))
    branch = ended(job("pinnace-fix-222222", 3000.0, "/w.worktrees/fix"))
    ended(job("pinnace-x-333333", 4000.0, "/w.worktrees/fix/deep"))
    ended(job("pinnace-y-444444", 5000.0, "/wx"))

    assert jobs.all_of("/w") == [here, branch]
    assert jobs.chosen(None, "/w") == branch
    assert jobs.all_of("/w.worktrees/fix") == [branch]


def test_names() -> None:
    first, second = ended(job("pinnace-a-111111")), ended(job("pinnace-a-222222", 3000.0))
    assert jobs.chosen("1111", "/w") == first
    assert jobs.chosen(None, "/w") == second
    for name, kind in (("none", LaunchMissingError), ("pinnace-a", AmbiguousNameError)):
        with pytest.raises(kind):
            jobs.chosen(name, "/w")
    with pytest.raises(LaunchMissingError):
        jobs.chosen(None, "/elsewhere")


@pytest.mark.parametrize("name", ["", ".", "..", "../runs", ".hidden", "a/b"])
def test_no_name_leads_elsewhere(name: str) -> None:
    assert jobs.load(name) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "other"}', "[" * 100_000])
def test_a_broken_record_is_none(text: str) -> None:
    one = ended(job())
    (one.place / "job.json").write_text(text, encoding="utf-8")
    assert jobs.load(one.name) is None
    assert jobs.all_of() == []


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"workspace": 1},
        {"branch": None},
        {"begun": float("inf")},
        {"begun": -1.0},
        {"terminal": "no"},
    ],
)
def test_what_another_version_means_otherwise_is_said_and_kept(change: dict[str, object]) -> None:
    one = ended(job())
    _changed(one, "job.json", change)
    assert jobs.all_of() == []
    assert jobs.unreadable() == [one.name]
    for name in (one.name, "c0ffee"):
        with pytest.raises(CannotReadError) as caught:
            jobs.chosen(name, "/w")
        assert str(one.place) in caught.value.hint
    jobs.forget_old(now=1e10)
    assert (one.place / "exit.json").exists()
    (one.place / "job.json").unlink()
    assert jobs.unreadable() == []


@pytest.mark.parametrize("change", [{"at": float("inf")}, {"code": float("inf")}, {"at": "x"}])
def test_an_end_that_is_none_is_not_known(change: dict[str, object]) -> None:
    one = ended(job())
    _changed(one, "exit.json", change)
    assert (jobs.exit_of(one), jobs.state_of(one)) == (None, "lost")


def _changed(one: Job, name: str, change: dict[str, object]) -> None:
    path = one.place / name
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, **change}), encoding="utf-8")


def test_a_record_of_another_version_is_read() -> None:
    one = ended(job())
    document = json.loads((one.place / "job.json").read_text(encoding="utf-8"))
    del document["branch"], document["image"]
    (one.place / "job.json").write_text(json.dumps({**document, "more": 1}), encoding="utf-8")
    assert jobs.load(one.name) == one


def test_old_ones_are_forgotten_but_none_that_runs() -> None:
    day = 86_400.0
    old, new = ended(job("old"), at=0.0), ended(job("new"), at=39 * day)
    running = job("running", begun=0.0)
    held = jobs.begin(running)
    jobs.forget_old(now=40 * day)
    assert jobs.all_of() == [running, new]
    assert not old.place.exists()
    os.close(held)


def test_an_error_about_a_name_that_is_no_text_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, keeper = job(), Keeper(-1)
    held = jobs.begin(one)
    keeper.job = one
    monkeypatch.setattr(keeper, "_is_started", True)
    monkeypatch.setattr(keeper, "_errors", errors := kept.Kept(one.place / "errors"))
    error = PinnaceError(f"'{os.fsdecode(bytes([255]))}' went away")
    keeper.end(Exit(70, 2000.0, error.message), error)
    errors.close()
    os.close(held)
    assert jobs.exit_of(one) == Exit(70, 2000.0, error.message)
    assert b"".join(kept.read(one, "errors")) == b"pinnace: error: '\\udcff' went away\n"


def test_of_very_much_the_last_part_is_kept() -> None:
    one = ended(job())
    output = kept.Kept(one.place / "output", most=1000)
    for number in range(1000):
        output.write(b"%9d\n" % number)
    output.close()
    text = b"".join(kept.read(one, "output"))
    assert 1000 <= len(text) <= 2000
    assert text.endswith(b"%9d\n" % 999)
    assert b"".join(kept.follow(one, "output")) == text


def test_a_part_begins_with_a_whole_line(tmp_path: Path) -> None:
    output = kept.Kept(tmp_path / "output", most=100)
    data = b"".join(b"%08d\n" % number for number in range(200))
    for start in range(0, len(data), 7):
        output.write(data[start : start + 7])
    output.close()
    for part in (tmp_path / "output.1", tmp_path / "output"):
        assert len(part.read_bytes()) <= 110
        assert all(len(line) == 8 for line in part.read_bytes().splitlines())


def test_a_line_without_an_end_does_not_grow_for_ever(tmp_path: Path) -> None:
    output = kept.Kept(tmp_path / "output", most=100)
    for _ in range(1000):
        output.write(b"x" * 10)
    output.close()
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) <= 500


def test_where_no_new_part_can_be_made_the_old_one_goes_on(tmp_path: Path) -> None:
    place, away = tmp_path / "job", tmp_path / "away"
    place.mkdir()
    output = kept.Kept(place / "output", most=10)
    output.write(b"first 012\n")
    place.rename(away)
    output.write(b"second\n")
    assert (away / "output").read_bytes() == b"first 012\nsecond\n"
    away.rename(place)
    output.write(b"third\n")
    output.close()
    assert (place / "output").read_bytes() == b"third\n"


def test_who_follows_misses_nothing_when_a_new_part_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    one = job()
    held = jobs.begin(one)
    output = kept.Kept(one.place / "output", most=14)
    left = [b"second\n", b"third\n"]

    def written_meanwhile(path: Path, source: int) -> bool:
        while left:
            output.write(left.pop(0))
        return is_replaced(path, source)

    is_replaced = kept._is_replaced  # noqa: SLF001 (the moment that counts)
    monkeypatch.setattr(kept, "_is_replaced", written_meanwhile)
    output.write(b"first\n")
    pieces = kept.follow(one, "output")
    found = [next(pieces)]
    jobs.end(one, Exit(0, 2000.0))
    assert b"".join([*found, *pieces]) == b"first\nsecond\nthird\n"
    output.close()
    os.close(held)


def test_a_part_that_begins_while_the_earlier_one_is_read_is_not_missed() -> None:
    one = ended(job())
    output = kept.Kept(one.place / "output", most=10)
    for line in (b"first 012\n", b"second 12\n"):
        output.write(line)
    for source in (kept.read(one, "output"), kept.follow(one, "output")):
        (one.place / "output.1").write_bytes(b"first 012\n")
        (one.place / "output").write_bytes(b"second 12\n")
        found = [next(source)]
        output.write(b"third 012\n")
        found += source
        assert b"".join(found).startswith(b"first 012\nsecond 12\n")
    output.close()


def test_events_are_told_as_people_read_them() -> None:
    lines = [
        b'{"type":"system","subtype":"init","session_id":"s","model":"m"}',
        (
            b'{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":'
            b'"first\\u001b]0;title\\u0007\\nsecond"},{"type":"tool_use","id":"1","name":"Bash",'
            b'"input":{"command":"ls\\n-l"}}]}}'
        ),
        b"no json",
        (
            b'{"type":"user","message":{"role":"user","content":[{"type":"tool_result",'
            b'"tool_use_id":"1","content":"a\\nb\\nc\\nd\\ne"}]}}'
        ),
        (
            b'{"type":"result","subtype":"success","is_error":false,"num_turns":2,'
            b'"result":"x","total_cost_usd":0.5}'
        ),
    ]
    data = b"\n".join(lines)
    pieces = [data[:50], b"", data[50:77], data[77:]]

    assert list(view.lines(pieces)) == [
        "session s, m",
        "first",
        "second",
        "> Bash: ls -l",
        "  a",
        "  b",
        "  c",
        "  ... 2 more lines",
        "= success, 2 turns, $0.50",
    ]
    found = view.last_result(pieces)
    assert found is not None
    assert found.result == "x"
    assert (view.session(pieces), view.session(pieces[3:])) == ("s", None)
