"""Each project has a config directory of its own; what is the user's comes in, read-only."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.engine.conftest import VERSION
from tests.support.messages_api import Text
from tests.support.own_projects import config_of, encoded, profile_of, shared_of
from tests.support.tmux import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi


def _inside(launcher: Launcher, script: str) -> str:
    done = launcher.run("shell", text=script)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _another(launcher: Launcher, name: str = "another") -> Launcher:
    project = launcher.place / name
    project.mkdir()
    (project / ".claude-version").write_text(f"{VERSION}\n")
    environment = {**launcher.environment, "PWD": str(project)}
    return replace(launcher, project=project, environment=environment, children=launcher.children)


def test_sessions_are_of_one_project_and_go_on_there(isolated: Launcher, api: MessagesApi) -> None:
    api.reply_with(Text("first answer"), Text("second answer"), Text("of another"))
    first = isolated.run("-p", "first question")
    second = isolated.run("-p", "--continue", "second question")
    other = _another(isolated).run("-p", "--continue", "third question")
    asked = [json.dumps(request["messages"]) for request in api.requests]

    assert [done.returncode for done in (first, second)] == [0, 0], second.stderr
    assert "first question" in asked[1]
    assert "first answer" in asked[1]
    # There is none of its own, and it sees none of others.
    assert all("first question" not in text for text in asked[2:])
    assert other.stdout != "second answer\n"


def test_what_is_the_users_is_in_every_project_and_fresh(
    isolated: Launcher, api: MessagesApi
) -> None:
    profile = profile_of(isolated)
    (profile / "agents").mkdir(parents=True)
    (profile / "skills/greet").mkdir(parents=True)
    (profile / "CLAUDE.md").write_text("CANARY-OF-THE-USER\n")
    (profile / "agents/helper.md").write_text(
        "---\nname: helper\ndescription: canary-agent\n---\nHelp.\n"
    )
    (profile / "skills/greet/SKILL.md").write_text(
        "---\nname: greet\ndescription: canary-skill\n---\nGreet.\n"
    )
    (profile / "settings.json").write_text('{"env": {"CANARY": "from-settings"}}')
    for launcher in (isolated, _another(isolated)):
        assert launcher.run("-p", "hi").returncode == 0
        sent = json.dumps(api.requests[-1])
        assert "CANARY-OF-THE-USER" in sent
        assert "canary-agent" in sent
        assert "canary-skill" in sent
    (profile / "CLAUDE.md").write_text("CANARY-CHANGED\n")
    assert isolated.run("-p", "hi").returncode == 0

    assert "CANARY-CHANGED" in json.dumps(api.requests[-1])


def test_none_of_it_can_be_written_inside(isolated: Launcher) -> None:
    said = _inside(
        isolated,
        "cd ~/.claude; for one in agents commands hooks output-styles rules skills workflows; "
        "do touch $one/x 2>&1; rm -rf $one 2>&1; mv $one y 2>&1; done; "
        "echo x 2>&1 >>CLAUDE.md; rm -f CLAUDE.md 2>&1; mv CLAUDE.md y 2>&1; true",
    )
    profile = profile_of(isolated)

    assert said.count("\n") >= 20, said
    assert {path.name for path in profile.iterdir()} >= {"CLAUDE.md", "agents", "skills"}
    assert not [path for path in profile.rglob("*") if path.is_file() and path.read_bytes()]
    assert not list(profile.rglob("x"))


def test_what_was_chosen_inside_stays_and_stays_there(isolated: Launcher) -> None:
    profile = profile_of(isolated)
    profile.mkdir(parents=True)
    (profile / "settings.json").write_text('{"theme": "light", "model": "opus"}')
    _inside(isolated, "cd ~/.claude; sed -i s/light/dark/ settings.json")
    (profile / "settings.json").write_text('{"theme": "light", "model": "sonnet"}')
    again = _inside(isolated, "cat ~/.claude/settings.json")
    other = _inside(_another(isolated), "cat ~/.claude/settings.json")

    assert json.loads(again) == {"theme": "dark", "model": "sonnet"}
    assert json.loads(other) == {"theme": "light", "model": "sonnet"}


def test_what_is_chosen_in_the_real_dialogs_stays(isolated: Launcher, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "tmux", isolated.argv(), cwd=isolated.project)
    with terminal.start(isolated.environment):
        terminal.wait_for("\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}")
        terminal.type("/theme", "Enter")
        terminal.wait_for("Light mode")
        terminal.type("Down", "Enter")
        terminal.wait_for("Theme set to")
        terminal.type("C-c")
        terminal.type("C-c")
        terminal.wait_for("exit=0")
    chosen = json.loads((config_of(isolated) / "settings.json").read_text())
    done = isolated.run("-p", "hi")

    assert chosen["theme"] != "dark"
    assert done.returncode == 0, done.stderr
    assert "not approved" not in done.stderr
    assert json.loads((config_of(isolated) / "settings.json").read_text()) == chosen


def test_users_servers_are_in_every_project(isolated: Launcher) -> None:
    profile = profile_of(isolated)
    profile.mkdir(parents=True)
    server = {"command": "cat", "args": []}
    (profile / "mcp.json").write_text(json.dumps({"mcpServers": {"everywhere": server}}))
    added = isolated.run("run", "--", "mcp", "add", "-s", "user", "added", "--", "cat")
    assert added.returncode == 0, added.stderr
    listed = isolated.run("run", "--", "mcp", "list").stdout
    elsewhere = _another(isolated).run("run", "--", "mcp", "list").stdout
    (profile / "mcp.json").unlink()
    later = isolated.run("run", "--", "mcp", "list").stdout

    assert "everywhere" in listed
    assert "added" in listed
    assert "everywhere" in elsewhere
    assert "added" not in elsewhere
    assert "everywhere" not in later
    assert "added" in later


def test_parts_of_the_hosts_own_go_in_on_request(isolated: Launcher, api: MessagesApi) -> None:
    own = isolated.place / "home/.claude"
    (own / "agents").mkdir(parents=True)
    (own / "CLAUDE.md").write_text("CANARY-OF-THE-HOST\n")
    (own / ".credentials.json").write_text('{"canary": "credentials"}')
    settings = {
        "model": "sonnet",
        "apiKeyHelper": "canary-helper",
        "hooks": {"Stop": ["canary-hook"]},
        "env": {"CANARY_TOKEN": "canary-secret", "PLAIN": "plain"},
    }
    (own / "settings.json").write_text(json.dumps(settings))
    without = isolated.run("-p", "hi")
    assert "CANARY-OF-THE-HOST" not in json.dumps(api.requests[-1])
    isolated.environment["PINNACE_CLAUDE_HOME"] = "CLAUDE.md settings.json agents"
    done = isolated.run("-p", "hi")
    seen = _inside(isolated, "cat ~/.claude/settings.json; cat ~/.claude/.credentials.json; true")
    (isolated.project / "pinnace.toml").write_text('[run]\nclaude-home = ["CLAUDE.md"]\n')
    refused = isolated.run("run", "--", "--version")

    assert (without.returncode, done.returncode) == (0, 0), done.stderr
    assert "CANARY-OF-THE-HOST" in json.dumps(api.requests[-1])
    assert json.loads(seen) == {"model": "sonnet", "env": {"PLAIN": "plain"}}
    assert refused.returncode == 78
    assert "in your own settings file alone" in refused.stderr


def _session(number: int, cwd: Path, said: str) -> bytes:
    name = f"{number:08x}-0000-4000-8000-000000000000"
    lines = [
        {
            "type": "user",
            "sessionId": name,
            "cwd": str(cwd),
            "version": VERSION,
            "uuid": f"{number:08x}-1111-4000-8000-000000000000",
            "parentUuid": None,
            "isSidechain": False,
            "userType": "external",
            "timestamp": "2026-11-01T00:00:00Z",
            "message": {"role": "user", "content": said},
        },
        {
            "type": "assistant",
            "sessionId": name,
            "cwd": str(cwd),
            "version": VERSION,
            "uuid": f"{number:08x}-2222-4000-8000-000000000000",
            "parentUuid": f"{number:08x}-1111-4000-8000-000000000000",
            "isSidechain": False,
            "userType": "external",
            "timestamp": "2026-11-01T00:00:01Z",
            "message": {
                "role": "assistant",
                "type": "message",
                "model": "x",
                "id": "msg_1",
                "content": [{"type": "text", "text": "an answer"}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 1, "output_tokens": 1},
            },
        },
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_what_was_shared_before_goes_to_where_it_belongs(
    isolated: Launcher, api: MessagesApi
) -> None:
    other, shared = _another(isolated), shared_of(isolated)
    for number, launcher in enumerate((isolated, other), start=1):
        path = (
            shared
            / "projects"
            / encoded(launcher.project)
            / f"{number:08x}-0000-4000-8000-000000000000.jsonl"
        )
        path.parent.mkdir(parents=True)
        path.write_bytes(_session(number, launcher.project, f"canary-of-{launcher.project.name}"))
    (shared / "CLAUDE.md").write_text("CANARY-OF-THE-USER\n")
    (shared / "settings.json").write_text('{"theme": "light"}')
    (shared / ".claude.json").write_text(
        json.dumps({"numStartups": 7, "mcpServers": {"everywhere": {"command": "cat"}}})
    )
    before = {path: path.read_bytes() for path in shared.rglob("*") if path.is_file()}
    first = isolated.run("-p", "--continue", "and now")
    sent = json.dumps(api.requests[-1])
    resumed = other.run("-p", "--resume", "00000002-0000-4000-8000-000000000000", "and now")
    again = isolated.run("-p", "--continue", "and again")
    state = json.loads((config_of(isolated) / ".claude.json").read_text())

    assert (first.returncode, resumed.returncode, again.returncode) == (0, 0, 0), first.stderr
    assert "canary-of-project" in sent
    assert "canary-of-another" not in sent
    assert "CANARY-OF-THE-USER" in sent
    assert "canary-of-another" in json.dumps(api.requests[1])
    assert "each project has a config directory of its own now" in first.stderr
    assert "config directory of its own" not in again.stderr
    assert state["mcpServers"] == {"everywhere": {"command": "cat"}}
    assert {path: path.read_bytes() for path in before} == before
    assert json.loads((profile_of(isolated) / "settings.json").read_text()) == {"theme": "light"}


def test_two_launches_of_one_project_at_once(isolated: Launcher, api: MessagesApi) -> None:
    api.reply_with(Text("Hello"))
    children = [isolated.start("-p", f"question {number}") for number in range(4)]
    said = [child.communicate(timeout=120) for child in children]
    transcripts = list(config_of(isolated).glob("projects/*/*.jsonl"))

    assert [child.returncode for child in children] == [0] * 4, said
    assert len(transcripts) == 4
