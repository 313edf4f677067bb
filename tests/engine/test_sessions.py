"""Sessions by name, with the real CLI: they outlive containers, and only one launch has each."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.messages_api import MessagesApi, Text
from tests.support.own_projects import config_of, encoded
from tests.support.tmux import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Launcher

_OLD = "33333333-3333-4333-8333-333333333333"


def _asked(api: MessagesApi) -> str:
    return json.dumps(api.requests[-1]["messages"])


def _repository(launcher: Launcher) -> None:
    named = ("-c", "user.name=n", "-c", "user.email=n@example.com")
    for line in (("init", "-q"), ("add", "--all"), (*named, "commit", "-qm", "one")):
        subprocess.run(["git", *line], check=True, cwd=launcher.project)


def _list(launcher: Launcher) -> list[dict[str, Any]]:
    done = launcher.run("session", "list", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["result"]
    return found


def test_a_named_session_goes_on_in_every_way_of_launching(
    isolated: Launcher, api: MessagesApi, tmp_path: Path
) -> None:
    api.reply_with(Text("first answer"), Text("second answer"), Text("third answer"))
    first = isolated.run("run", "--session", "fix", "--", "-p", "first question")
    assert first.returncode == 0, first.stderr
    event = {"type": "user", "message": {"role": "user", "content": "second question"}}
    streamed = ("-p", "--input-format", "stream-json", "--output-format", "stream-json")
    second = isolated.run(
        *("run", "--session", "fix", "--review", "--", *streamed, "--verbose"),
        text=f"{json.dumps(event)}\n",
    )
    assert second.returncode == 0, second.stderr
    assert "first question" in _asked(api)
    terminal = Terminal(
        tmp_path / "tmux", isolated.argv("run", "--session", "fix"), cwd=isolated.project
    )
    with terminal.start(isolated.environment):
        terminal.wait_for("second answer")
        terminal.type("third question", "Enter")
        terminal.wait_for("third answer")
        terminal.type("C-c")
        terminal.type("C-c")
        terminal.wait_for("exit=0")
    (row,) = _list(isolated)
    shown = isolated.run("session", "show", "fix").stdout

    assert "first question" in _asked(api)
    assert "second question" in _asked(api)
    assert (row["name"], row["state"], row["title"]) == ("fix", "ended", "fix")
    for text in ("first question", "second answer", "third question"):
        assert text in shown


@pytest.mark.parametrize(
    "options", [("--clone",), ("--review",), ("--isolation", "locked")], ids=" ".join
)
def test_a_session_goes_on_wherever_claude_writes(
    isolated: Launcher, api: MessagesApi, options: tuple[str, ...]
) -> None:
    _repository(isolated)
    api.reply_with(Text("the beginning"), Text("in between"), Text("the end"))
    for number, more in enumerate(((), options, ())):
        done = isolated.run("run", "--session", "fix", *more, "--", "-p", f"question {number}")
        assert done.returncode == 0, done.stderr
    said = _asked(api)
    (row,) = _list(isolated)

    for text in ("question 0", "the beginning", "question 1", "in between", "question 2"):
        assert text in said
    assert row["name"] == "fix"


def test_a_session_is_taken_along_to_another_worktree(isolated: Launcher, api: MessagesApi) -> None:
    _repository(isolated)
    subprocess.run(["git", "worktree", "add", "-q", "../tree"], check=True, cwd=isolated.project)
    tree = dataclasses.replace(isolated, project=isolated.project.parent / "tree")
    tree.environment = {**isolated.environment, "PWD": str(tree.project)}
    assert isolated.run("run", "--session", "main", "--", "-p", "said in main").returncode == 0
    refused = tree.run("session", "resume", "main", "-p", "hi")
    forked = tree.run("session", "fork", "main", "mine")
    done = tree.run("session", "resume", "mine", "-p", "said in the tree")

    assert (refused.returncode, f"cd {isolated.project}" in refused.stderr) == (64, True)
    assert forked.returncode == 0, forked.stderr
    assert done.returncode == 0, done.stderr
    assert "said in main" in _asked(api)
    assert len(_list(isolated)) == len(_list(tree)) == 2
    assert "said in the tree" not in isolated.run("session", "show", "main").stdout


def test_a_session_goes_on_on_another_machine_by_a_store(
    isolated: Launcher, api: MessagesApi
) -> None:
    isolated.environment["PINNACE_SESSION_STORE"] = str(isolated.place / "share")
    here, there = isolated.environment, isolated.place / "there"
    there.mkdir()
    assert isolated.run("run", "--session", "fix", "--", "-p", "said here").returncode == 0
    isolated.environment = {**here, "HOME": str(there)}
    (row,) = _list(isolated)
    done = isolated.run("session", "resume", "fix", "-p", "said there")
    assert done.returncode == 0, done.stderr
    assert "said here" in _asked(api)
    isolated.environment = here
    done = isolated.run("run", "--session", "fix", "--", "-p", "here again")

    assert (row["state"], row["title"]) == ("stored", "fix")
    assert done.returncode == 0, done.stderr
    for text in ("said here", "said there", "here again"):
        assert text in _asked(api)


def test_the_second_of_two_at_once_is_refused_and_a_copy_goes_on(
    isolated: Launcher, api: MessagesApi
) -> None:
    gate = threading.Event()
    api.reply_with(Text("the beginning"), Text("slow answer", gate=gate), Text("of the copy"))
    assert isolated.run("run", "--session", "one", "--", "-p", "opening").returncode == 0
    running = isolated.start("run", "--session", "one", "--", "-p", "slowly")
    try:
        _until(lambda: len(api.requests) > 1)
        (row,) = _list(isolated)
        refused = isolated.run("run", "--session", "one", "--", "-p", "hi")
        removed = isolated.run("session", "rm", "one")
        forked = isolated.run("session", "fork", "one", "two")
    finally:
        gate.set()
    running.communicate(timeout=120)
    copied = isolated.run("session", "resume", "two", "-p", "in the copy")

    assert row["state"] == "running"
    assert (refused.returncode, removed.returncode) == (75, 75), refused.stderr
    assert "pinnace session fork one NEW" in refused.stderr
    assert forked.returncode == 0, forked.stderr
    assert (copied.returncode, copied.stdout) == (0, "of the copy\n"), copied.stderr
    assert "opening" in _asked(api)
    assert "the beginning" in _asked(api)
    assert len({one["id"] for one in _list(isolated)}) == 2


def test_what_an_older_cli_wrote_goes_on_with_the_pinned_one(
    isolated: Launcher, api: MessagesApi
) -> None:
    api.reply_with(Text("an answer"), Text("another"))
    assert isolated.run("-p", "hi").returncode == 0
    place = config_of(isolated) / "projects" / encoded(isolated.project)
    lines = [_line("user", "asked of 2.1.100", 1), _line("assistant", "2.1.100 answered", 2)]
    (place / f"{_OLD}.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    named = isolated.run("session", "rename", _OLD[:8], "old")
    done = isolated.run("run", "--session", "old", "--", "-p", "and now")

    assert named.returncode == 0, named.stderr
    assert done.returncode == 0, done.stderr
    assert "asked of 2.1.100" in _asked(api)
    assert "2.1.100 answered" in _asked(api)


def _line(role: str, text: str, number: int) -> dict[str, Any]:
    """As 2.1.100 writes it."""
    ids = [None, *(f"{n}{_OLD[1:]}" for n in (1, 2))]
    content: Any = text if role == "user" else [{"type": "text", "text": text}]
    message = {"role": role, "content": content}
    if role == "assistant":
        more = {"id": "msg_1", "type": "message", "model": "claude-sonnet-4-5"}
        message |= {**more, "stop_reason": "end_turn", "usage": {}}
    return {
        "parentUuid": ids[number - 1],
        "isSidechain": False,
        "type": role,
        "message": message,
        "uuid": ids[number],
        "timestamp": f"2026-01-01T00:00:0{number}.000Z",
        "userType": "external",
        "cwd": "/srv/x",
        "sessionId": _OLD,
        "version": "2.1.100",
    }


def _until(true: Any) -> None:
    waited = threading.Event()
    for _ in range(600):
        if true():
            return
        waited.wait(0.1)
    raise AssertionError("it never came to that")
