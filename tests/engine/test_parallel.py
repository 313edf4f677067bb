"""`pinnace parallel` and `box.map`: real engine, real CLI, stand-in API."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pinnace import Ask, Pinnace
from tests.engine.conftest import containers_of
from tests.support.messages_api import ApiError, Text
from tests.support.soak import rounds
from tests.support.tmux import Terminal
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]
_PROMPTS = max(12, rounds(100))


def write_list(launcher: Launcher, *lines: str | dict[str, Any]) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (launcher.project / "list").write_text("\n".join(texts), encoding="utf-8")


def results(text: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in map(json.loads, text.splitlines())}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_prompt_has_a_container_and_a_session_of_its_own(
    isolated: Launcher, api: MessagesApi
) -> None:
    (isolated.project / "review.md").write_text("---\nmax_turns: 3\n---\nSee {{ what }}.\n")
    write_list(
        isolated,
        "in plain words",
        {"file": "review.md", "data": {"what": "README"}, "name": "file"},
        {"file": "missing.md", "name": "missing"},
        {"prompt": "with a system prompt", "system": "MARK", "name": "system"},
    )

    done = isolated.run("parallel", "list", "--limit", "2", "--total-memory", "2g")

    found = results(done.stdout)
    assert done.returncode == 75, done.stderr
    assert "1 of 4 prompts came to no answer" in done.stderr
    assert {name for name, row in found.items() if row["ok"]} == {"1", "file", "system"}
    assert found["missing"]["error"]["kind"] == "CannotReadError"
    good = [row for row in found.values() if row["ok"]]
    assert len({row["container"] for row in good}) == 3
    assert len({row["session_id"] for row in good}) == 3
    asked = str(api.requests)
    assert all(words in asked for words in ("in plain words", "See README.", "MARK"))
    assert containers_of(isolated.project) == []


def test_one_that_the_api_refuses_is_asked_again_later(
    isolated: Launcher, api: MessagesApi
) -> None:
    write_list(isolated, "the only one")
    api.reply_with(ApiError(400, "invalid_request_error", "no"))
    first = isolated.run("parallel", "list", "--output", "out")
    api.reply_with(Text("yes"))
    again = isolated.run("parallel", "list", "--output", "out", "--resume")

    assert (first.returncode, again.returncode) == (75, 0), (first.stderr, again.stderr)
    assert [(row["ok"], row["text"]) for row in rows(isolated.project / "out")][-1] == (True, "yes")
    assert [row["ok"] for row in rows(isolated.project / "out")] == [False, True]


def test_killed_in_the_middle_and_gone_on_with_each_is_done_once(
    isolated: Launcher, api: MessagesApi
) -> None:
    words = [f"task number {number}." for number in range(_PROMPTS)]
    write_list(isolated, *words)
    output = isolated.project / "out"
    command = ("parallel", "list", "--limit", "8", "--output", "out")

    killed = isolated.start(*command)
    wait_until(
        lambda: output.exists() and len(rows_so_far(output)) >= _PROMPTS // 3,
        "a third of the results",
        seconds=900,
    )
    killed.kill()
    killed.communicate()
    early = rows_so_far(output)
    done = isolated.run(*command, "--resume")

    assert done.returncode == 0, done.stderr
    assert 0 < len(early) < _PROMPTS
    found = Counter(row["id"] for row in rows(output) if row["ok"])
    assert len(found) == _PROMPTS
    assert set(found.values()) == {1}
    # What was done before is not asked again.
    asked = Counter(word for body in api.requests for word in words if word in str(body))
    for row in early:
        assert asked[words[int(row["name"]) - 1]] == 1
    wait_until(lambda: containers_of(isolated.project) == [], "the killed ones' end", seconds=60)


def rows_so_far(path: Path) -> list[dict[str, Any]]:
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_signal_ends_all_of_it(
    isolated: Launcher, api: MessagesApi, number: signal.Signals
) -> None:
    gate = threading.Event()
    api.reply_with(Text("slow answer", gate=gate))
    write_list(isolated, "a", "b", "c")
    child = isolated.start("parallel", "list", "--limit", "2", "--output", "out")
    try:
        wait_until(lambda: len(api.requests) >= 2, "two that are under way", seconds=300)
        os.kill(child.pid, number)
        os.kill(child.pid, number)
        _, said = child.communicate(timeout=120)
    finally:
        gate.set()

    assert child.returncode == 128 + number
    assert "--resume" in said
    assert containers_of(isolated.project) == []


def test_a_terminal_shows_what_runs(isolated: Launcher, tmp_path: Path, api: MessagesApi) -> None:
    gate = threading.Event()
    api.reply_with(Text("slow answer", gate=gate))
    write_list(isolated, "first of all", "second")
    argv = isolated.argv("parallel", "list", "--output", "out")
    with Terminal(tmp_path / "tmux", argv, cwd=isolated.project).start(isolated.environment) as one:
        try:
            one.wait_for("first of all")
            one.wait_for("0 done, 0 failed, 2 left")
        finally:
            gate.set()
        one.wait_for("2 done, 0 failed, 0 left")
        one.wait_for("exit=0")


def test_a_program_maps_prompts(box: Pinnace, api: MessagesApi) -> None:
    made = [Ask("in a session", session="mine"), Ask(lambda: "made late")]

    found = anyio.run(lambda: box.map(["plain", *made], limit=3, total_usd=3.0), backend="trio")

    assert [one.ok for one in found] == [True] * 3, [one.error for one in found]
    assert "made late" in str(api.requests)
