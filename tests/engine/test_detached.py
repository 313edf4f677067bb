"""`--detach`: what nobody waits for goes on, is followed, attached to, ended and asked later."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pinnace import Detached, Pinnace
from pinnace_core.errors import UsageError
from tests.engine.conftest import containers_of
from tests.support.messages_api import Text, ToolUse
from tests.support.tmux import Terminal
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]
_SECONDS = 300


def detached(launcher: Launcher, *arguments: str, text: str = "") -> str:
    done = launcher.run("run", "--detach", *arguments, text=text)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def one_ended(launcher: Launcher) -> dict[str, Any]:
    (row,) = json.loads(launcher.run("ps", "--ended", "--json").stdout)["result"]
    found: dict[str, Any] = row
    return found


def test_it_goes_on_by_itself_and_is_asked_later(isolated: Launcher, api: MessagesApi) -> None:
    gate = threading.Event()
    api.reply_with(ToolUse("Bash", {"command": "cat"}), Text("the whole answer", gate=gate))

    name = detached(isolated, "-p", "--allowedTools", "Bash", text="from standard input")
    try:
        (row,) = json.loads(isolated.run("ps", "--json").stdout)["result"]
        assert (row["name"], row["detached"], row["launcher"]) == (name, True, "alive")
        early = isolated.run("result", name)
        assert (early.returncode, "still running" in early.stderr) == (75, True)
        following = isolated.start("logs", "-f", name)
    finally:
        gate.set()
    said, _ = following.communicate(timeout=_SECONDS)
    waited = isolated.run("wait", name)

    assert said.count("the whole answer") == 1
    assert "> Bash: cat" in said
    assert waited.returncode == 0
    assert isolated.run("result").stdout == "the whole answer\n"
    assert "the whole answer" in isolated.run("logs").stdout
    result = json.loads(isolated.run("result", "--json", name).stdout)["result"]
    assert result["session_id"]
    assert (result["state"], result["exit_code"]) == ("ended", 0)
    assert one_ended(isolated)["name"] == name
    raw = isolated.run("logs", "--raw", name).stdout.splitlines()
    assert json.loads(raw[-1])["type"] == "result"
    assert "from standard input" in str(api.requests)
    assert containers_of(isolated.project) == []
    audit = json.loads(isolated.run("audit", "show", name, "--json").stdout)["result"]
    assert audit["ended"]["exit"] == 0


def test_a_terminal_is_attached_left_and_attached_again(
    isolated: Launcher, tmp_path: Path, api: MessagesApi
) -> None:
    api.reply_with(Text("What was asked for."))
    name = detached(isolated)
    argv = isolated.argv("attach", name)

    with Terminal(tmp_path / "one", argv, cwd=isolated.project).start(isolated.environment) as one:
        one.wait_for("mode on")
        one.type("-l", "tell me")
        one.wait_for("tell me")
        one.type("Enter")
        one.wait_for("What was asked for.")
        one.type("C-\\")
        one.wait_for("exit=0")
    assert json.loads(isolated.run("ps", "--json").stdout)["result"][0]["state"] == "running"
    with Terminal(tmp_path / "two", argv, cwd=isolated.project).start(isolated.environment) as two:
        two.wait_for("What was asked for.")
        stopped = isolated.run("stop", name)
        assert stopped.returncode == 0, stopped.stderr
        two.wait_for("exit=143")

    assert isolated.run("wait", name).returncode == 143
    # Words as a terminal got them: it moves its cursor between them.
    assert "asked" in isolated.run("logs", name).stdout
    ended = isolated.run("attach", name)
    assert ended.returncode == 64


def test_it_outlives_the_terminal_that_it_was_started_from(
    isolated: Launcher, tmp_path: Path, api: MessagesApi
) -> None:
    gate = threading.Event()
    api.reply_with(Text("an answer", gate=gate))
    argv = isolated.argv("run", "--detach", "-p", "go on")
    with Terminal(tmp_path / "tmux", argv, cwd=isolated.project).start(
        isolated.environment
    ) as terminal:
        terminal.wait_for("exit=0")
    gate.set()

    assert isolated.run("wait").returncode == 0
    assert isolated.run("result").stdout == "an answer\n"


def test_one_whose_keeper_is_killed_ends_and_says_so(isolated: Launcher, api: MessagesApi) -> None:
    gate = threading.Event()
    api.reply_with(Text("never", gate=gate))
    name = detached(isolated, "-p", "go on")
    try:
        found = subprocess.run(
            ["docker", "inspect", "--format", '{{index .Config.Labels "pinnace.run.pid"}}', name],
            check=True,
            capture_output=True,
            text=True,
        )
        keeper = int(found.stdout)
        assert b"pinnace.launch.keeper" in Path(f"/proc/{keeper}/cmdline").read_bytes()
        os.kill(keeper, signal.SIGKILL)
        waited = isolated.run("wait", name)
        wait_until(lambda: containers_of(isolated.project) == [], "its end", seconds=120)
    finally:
        gate.set()

    assert waited.returncode == 70
    assert "its keeper was killed" in waited.stderr
    assert one_ended(isolated)["state"] == "lost"


def test_what_cannot_start_says_why_at_once(isolated: Launcher) -> None:
    done = isolated.run("run", "--detach", "--claude-version", "0.0.1", "-p", "x")
    assert done.returncode == 65, done.stderr
    assert done.stdout == ""
    assert "pinnace: error: " in done.stderr
    assert json.loads(isolated.run("ps", "--ended", "--json").stdout)["result"] == []
    assert isolated.run("wait").returncode == 66


def test_a_prompt_file_is_detached_too(isolated: Launcher, api: MessagesApi) -> None:
    (isolated.project / "ask.md").write_text("Look at {{ what }}.\n", encoding="utf-8")
    name = detached(isolated, "--prompt", "ask.md", "--data", "what=it", "-p")
    assert isolated.run("wait", name).returncode == 0
    assert "Look at it." in str(api.requests)


def test_a_program_detaches_and_finds_it_again(box: Pinnace, api: MessagesApi) -> None:

    async def main() -> None:
        name = (await box.detached("go on", system="MARK")).name
        job = Detached.find(name)
        result = await job.result()
        assert result.text == "Hello from the stand-in"
        assert (result.cli_version, job.state) == ("2.1.330", "ended")
        kinds = [event.type async for event in job.events()]
        assert kinds[-1] == "result"
        with pytest.raises(UsageError):
            await box.detached("go on", hooks={"PreToolUse": []}, can_use_tool=_never)

    anyio.run(main, backend="trio")
    assert "MARK" in str(api.requests)


async def _never(_: object) -> bool:
    return False
