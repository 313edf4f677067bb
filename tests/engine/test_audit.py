"""The audit record of real launches: what it says is what was."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.conftest import VERSION, containers_of, docker
from tests.support.messages_api import Text, ToolUse
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = pytest.mark.promise()
_BYPASS = "--dangerously-skip-permissions"


def _entries(launcher: Launcher) -> list[dict[str, Any]]:
    path = Path(launcher.environment["HOME"], ".local/state/pinnace/audit/log.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _commit(directory: Path) -> str:
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example", "-C", str(directory)]
    if not (directory / ".git").exists():
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.promise(each=True)
def test_a_launch_is_recorded_as_it_was(isolated: Launcher, api: MessagesApi, image: str) -> None:
    (isolated.project / "went.txt").touch()
    before = _commit(isolated.project)
    commands = "rm went.txt; git -c user.name=n -c user.email=e@x commit -q --allow-empty -m second"
    api.reply_with(
        ToolUse("Bash", {"command": f"{commands}; curl -s https://refused.example; true"}),
        ToolUse("Write", {"file_path": f"{isolated.project}/made.txt", "content": "x"}),
        Text("done"),
    )

    done = isolated.run("run", "--", "-p", "do it", "--model", "opus", _BYPASS)

    assert done.returncode == 0, done.stderr
    started, ended = _entries(isolated)
    label = docker("image", "inspect", "--format={{json .Config.Labels}}", image)
    sha256 = json.loads(label)["pinnace.claude.sha256"]
    assert started["image"]["id"] == image
    assert started["claude"] == {"version": VERSION, "sha256": sha256, "verified": True}
    assert (started["commit"], ended["commit"]) == (before, _commit(isolated.project))
    assert before != ended["commit"]
    assert set(started["arguments"]) >= {"-p", "--model", "opus", _BYPASS}
    assert "do it" not in started["arguments"]
    assert started["consent"]["bypass_permissions"] is True
    assert started["isolation"]["network"] == "none"
    assert "github" in started["network"]["allow"]
    assert ended["network"]["refused"] == {"refused.example:443": 1}
    assert "made.txt" in ended["files"]["changed"]
    assert ended["files"]["deleted"] == {"names": ["went.txt"], "count": 1, "complete": True}
    assert ended["resources"]["cpu_seconds"] > 0
    assert ended["resources"]["memory_peak"] > 1 << 20
    assert ended["resources"]["oom_kills"] == 0
    assert ended["claimed"]["tool_calls"] == {"Bash": 1, "Write": 1}
    assert ended["claimed"]["files"] == [f"{isolated.project}/made.txt"]
    (transcript,) = ended["transcripts"]
    content = Path(transcript["path"]).read_bytes()
    assert transcript["sha256"] == hashlib.sha256(content).hexdigest()
    shown = isolated.run("audit", "show").stdout
    assert "as it was" in shown
    assert "claimed" in shown
    assert "https://refused.example" in shown
    assert isolated.run("audit", "verify").returncode == 0


def test_memory_that_ran_out_is_recorded_though_the_launch_succeeded(
    isolated: Launcher, api: MessagesApi
) -> None:
    # What a program of the launch was killed for is no failure of the launch's.
    eater = "x=$(head -c 900m /dev/zero | tr '\\0' x)"
    api.reply_with(ToolUse("Bash", {"command": f'bash -c "{eater}"; true'}), Text("done"))

    done = isolated.run("run", "--memory", "700m", "--", "-p", "do it", _BYPASS)

    assert done.returncode == 0, done.stderr
    resources = _entries(isolated)[-1]["resources"]
    assert resources["oom_kills"] >= 1
    assert resources["memory_peak"] > 600 << 20
    assert "killed because memory ran out" in isolated.run("audit", "show").stdout


@pytest.mark.promise(apart={"detached": "one whose command is killed goes on"})
def test_commands_in_a_launch_and_a_killed_launcher_are_in_it(isolated: Launcher) -> None:
    child = isolated.start("shell", stdin=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("echo ready\n")
    child.stdin.flush()
    assert child.stdout.readline() == "ready\n"

    assert isolated.run("exec", "--", "sh", "-c", "exit 3").returncode == 3
    inside = isolated.run("shell", text="exit 4")
    assert inside.returncode == 4
    child.kill()
    child.wait()
    wait_until(
        lambda: (
            isolated.run("run", "--", "--version").returncode == 0
            and any(entry.get("found_later") for entry in _entries(isolated))
        ),
        "the end of the killed launch is not noted",
    )

    found = _entries(isolated)
    launch = found[0]["launch"]
    assert [(e["kind"], e["verb"], e["launch"] == launch) for e in found[:5]] == [
        ("started", "shell", True),
        ("started", "exec", True),
        ("ended", "exec", True),
        ("started", "shell", True),
        ("ended", "shell", True),
    ]
    assert (found[2]["exit"], found[4]["exit"]) == (3, 4)
    (later,) = [entry for entry in found if entry.get("found_later")]
    assert (later["of"], "exit" in later) == (1, False)
    wait_until(lambda: containers_of(isolated.project) == [], "the container is not removed")
    assert isolated.run("audit", "verify").returncode == 0
