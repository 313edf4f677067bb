"""A project's own config directory: its slot, its files, what the user has in all projects."""

from __future__ import annotations

import json
import os
from binascii import crc32
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.agent import (
    logins,
    places,
    project_config,
    project_state,
    user_parts,
    user_settings,
)
from pinnace.agent.places import Record
from pinnace.agent.project_config import ProjectConfig
from pinnace.config import Settings, files
from pinnace_core.errors import BadClaudeConfigError, BusyError
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.agent.places import Place


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    project = tmp_path / "my project"
    project.mkdir()
    return project


def _place(root: Path) -> Place:
    return places.choose(Settings(), hosts.linux(), hosts.workspace(str(root)), owner=None)


def _config(root: Path, *named: str, bypass: bool = False, key: str = "") -> ProjectConfig:
    place, own = _place(root), root.parent / "own"
    assert place.profile is not None
    return ProjectConfig(
        place,
        hosts.workspace(str(root)),
        home=root.parent,
        lock=root.parent / "config.lock",
        parts=tuple(user_parts.parts(place.profile, own, named)),
        settings=user_parts.settings(place.profile, own, named),
        servers=user_parts.servers(place.profile),
        key_suffix=key,
        bypass=bypass,
        owner=None,
    )


def _state(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_place(root).config / ".claude.json").read_text())
    return found


def test_a_slot_is_of_one_path_whatever_its_checksum(root: Path) -> None:
    first = places.slot(str(root))
    places.keep(first, Record(str(root)))
    # As if the checksum of another path were the same.
    other = Record("/srv/my project")
    taken = places.projects_root() / f"my-project-{crc32(other.root.encode()):08x}"
    places.keep(taken, Record("/srv/somebody/else"))
    found = places.slot(other.root)

    assert places.slot(str(root)) == first
    assert found == taken.with_name(f"{taken.name}-2")
    with pytest.raises(BusyError):
        places.keep(taken, other)


@pytest.mark.parametrize("name", ["/", "/srv/ü", "/srv/...", "/srv/-x", "/srv/" + "x" * 200])
def test_any_path_has_a_slot(root: Path, name: str) -> None:
    assert places.slot(name).parent == places.projects_root()
    assert len(places.slot(name).name) <= 60
    assert root.exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"root": 1, "version": ""}', '{"root": "/x"}'])
def test_what_is_no_record_is_nobodys(root: Path, text: str) -> None:
    found = places.slot(str(root))
    found.mkdir(parents=True)
    (found / "project.json").write_text(text)

    assert places.read(found) is None
    assert places.slot(str(root)) == found
    places.keep(found, Record(str(root), "2.1.330"))
    assert list(places.records()) == [(found, Record(str(root), "2.1.330"))]


def test_a_first_launch_makes_all_there_is_and_a_second_nothing(root: Path) -> None:
    first = _config(root, key="suffix")
    said = first.pending()
    assert said.startswith("make '")
    assert said.count("make ") == 1
    first.prepare()
    config, profile = first.place.config, first.place.profile
    assert profile is not None
    before = {path: path.stat().st_mtime_ns for path in root.parent.rglob("*")}
    second = _config(root, key="suffix")

    assert second.pending() == ""
    second.prepare()
    assert {path: path.stat().st_mtime_ns for path in root.parent.rglob("*")} == before
    assert config.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in config.iterdir()} == {
        *(part.name for part in first.parts),
        ".claude.json",
    }
    assert {path.name for path in profile.iterdir()} == {part.name for part in first.parts}
    assert _state(root)["customApiKeyResponses"] == {"approved": ["suffix"]}


def test_what_the_user_has_is_mounted_read_only(root: Path) -> None:
    profile = _place(root).profile
    assert profile is not None
    (profile / "plugins" / "x").mkdir(parents=True)
    (profile / "elsewhere").mkdir()
    (profile / "skills").symlink_to(profile / "elsewhere")
    mounts = {part.name: part.mount for part in _config(root).parts}

    assert all(mount.read_only for mount in mounts.values())
    assert mounts["agents"].target == "/home/agent/.claude/agents"
    assert mounts["agents"].source == str(profile / "agents")
    assert mounts["skills"].source == str(profile / "elsewhere")
    assert "plugins" in mounts


def test_parts_of_the_hosts_own_are_in_the_profiles_place(root: Path) -> None:
    own = root.parent / "own"
    (own / "agents").mkdir(parents=True)
    parts = {part.name: part for part in _config(root, "agents", "rules").parts}

    assert parts["agents"].source == own / "agents"
    assert "rules" not in parts, "it is not made in the user's own"
    assert user_parts.absent(list(parts.values()), own, ["rules"]) == (
        f"'{own / 'rules'}' is not there: Claude goes without",
    )


@pytest.mark.parametrize(("name", "is_file"), [("CLAUDE.md", False), ("agents", True)])
def test_a_part_of_another_kind_is_an_error(root: Path, name: str, *, is_file: bool) -> None:
    profile = _place(root).profile
    assert profile is not None
    profile.mkdir(parents=True)
    (profile / name).touch() if is_file else (profile / name).mkdir()

    with pytest.raises(BadClaudeConfigError, match=name):
        _config(root)


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "file"])
def test_what_is_in_the_place_of_a_part_is_put_aside(root: Path, kind: str) -> None:
    config = _place(root).config
    config.mkdir(parents=True)
    path = config / "agents"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "file":
        path.write_text("an agent's")
    else:
        path.symlink_to(root if kind == "link" else "nowhere")
    _config(root).prepare()

    assert path.is_dir()
    assert not path.is_symlink()
    assert len(list(config.glob("agents.aside-*"))) == 1
    assert list(root.iterdir()) == []


def test_a_choice_stays_and_what_runs_something_waits(root: Path) -> None:
    _config(root).prepare()
    path = _place(root).config / "settings.json"
    path.write_text('{"theme": "dark", "hooks": {"Stop": []}}')
    (note,) = _config(root).notes()
    _config(root).prepare()

    assert json.loads(path.read_text()) == {"theme": "dark"}
    assert "hooks of " in note
    assert _config(root).notes() == (note,), "it is remembered"
    files.approve(str(path), b'{"hooks": {"Stop": []}}')
    _config(root).prepare()
    assert json.loads(path.read_text()) == {"theme": "dark", "hooks": {"Stop": []}}
    assert _config(root).notes() == ()


def test_what_waits_can_be_forgotten(root: Path) -> None:
    _config(root).prepare()
    path = _place(root).config / "settings.json"
    path.write_text('{"theme": "dark", "hooks": {"Stop": []}}')

    assert project_config.forget(_place(root), {})
    assert json.loads(path.read_text()) == {"theme": "dark"}
    assert _config(root).notes() == ()
    assert not project_config.forget(_place(root), {})


def test_bypass_does_not_outlast_its_launch(root: Path) -> None:
    _config(root, bypass=True).prepare()
    path = _place(root).config / "settings.json"
    first = json.loads(path.read_text())
    _config(root).prepare()

    assert first == {"skipDangerousModePermissionPrompt": True}
    assert json.loads(path.read_text()) == {}


def _with_servers(root: Path, **users: str) -> Path:
    """Let the profile have servers, and a launch be over; return Claude's state."""
    profile = _place(root).profile
    assert profile is not None
    profile.mkdir(parents=True, exist_ok=True)
    servers = {name: {"command": command} for name, command in users.items()}
    (profile / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    _config(root).prepare()
    return _place(root).config / ".claude.json"


def _add(root: Path, *where: str, **servers: str) -> None:
    """Add servers from inside, at the top or elsewhere."""
    state = holder = _state(root)
    for name in where:
        holder = holder.setdefault(name, {})
    found = holder.setdefault("mcpServers", {})
    found |= {name: {"command": command} for name, command in servers.items()}
    (_place(root).config / ".claude.json").write_text(json.dumps(state))


def _approve(root: Path) -> list[str]:
    place = _place(root)
    servers = user_parts.servers(place.profile) if place.profile else {}
    waiting = project_state.decision(place, servers).waiting
    for name, value in waiting.items():
        path = project_state.approval(place.config / ".claude.json", name)
        files.approve(path, user_settings.content({name: value}))
    return [project_state.shown(name) for name in waiting]


def test_servers_are_the_profiles_and_those_added_inside_once_approved(root: Path) -> None:
    _with_servers(root, a="a")
    _add(root, b="b")
    _with_servers(root, c="c")
    first = sorted(_state(root)["mcpServers"])
    (note,) = _config(root).notes()
    approved = _approve(root)
    _config(root).prepare()

    assert first == ["c"]
    assert "mcpServers.b of" in note
    assert approved == ["mcpServers.b"]
    assert sorted(_state(root)["mcpServers"]) == ["b", "c"]
    assert _config(root).notes() == ()
    assert _config(root).pending() == ""


@pytest.mark.parametrize("cwd", ["/srv/demo", "/srv/.mcpServers.x", ""])
def test_so_do_those_of_a_directory(root: Path, cwd: str) -> None:
    _with_servers(root)
    _add(root, "projects", cwd, local="x")
    _config(root).prepare()
    first = _state(root)["projects"][cwd]["mcpServers"]
    approved = _approve(root)
    _config(root).prepare()

    assert first == {}
    assert approved == [f"projects.{cwd}.mcpServers.local"]
    assert _state(root)["projects"][cwd]["mcpServers"] == {"local": {"command": "x"}}


def test_one_that_is_added_stops_no_other(root: Path) -> None:
    _with_servers(root)
    _add(root, mine="x")
    _approve(root)
    _add(root, theirs="y")
    _config(root).prepare()

    assert list(_state(root)["mcpServers"]) == ["mine"]


def test_one_that_is_changed_waits_again(root: Path) -> None:
    _with_servers(root, users="x")
    _add(root, mine="x")
    _approve(root)
    _add(root, mine="evil", users="evil")
    _config(root).prepare()

    assert _state(root)["mcpServers"] == {"users": {"command": "x"}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("env", {"NODE_OPTIONS": "--require=/x"}),
        ("apiKeyHelper", "/x"),
        ("hooks", {"SessionStart": []}),
        ("mcpServers", {"x": "y" * 10}),
        ("mcpServers", ["x"]),
    ],
)
def test_what_old_versions_ran_of_it_waits_too(root: Path, name: str, value: object) -> None:
    path = _with_servers(root)
    path.write_text(json.dumps({**_state(root), name: value, "numStartups": 3}))
    _config(root).prepare()

    assert not _state(root).get(name)
    assert _state(root)["numStartups"] == 3


def test_what_a_command_of_the_users_adds_counts(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _with_servers(root)
    command = ("mcp", "add", "-s", "user", "mine", "--", "cat")
    held = _config(root)._replace(arguments=command).acquire()
    assert held is not None
    with held:
        _add(root, mine="cat", another="evil")
    said = capfd.readouterr().err
    _config(root).prepare()

    assert 'approved, as you added it: mcpServers.mine = {"command": "cat"}' in said
    assert "another" not in said
    assert list(_state(root)["mcpServers"]) == ["mine"]


@pytest.mark.parametrize("command", [("-p", "mcp add x"), ("mcp", "list"), ()])
def test_no_other_command_does(root: Path, command: tuple[str, ...]) -> None:
    assert _config(root)._replace(arguments=command).acquire() is None


def test_what_waits_can_be_forgotten_and_approvals_be_taken_back(root: Path) -> None:
    _with_servers(root, users="x")
    _add(root, mine="x")
    _approve(root)
    _config(root).prepare()
    place = _place(root)
    revoked = list(project_state.revoke(place))
    forgotten = project_state.forget(place, {"users": {"command": "x"}})
    again = project_state.forget(place, {"users": {"command": "x"}})

    assert len(revoked) == 1
    assert (forgotten, again) == (True, False)
    assert list(_state(root)["mcpServers"]) == ["users"]
    assert _config(root).notes() == ()


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"projects": 3}', '{"a": 1e999}', '{"a":' * 990 + "1" + "}" * 990, "\xff"]
)
@pytest.mark.parametrize("name", [".claude.json", "settings.json"])
def test_what_is_not_claudes_is_put_aside_and_stops_nothing(
    root: Path, capfd: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    _config(root).prepare()
    path = _place(root).config / name
    path.write_text(text)
    _config(root).prepare()

    assert _state(root)["hasCompletedOnboarding"] is True
    assert _config(root).pending() == ""
    assert name == "settings.json" or "is put aside" in capfd.readouterr().err


def test_whose_login_it_is_claude_knows(root: Path) -> None:
    login = logins.of(_place(root).account)
    logins.replace(login, {"accessToken": "x"})
    logins.remember_account(login, {"emailAddress": "nobody@example.com"})
    _config(root).prepare()

    assert _state(root)["oauthAccount"] == {"emailAddress": "nobody@example.com"}


def test_settings_of_the_hosts_own_are_below_the_profiles(root: Path) -> None:
    own, profile = root.parent / "own", _place(root).profile
    assert profile is not None
    for place in (own, profile):
        place.mkdir(parents=True)
    theirs = {
        "model": "a",
        "theme": "light",
        "apiKeyHelper": "x",
        "hooks": {"Stop": []},
        "env": {"X": "1", "MY_TOKEN": "secret"},
        "permissions": {"deny": ["Bash"]},
    }
    (own / "settings.json").write_text(json.dumps(theirs))
    (profile / "settings.json").write_text('{"model": "b"}')

    assert user_parts.settings(profile, own, ["settings.json"]) == {
        "model": "b",
        "theme": "light",
        "env": {"X": "1"},
        "permissions": {"deny": ["Bash"]},
    }
    assert user_parts.settings(profile, own, []) == {"model": "b"}
