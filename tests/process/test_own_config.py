"""A config directory of the user's own: what a launch leaves there, the next does not run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace.agent import own_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.conftest import Machine

_HOOKS: Final = {"Stop": [{"hooks": [{"type": "command", "command": "evil"}]}]}
_SERVER: Final = {"evil": {"command": "evil"}}


@pytest.fixture
def own(machine: Machine, tmp_path: Path) -> Path:
    """The directory, named for all launches."""
    place = tmp_path / "own"
    place.mkdir(mode=0o700)
    machine.environment["PINNACE_CONFIG_DIR"] = str(place)
    machine.environment["XDG_STATE_HOME"] = str(tmp_path / "state")
    return place


def _change(own: Path, name: str, **values: Any) -> None:
    path = own / name
    document = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(document | values))


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("settings.json", {"hooks": _HOOKS}, b"hooks"),
        ("settings.json", {"permissions": {"allow": ["Bash"]}}, b"permissions"),
        (".claude.json", {"mcpServers": _SERVER}, b"mcpServers.evil"),
        (".claude.json", {"projects": {"/w": {"mcpServers": _SERVER}}}, b"mcpServers.evil"),
    ],
)
def test_what_a_launch_leaves_there_waits(
    machine: Machine, own: Path, name: str, values: dict[str, Any], said: bytes
) -> None:
    assert machine.pinnace("run").returncode == 0
    _change(own, name, **values)

    refused = machine.pinnace("run")

    assert refused.returncode == 77
    assert said in refused.stderr
    assert f"pinnace trust --config-dir '{own}'".encode() in refused.stderr
    assert machine.pinnace("trust", "--yes", "--config-dir", str(own)).returncode == 0
    assert machine.pinnace("run").returncode == 0


@pytest.mark.parametrize("name", ["agents/x.md", "skills/s/SKILL.md", "hooks/x.sh"])
def test_a_new_directory_there_waits(machine: Machine, own: Path, name: str) -> None:
    assert machine.pinnace("run").returncode == 0
    (own / name).parent.mkdir(parents=True)
    (own / name).write_text("x")

    refused = machine.pinnace("run")

    assert refused.returncode == 77
    assert name.partition("/")[0].encode() in refused.stderr


def test_what_claude_notes_of_plugins_does_not_wait_and_where_they_lie_does(
    machine: Machine, own: Path
) -> None:
    assert machine.pinnace("run").returncode == 0
    (own / "plugins/store").mkdir(parents=True)
    (own / "plugins/store/x.json").write_text("{}")
    (own / "plugins/marketplaces/official").mkdir(parents=True)
    assert machine.pinnace("run").returncode == 0

    installed = {"plugins": {"x@y": [{"installPath": "/workspace/evil", "lastUpdated": 1}]}}
    (own / "plugins/installed_plugins.json").write_text(json.dumps(installed))

    refused = machine.pinnace("run")
    assert refused.returncode == 77
    assert b"installPath" in refused.stderr


def test_what_the_user_has_there_is_read_only(machine: Machine, own: Path) -> None:
    (own / "plugins/cache/x").mkdir(parents=True)
    (own / "hooks").mkdir()
    (own / "hooks/stop.sh").write_text("mine")
    (own / "agents").symlink_to("/etc")

    line = machine.pinnace("run", "--dry-run").stdout.decode()

    assert f"{own}/hooks" in line
    assert f"{own}/plugins/cache" in line
    assert f"{own}/agents" not in line
    assert "source=/etc" not in line


def test_without_a_network_what_is_there_at_first_counts(
    own: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", machine.environment["XDG_STATE_HOME"])
    _change(own, ".claude.json", mcpServers=_SERVER)
    assert own_config.waiting(own, network=False) == []

    own_config.remember(own)
    assert own_config.waiting(own, network=False) == []
    _change(own, "settings.json", hooks=_HOOKS)
    (waits,) = own_config.waiting(own, network=False)
    assert waits.path == f"{own}/settings.json"

    # What waits is not taken over by a command that adds something else.
    with own_config.adopting(own):
        _change(own, ".claude.json", mcpServers={})
    assert len(own_config.waiting(own, network=False)) == 2


def test_what_a_command_of_the_users_adds_counts(
    own: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", machine.environment["XDG_STATE_HOME"])
    own_config.remember(own)

    with own_config.adopting(own):
        _change(own, ".claude.json", mcpServers=_SERVER)

    assert own_config.waiting(own, network=False) == []
    assert own_config.adds(("mcp", "add", "x"))
    assert not own_config.adds(("mcp", "serve"))
    assert not own_config.adds(("-p", "mcp add"))


def test_with_a_network_all_of_it_waits_first(machine: Machine, own: Path) -> None:
    _change(own, ".claude.json", mcpServers=_SERVER)

    refused = machine.pinnace("run", "--isolation", "open")

    assert refused.returncode == 77
    assert b"isolation is open" in refused.stderr
    shown = machine.pinnace("trust", "--config-dir", str(own))
    assert b"mcpServers.evil" in shown.stdout
    assert shown.returncode == 77
    assert machine.pinnace("trust", "--yes").returncode == 0
    assert machine.pinnace("run", "--isolation", "open").returncode == 0
    listed = machine.pinnace("trust", "--list").stdout
    assert f"{own}/.claude.json\n".encode() in listed
    assert b"(seen)" not in listed
    assert machine.pinnace("trust", "--revoke").returncode == 0
    assert machine.pinnace("run", "--isolation", "open").returncode == 77


def test_a_theme_and_a_session_do_not_wait(machine: Machine, own: Path) -> None:
    assert machine.pinnace("run").returncode == 0
    _change(own, ".claude.json", theme="light", projects={"/x": {"allowedTools": []}})
    _change(own, "settings.json", model="opus")
    (own / "projects/-x").mkdir(parents=True)

    assert machine.pinnace("run").returncode == 0
