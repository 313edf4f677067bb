"""The main job on the real engine, with the real CLI and a stand-in for the API."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import ONLY_ROOT, VERSION, Launcher, become, containers_of, images_of
from tests.support import pasting
from tests.support.messages_api import ApiError, MessagesApi, Text, ToolUse
from tests.support.tmux import Terminal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("image")
BASH = ("--allowedTools", "Bash")


def test_the_pinned_version_is_what_runs(launcher: Launcher) -> None:
    done = launcher.run("run", "--", "--version")
    assert (done.returncode, done.stdout) == (0, f"{VERSION} (Claude Code)\n")


def test_print_mode_answers(launcher: Launcher) -> None:
    done = launcher.run("run", "--", "-p", "hi")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Hello from the stand-in\n"


def test_a_prompt_on_stdin_gives_only_ndjson_on_stdout(
    launcher: Launcher, api: MessagesApi
) -> None:
    arguments = ["run", "--", "-p", "--output-format", "stream-json", "--verbose"]
    done = launcher.run(*arguments, text="say hi\n")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["type"] == "result"
    assert events[-1]["result"] == "Hello from the stand-in"
    assert "say hi" in json.dumps(api.requests[0]["messages"])


def test_events_arrive_while_the_cli_still_runs(launcher: Launcher, api: MessagesApi) -> None:
    gate = threading.Event()
    api.reply_with(Text("first and the rest", gate=gate))
    options = ["--output-format", "stream-json", "--verbose", "--include-partial-messages"]
    child = launcher.start("run", "--", "-p", "hi", *options)
    assert child.stdout is not None
    kinds = []
    for line in child.stdout:
        event: dict[str, Any] = json.loads(line)
        kinds.append(event["type"])
        if event.get("event", {}).get("type") == "content_block_delta":
            break
    assert child.poll() is None
    assert "result" not in kinds
    gate.set()
    rest, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    assert json.loads(rest.splitlines()[-1])["type"] == "result"


def test_the_interactive_ui_answers_a_message(
    launcher: Launcher, api: MessagesApi, tmp_path: Path
) -> None:
    api.reply_with(Text("Nice to meet you"))
    terminal = Terminal(tmp_path / "tmux", launcher.argv(), cwd=launcher.project)
    with terminal.start(launcher.environment):
        # No onboarding, no trust dialog, no question about the key: the prompt at once.
        terminal.wait_for("\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}")
        terminal.type("hello", "Enter")
        terminal.wait_for("Nice to meet you")
        terminal.type("C-c")
        terminal.type("C-c")
        terminal.wait_for("exit=0")
    assert containers_of(launcher.project) == []


def test_ctrl_z_does_not_hang_the_terminal_and_sigterm_still_ends_it(
    launcher: Launcher, api: MessagesApi, tmp_path: Path
) -> None:
    api.reply_with(Text("Still here"))
    argv = ["sh", "-c", 'echo $$ > pid; exec "$@"', "sh", *launcher.argv()]
    terminal = Terminal(tmp_path / "tmux", argv, cwd=launcher.project)
    with terminal.start(launcher.environment):
        terminal.wait_for("\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}")
        terminal.type("C-z")
        terminal.type("hello", "Enter")
        terminal.wait_for("Still here")
        # Docker's keys for detaching are keys like any other.
        terminal.type("C-p", "C-q")
        assert containers_of(launcher.project)
        os.kill(int((launcher.project / "pid").read_text()), signal.SIGTERM)
        terminal.wait_for("exit=143")
    wait_until(lambda: containers_of(launcher.project) == [], "the container goes")


def test_a_file_made_by_a_tool_belongs_to_the_hosts_user(
    launcher: Launcher, api: MessagesApi
) -> None:
    api.reply_with(ToolUse("Bash", {"command": "echo made > made.txt", "description": "make"}))
    done = launcher.run("run", "--", "-p", "make a file", *BASH)
    assert done.returncode == 0, done.stderr + done.stdout
    made = launcher.project / "made.txt"
    assert made.read_text(encoding="utf-8") == "made\n"
    assert (made.stat().st_uid, made.stat().st_gid) == (os.getuid(), os.getgid())


@ONLY_ROOT
def test_started_by_root_files_belong_to_the_workspaces_owner(
    launcher: Launcher, api: MessagesApi
) -> None:
    os.chown(launcher.project, 54321, 65000)
    api.reply_with(ToolUse("Bash", {"command": "id > made.txt", "description": "make"}))
    done = launcher.run("run", "--", "-p", "make a file", *BASH)
    assert done.returncode == 0, done.stderr + done.stdout
    made = launcher.project / "made.txt"
    assert (made.stat().st_uid, made.stat().st_gid) == (54321, 65000)
    assert "running as the workspace's owner" in done.stderr


@ONLY_ROOT
def test_any_user_can_launch(launcher: Launcher, api: MessagesApi) -> None:
    uid, gid = 54321, 65000
    for place in (launcher.project, Path(launcher.environment["HOME"])):
        os.chown(place, uid, gid)
    become(launcher, uid, gid)
    command = 'id -un; git init -q . && touch "$HOME/writable"; cat /proc/self/status > status'
    api.reply_with(ToolUse("Bash", {"command": command, "description": "look"}))
    done = launcher.run("run", "--", "-p", "look", *BASH)
    assert done.returncode == 0, done.stderr + done.stdout
    status = (launcher.project / "status").read_text(encoding="utf-8")
    assert f"Uid:\t{uid}\t{uid}" in status
    assert (launcher.project / ".git").stat().st_uid == uid
    assert "agent" in json.dumps(api.requests[-1]["messages"])


def test_the_exit_code_of_a_failing_cli_is_ours(launcher: Launcher, api: MessagesApi) -> None:
    api.reply_with(ApiError(403, "permission_error", "not allowed"))
    assert launcher.run("run", "--", "-p", "hi").returncode == 1
    assert launcher.run("run", "--", "--no-such-option").returncode == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"]
)
def test_a_signal_ends_claude_and_its_container(
    launcher: Launcher, api: MessagesApi, number: signal.Signals, code: int
) -> None:
    api.reply_with(Text("never finished", gate=threading.Event()))
    child = launcher.start("run", "--", "-p", "hi", start_new_session=True)
    wait_until(lambda: bool(api.requests), "the CLI asks the API")
    child.send_signal(number)
    child.communicate(timeout=60)
    assert child.returncode == code
    wait_until(lambda: containers_of(launcher.project) == [], "the container goes")


def test_ctrl_c_at_a_terminal_with_piped_output_ends_everything(
    launcher: Launcher, api: MessagesApi, tmp_path: Path
) -> None:
    api.reply_with(Text("never finished", gate=threading.Event()))
    inner = shlex.join(launcher.argv("run", "--", "-p", "hi"))
    terminal = Terminal(tmp_path / "tmux", ["sh", "-c", f"{inner} >out"], cwd=launcher.project)
    with terminal.start(launcher.environment):
        wait_until(lambda: bool(api.requests), "the CLI asks the API")
        terminal.type("C-c")
        wait_until(lambda: containers_of(launcher.project) == [], "the container goes")
        terminal.wait_for("exit=130")


def test_the_second_launch_builds_nothing(launcher: Launcher, other: str) -> None:
    command = ("run", "--claude-version", other, "--", "--version")
    assert "building" in launcher.run(*command).stderr
    before = images_of(other)
    done = launcher.run(*command)
    assert done.returncode == 0
    assert "building" not in done.stderr
    assert images_of(other) == before


def test_the_printed_line_can_be_pasted(launcher: Launcher) -> None:
    line = launcher.printed(claude=("--", "--version"))
    assert launcher.environment["ANTHROPIC_API_KEY"] not in line
    done = launcher.paste(line)
    assert done.stdout == f"{VERSION} (Claude Code)\n"


def test_claude_is_contained(launcher: Launcher, image: str) -> None:
    line = pasting.words(launcher.printed())
    commands = [
        "grep -E '^(CapEff|CapBnd|NoNewPrivs):' /proc/self/status",
        "touch /opt/claude/x /etc/x /x 2>/dev/null && echo WRITABLE",
        "touch /tmp/x /home/agent/x /home/agent/.claude/x && echo scratch",
        "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null",
        "cat /proc/1/comm",
    ]
    script = "; ".join(commands)
    argv = [*line[: line.index(image) + 1], "sh", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    facts = done.stdout
    assert "CapEff:\t0000000000000000" in facts
    assert "CapBnd:\t0000000000000000" in facts
    assert "NoNewPrivs:\t1" in facts
    assert "WRITABLE" not in facts
    assert "scratch" in facts
    assert str(8 << 30) in facts
    assert "init" in facts
