"""Claude's own words for work in the background, `--bg` and its commands: detached launches."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.engine.conftest import containers_of
from tests.support.messages_api import Text, ToolUse
from tests.support.tmux import Terminal
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]
_SECONDS: Final = 300


@pytest.fixture
def claude(isolated: Launcher) -> Launcher:
    """The drop-in, as a user calls it."""
    made = isolated.run("shim", "install", str(isolated.place / "bin"))
    assert made.returncode == 0, made.stderr
    isolated.program = [made.stdout.strip()]
    return isolated


def agents(claude: Launcher, *options: str) -> list[dict[str, Any]]:
    done = claude.run("agents", "--json", *options)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def asked(api: MessagesApi, words: str) -> bool:
    return words in json.dumps([request["messages"] for request in api.requests])


def test_the_drop_in_does_what_claude_says(
    claude: Launcher, tmp_path: Path, api: MessagesApi
) -> None:
    api.reply_with(Text("What was asked for."))
    begun = claude.run("--bg", "tell me", "--name", "one")
    assert begun.returncode == 0, begun.stderr
    first, *lines = begun.stdout.splitlines()
    short = first.removeprefix("backgrounded · ")
    assert [line.split()[:3] for line in lines[1:]] == [
        ["claude", verb, short] for verb in ("attach", "logs", "stop")
    ]
    wait_until(lambda: asked(api, "tell me"), "its prompt")

    (one,) = agents(claude, "--cwd", str(claude.project))
    assert (one["id"], one["kind"], one["state"]) == (short, "background", "working")
    assert one["cwd"] == str(claude.project)
    assert agents(claude, "--cwd", str(claude.place / "bin")) == []
    argv = claude.argv("attach", short)
    with Terminal(tmp_path / "one", argv, cwd=claude.project).start(claude.environment) as terminal:
        terminal.wait_for("What was asked for.")
        terminal.type("C-\\")
        terminal.wait_for("exit=0")
    assert claude.run("rm", short).returncode == 75
    assert "asked" in claude.run("logs", short).stdout
    stopped = claude.run("stop", short)
    assert (stopped.returncode, stopped.stdout) == (0, f"stopped {one['name']}\n")

    wait_until(lambda: agents(claude) == [], "its end")
    assert [found["state"] for found in agents(claude, "--all")] == ["stopped"]
    assert claude.run("rm", short).returncode == 0
    assert agents(claude, "--all") == []
    assert claude.run("logs", short).returncode == 66
    assert containers_of(claude.project) == []


def test_what_is_piped_in_belongs_to_the_prompt(isolated: Launcher, api: MessagesApi) -> None:
    begun = isolated.run("run", "--", "--bg", "look at", text="these lines\n")
    assert begun.returncode == 0, begun.stderr
    assert begun.stdout.splitlines()[2].split()[:2] == ["pinnace", "attach"]
    wait_until(lambda: asked(api, "look at\\nthese lines"), "its prompt")

    (row,) = json.loads(isolated.run("ps", "--json").stdout)["result"]
    assert (row["detached"], row["launcher"]) == (True, "alive")
    assert isolated.run("--", "stop", row["name"]).returncode == 0
    assert isolated.run("wait", row["name"]).returncode == 143


def test_an_input_that_nobody_writes_to_keeps_none_waiting(
    claude: Launcher, api: MessagesApi
) -> None:
    child = claude.start("--bg", "say hello", stdin=subprocess.PIPE)
    assert child.stdout is not None
    said = child.stdout.read()
    assert child.wait(_SECONDS) == 0
    wait_until(lambda: asked(api, "say hello"), "its prompt")
    assert claude.run("stop", said.split()[2]).returncode == 0


def test_what_there_is_no_terminal_for_is_refused(claude: Launcher, api: MessagesApi) -> None:
    for arguments in (["-p", "--bg", "x"], ["daemon", "status"], ["respawn", "--all"], ["stop"]):
        done = claude.run(*arguments)
        assert (done.returncode, done.stdout) == (64, "")
        assert "hint: " in done.stderr
    assert api.requests == []


def test_what_would_be_lost_inside_is_refused_there(
    isolated: Launcher, tmp_path: Path, api: MessagesApi
) -> None:
    api.reply_with(ToolUse("Bash", {"command": "claude --bg more 2>&1; true"}), Text("It is done."))
    mode = ("--permission-mode", "default", "--allowedTools", "Bash")
    argv = isolated.argv("run", "--", *mode, "--", "go on")

    with Terminal(tmp_path / "one", argv, cwd=isolated.project).start(isolated.environment) as one:
        one.wait_for("It is done.")
        one.type("-l", "/background")
        one.wait_for("/background")
        one.type("Enter")
        one.wait_for("Unknown command: /background")
        assert len(containers_of(isolated.project)) == 1
        screen = one.screen()

    assert asked(api, "'--bg' is disabled by"), screen
