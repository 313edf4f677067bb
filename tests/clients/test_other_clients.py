"""Clients that no registry has, by their own ways of starting `claude`; docs/clients.md names them.

Each test says which way that is, and where it was read.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.engine.conftest import VERSION, containers_of
from tests.support.git import git
from tests.support.messages_api import Text, ToolUse
from tests.support.tmux import Terminal
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

_PATIENCE_SECONDS: Final = 120
_READY: Final = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
# crates/executors/src/executors/claude.rs of vibe-kanban, behind its `base_command_override`.
_VIBE_KANBAN: Final = (
    *("-p", "--permission-prompt-tool=stdio", "--permission-mode=bypassPermissions", "--verbose"),
    *("--output-format=stream-json", "--input-format=stream-json", "--include-partial-messages"),
    "--disallowedTools=AskUserQuestion",
)
_APPROVED: Final = {"matcher": "^(?!(Glob|Grep|Read)$).*", "hookCallbackIds": ["tool_approval"]}
# src-tauri/src/claude_binary.rs of opcode: all that it passes on.
_OPCODE_PASSES: Final = frozenset({"PATH", "HOME", "USER", "SHELL", "LANG", "LC_ALL"})


def test_claude_squad(claude: Path, isolated: Launcher, api: MessagesApi, tmp_path: Path) -> None:
    """It starts its `program` in a pane of tmux, in a worktree; keys are typed into that.

    session/tmux/tmux.go, session/git: https://github.com/smtg-ai/claude-squad
    """
    project, worktree = isolated.project, isolated.place / "worktrees" / "task"
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    git(project, "worktree", "add", "-q", "-b", "task", str(worktree))
    commit = "git -c user.name=n -c user.email=e@e.example commit -qm two --allow-empty"
    api.reply_with(ToolUse("Bash", {"command": commit}), Text("It is committed"))
    program = [str(claude), "--permission-mode", "default"]
    pane = Terminal(tmp_path / "tmux", program, cwd=worktree)

    with pane.start(isolated.environment) as one:
        one.wait_for(_READY)
        one.type("commit it", "Enter")
        wait_until(lambda: _is_done(one), "it is committed")
        one.type("C-c")
        one.type("C-c")
        one.wait_for("exit=0")

    log = subprocess.run(
        ["git", "log", "--format=%s", "task"], cwd=project, check=True, capture_output=True
    )
    assert log.stdout == b"two\nfirst\n"
    assert containers_of(worktree) == []


def _is_done(pane: Terminal) -> bool:
    """Agree where the screen asks, and again, as Claude passes over early keys; tell the end."""
    screen = pane.screen()
    if "1. Yes" in screen:
        pane.type("Enter")
    return "It is committed" in screen


def test_jetbrains(claude: Path, isolated: Launcher, api: MessagesApi, tmp_path: Path) -> None:
    """It types its *Claude command* into a shell in the terminal of the editor.

    https://code.claude.com/docs/en/jetbrains; the port is that of the editor's own server.
    """
    editor = {
        "TERMINAL_EMULATOR": "JetBrains-JediTerm",
        "CLAUDE_CODE_SSE_PORT": "9",
        "ENABLE_IDE_INTEGRATION": "true",
    }
    api.reply_with(Text("Nice to meet you"))
    shell = Terminal(tmp_path / "tmux", ["bash", "--norc"], cwd=isolated.project)

    with shell.start({**isolated.environment, **editor}) as one:
        one.type(str(claude), "Enter")
        one.wait_for(_READY)
        one.type("hello", "Enter")
        one.wait_for("Nice to meet you")
        one.type("C-c")
        one.type("C-c")
        wait_until(lambda: containers_of(isolated.project) == [], "the container goes")


def test_opcode(claude: Path, isolated: Launcher, api: MessagesApi) -> None:
    """It compares versions, and passes few variables on: a key has to come from the settings.

    src-tauri/src/claude_binary.rs, commands/claude.rs: https://github.com/winfunc/opcode
    """
    home = isolated.place / "home"
    settings = home / ".config" / "pinnace" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[auth]\nkey-helper = "echo sk-ant-of-the-helper"\n')
    # What only a test needs, beside what it passes on.
    ours = ("XDG_CACHE_HOME", "PINNACE_ISOLATION", "ANTHROPIC_BASE_URL")
    passed = {k: v for k, v in isolated.environment.items() if k in {*_OPCODE_PASSES, *ours}}
    api.reply_with(ToolUse("Bash", {"command": "touch made"}), Text("It is made"))
    options = ("--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions")

    def run(*words: str) -> str:
        done = subprocess.run(
            [claude, *words],
            cwd=isolated.project,
            env=passed,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert run("--version") == f"{VERSION} (Claude Code)\n"
    said = [
        json.loads(line) for line in run("-p", "go on", "--model", "sonnet", *options).splitlines()
    ]

    assert said[0]["subtype"] == "init"
    assert said[-1]["result"] == "It is made"
    assert (isolated.project / "made").exists()
    assert {one.get("x-api-key") for one in api.headers} == {"sk-ant-of-the-helper"}
    again = run("--resume", said[-1]["session_id"], "-p", "and now?", *options)
    assert json.loads(again.splitlines()[-1])["session_id"] == said[-1]["session_id"]
    assert "go on" in str(api.requests[-1]["messages"])


class _Peer:
    """What vibe-kanban says to the Claude that it has started, and hears."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        self.asked: list[str] = []

    def send(self, message: dict[str, Any]) -> None:
        assert self.child.stdin
        self.child.stdin.write(f"{json.dumps(message)}\n")
        self.child.stdin.flush()

    def request(self, **request: Any) -> None:
        """Ask for something; wait for the answer."""
        identity = str(request["subtype"])
        self.send({"type": "control_request", "request_id": identity, "request": request})
        answer = self.until("control_response")["response"]
        assert (answer["request_id"], answer["subtype"]) == (identity, "success")

    def until(self, kind: str) -> dict[str, Any]:
        """Return the next message of a kind; allow what is asked for meanwhile."""
        assert self.child.stdout
        for line in self.child.stdout:
            message: dict[str, Any] = json.loads(line)
            if message["type"] == "control_request":
                self._allow(message)
            if message["type"] == kind:
                return message
        raise AssertionError(f"it ended with {self.child.wait()}: {self.child.stderr}")

    def _allow(self, message: dict[str, Any]) -> None:
        request = message["request"]
        self.asked.append(request["subtype"])
        decision = {"hookEventName": "PreToolUse", "permissionDecision": "allow"}
        answers = {
            "hook_callback": {"hookSpecificOutput": decision},
            "can_use_tool": {"behavior": "allow", "updatedInput": request.get("input")},
        }
        response = {"subtype": "success", "request_id": message["request_id"]}
        answer = {**response, "response": answers[request["subtype"]]}
        self.send({"type": "control_response", "response": answer})

    def say(self, text: str) -> dict[str, Any]:
        """Say something; return the result."""
        self.send({"type": "user", "message": {"role": "user", "content": text}})
        return self.until("result")


@contextmanager
def _vibe_kanban(claude: Path, isolated: Launcher, *more: str) -> Iterator[_Peer]:
    """Start it as its own group, which is killed in the end."""
    child = subprocess.Popen(
        [claude, *_VIBE_KANBAN, *more],
        cwd=isolated.project,
        env=isolated.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        peer = _Peer(child)
        peer.request(subtype="initialize", hooks={"PreToolUse": [_APPROVED]})
        peer.request(subtype="set_permission_mode", mode="default")
        yield peer
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def test_vibe_kanban(claude: Path, isolated: Launcher, api: MessagesApi) -> None:
    """It speaks the control protocol, follows up by forks, and kills the group when it is done."""
    written = isolated.project / "word.txt"
    api.reply_with(
        ToolUse("Write", {"file_path": str(written), "content": "a word\n"}), Text("written")
    )
    with _vibe_kanban(claude, isolated) as peer:
        result = peer.say("Write a word")
        assert result["result"] == "written"
        assert "hook_callback" in peer.asked
    assert written.read_text() == "a word\n"
    wait_until(lambda: containers_of(isolated.project) == [], "the container goes")

    with _vibe_kanban(claude, isolated, "--fork-session", "--resume", result["session_id"]) as peer:
        again = peer.say("And now?")
    assert again["session_id"] != result["session_id"]
    assert "Write a word" in str(api.requests[-1]["messages"])
    wait_until(lambda: containers_of(isolated.project) == [], "the container goes")


def test_claude_code_action(
    claude: Path, isolated: Launcher, api: MessagesApi, packages: Path
) -> None:
    """It has the SDK for TypeScript start what `path_to_claude_code_executable` names.

    base-action/src/parse-sdk-options.ts, run-claude-sdk.ts, the real SDK.
    """
    written = isolated.project / "word.txt"
    api.reply_with(
        ToolUse("Write", {"file_path": str(written), "content": "a word\n"}), Text("written")
    )
    asked = {"claude": str(claude), "cwd": str(isolated.project), "prompt": "Write a word"}
    done = subprocess.run(
        ["node", packages / "action.mjs", json.dumps(asked)],
        env={**isolated.environment, "GITHUB_ACTIONS": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    said = json.loads(done.stdout.splitlines()[-1])

    assert (said["subtype"], said["result"]) == ("success", "written")
    assert written.read_text() == "a word\n"
    # There is no bun inside: the rest goes on without.
    assert [one["name"] for one in said["servers"] if one["status"] == "failed"] == ["github_ci"]
    log = isolated.place / "home" / ".local" / "state" / "pinnace" / "shim" / "notes.log"
    assert "MCP server 'github_ci' runs 'bun', which is not inside" in log.read_text()
    wait_until(lambda: containers_of(isolated.project) == [], "the container goes")


@pytest.mark.parametrize(
    ("command", "code", "said"), [("agents", 0, "nothing goes on"), ("daemon", 64, "hint")]
)
def test_claude_codes_own_wrapper(
    claude: Path, isolated: Launcher, command: str, code: int, said: str
) -> None:
    """CLAUDE_CODE_PROCESS_WRAPPER wraps sessions that live on: here, detached launches.

    https://code.claude.com/docs/en/corporate-launcher
    """
    theirs = isolated.place / "versions" / "claude"
    theirs.parent.mkdir()
    theirs.touch(mode=0o755)
    done = subprocess.run(
        [claude, theirs, command],
        cwd=isolated.project,
        env=isolated.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
