"""`pinnace auth`, and profiles that many launches use at once."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.at_terminal import at_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.conftest import Machine


def _profile(machine: Machine, name: str = "default") -> Path:
    return machine.project.parent / "home/.config/pinnace/profiles" / name


def _log_in(machine: Machine, name: str = "default") -> Path:
    """Leave a login where 0.1 had it."""
    shared = machine.project.parent / "home/.local/share/pinnace/claude" / name
    path = shared / ".credentials.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"claudeAiOauth": {"accessToken": "x", "subscriptionType": "pro"}}))
    return path


def test_status_tells_what_is_taken(machine: Machine) -> None:
    _log_in(machine, "work")
    found = machine.pinnace("auth", "status", "--profile", "work").stdout.decode()

    assert "login: profile, subscription pro" in found
    found = machine.pinnace(
        "auth", "status", environment={"ANTHROPIC_API_KEY": "k"}
    ).stdout.decode()
    assert "ANTHROPIC_API_KEY: environment, set" in found


def test_status_as_json_has_an_envelope(machine: Machine) -> None:
    document = json.loads(machine.pinnace("auth", "status", "--json").stdout)

    assert (document["schema"], document["ok"]) == (1, True)
    assert document["result"]["taken"] is None
    assert document["result"]["directory"] == str(_profile(machine))


def test_a_bad_profile_is_a_usage_error(machine: Machine) -> None:
    done = machine.pinnace("auth", "status", "--json", "--profile", "a/b")

    assert done.returncode == 64
    assert json.loads(done.stdout)["error"]["kind"] == "UsageError"


def test_profiles_are_listed_with_their_logins(machine: Machine) -> None:
    _log_in(machine, "work")
    _profile(machine, "other").mkdir(parents=True)
    document = json.loads(machine.pinnace("auth", "list", "--json").stdout)

    assert document["result"]["profiles"] == [
        {"profile": "other", "login": False},
        {"profile": "work", "login": True},
    ]


@pytest.mark.parametrize(("answer", "removed"), [(b"y\n", True), (b"n\n", False), (b"", False)])
def test_a_logout_asks_first(machine: Machine, answer: bytes, *, removed: bool) -> None:
    path = _log_in(machine)
    (path.parent / "settings.json").write_text("{}")
    done = machine.pinnace("auth", "logout", stdin=answer)

    assert path.exists() is not removed
    assert (path.parent / "settings.json").exists()
    assert (done.returncode == 0) is removed
    assert machine.pinnace("auth", "logout", "--yes").returncode == 0
    assert not path.exists()


def test_a_login_needs_a_terminal(machine: Machine) -> None:
    done = machine.pinnace("auth", "login")

    assert done.returncode == 64
    assert b"setup-token" in done.stderr


def _log_in_at_a_terminal(machine: Machine, *arguments: str) -> tuple[int, str]:
    argv = [sys.executable, "-m", "pinnace", "auth", "login", *arguments]
    environment = machine.environment | {"ANTHROPIC_API_KEY": "canary-key", "MY_TOKEN": "canary"}
    with at_terminal(argv, machine.project, environment) as started:
        return started.wait(), started.said


def test_a_login_is_kept_outside_and_claude_sees_placeholders(machine: Machine) -> None:
    made = {"accessToken": "canary-access", "refreshToken": "canary-renews", "expiresAt": 10**13}
    account = {"oauthAccount": {"emailAddress": "me@example.com"}}
    machine.docker.will(
        "run",
        writes={
            ".credentials.json": json.dumps({"claudeAiOauth": made}),
            ".claude.json": json.dumps(account),
        },
    )
    code, said = _log_in_at_a_terminal(machine, "--profile", "work")
    state = machine.project.parent / "home/.local/state/pinnace/logins"
    assert code == 0, said
    assert "isolation is open" not in said
    assert json.loads((state / "work.json").read_text()) == {"claudeAiOauth": made, **account}
    assert {path.name for path in state.iterdir()} <= {"work.json", "work.lock"}
    (call,) = machine.docker.calls("run")
    assert str(machine.project) not in " ".join(call)
    assert "canary" not in " ".join(call)
    assert call[-2:] == ["auth", "login"]
    (ran,) = [one for one in machine.docker.log("call") if one["command"] == "run"]
    assert not [word for word in call if "MY_TOKEN" in word or "ANTHROPIC_API_KEY" in word]
    assert "ANTHROPIC_API_KEY" not in ran["environment"]
    machine.docker.will("run")
    again = machine.pinnace("run", "--profile", "work")
    assert again.returncode == 0, again.stderr.decode()
    (config,) = machine.project.parent.glob("home/.local/share/pinnace/projects/*/work")
    assert "canary" not in (config / ".credentials.json").read_text()
    assert "me@example.com" in (config / ".claude.json").read_text()


@pytest.mark.parametrize("code", [0, 1])
def test_a_login_that_fails_leaves_the_one_before(machine: Machine, code: int) -> None:
    state = machine.project.parent / "home/.local/state/pinnace/logins"
    state.mkdir(parents=True)
    before = json.dumps({"claudeAiOauth": {"accessToken": "x", "refreshToken": "y"}})
    (state / "default.json").write_text(before)
    machine.docker.will("run", code=code)
    found, _ = _log_in_at_a_terminal(machine)

    assert found == 1
    assert (state / "default.json").read_text() == before
    assert [path.name for path in state.iterdir() if path.name.startswith(".new-")] == []


def test_twenty_launches_at_once_keep_one_directory_whole(machine: Machine) -> None:
    machine.pinnace("run")  # verified once, so that the rest only prepares
    code = """
import os, sys
from pathlib import Path
from pinnace.agent.claude_config import ClaudeConfig
ClaudeConfig(
    Path(sys.argv[1]), lock=Path(sys.argv[2]), workdir=sys.argv[3], key_suffix=sys.argv[3],
    bypass=False, owner=None,
).prepare()
"""
    directory, lock = machine.project.parent / "own", machine.project.parent / "state" / "lock"
    projects = [f"/srv/project-{number}" for number in range(20)]
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(directory), str(lock), project])
        for project in projects
    ]
    assert [child.wait(60) for child in started] == [0] * 20
    state = json.loads((directory / ".claude.json").read_text())

    assert set(projects) <= set(state["projects"])
    assert set(projects) <= set(state["customApiKeyResponses"]["approved"])
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert sorted(p.name for p in directory.iterdir()) == [".claude.json"]
