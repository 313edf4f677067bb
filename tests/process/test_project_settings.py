"""What a project has Claude run waits for the user's approval where there is a network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.process.conftest import Machine

_ELSEWHERE = {"env": {"ANTHROPIC_BASE_URL": "http://elsewhere.example"}}
_HOOKS = {"SessionStart": [{"hooks": [{"type": "command", "command": "./x"}]}]}


def _settings(machine: Machine, document: object, name: str = ".claude/settings.json") -> None:
    path = machine.project / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    "document",
    [
        _ELSEWHERE,
        {"env": {"FOO": "1"}},
        {"apiKeyHelper": "./key"},
        {"otelHeadersHelper": "./headers"},
        {"hooks": _HOOKS},
        {"statusLine": {"type": "command", "command": "./x"}},
        {"enableAllProjectMcpServers": True},
        {"enabledPlugins": {"a@b": True}},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", [".claude/settings.json", ".claude/settings.local.json"])
def test_what_a_project_has_run_beside_a_network_waits_for_approval(
    machine: Machine, document: dict[str, Any], name: str
) -> None:
    _settings(machine, document, name)

    done = machine.pinnace("run", "--", "-p", "hi")

    assert done.returncode == 77
    assert name in done.stderr.decode()
    assert b"pinnace trust" in done.stderr
    assert machine.docker.calls("run") == []

    shown = machine.pinnace("trust", "--yes")
    assert shown.returncode == 0
    assert b"has Claude run, with isolation open" in shown.stdout
    assert machine.pinnace("run", "--", "-p", "hi").returncode == 0


def test_servers_of_the_project_wait_too(machine: Machine) -> None:
    _settings(machine, {"mcpServers": {"x": {"command": "./x"}}}, ".mcp.json")

    assert machine.pinnace("run").returncode == 77
    assert machine.pinnace("trust", "--yes").returncode == 0
    assert machine.pinnace("run").returncode == 0


@pytest.mark.parametrize("level", ["standard", "locked"])
def test_without_a_network_nothing_has_to_be_approved(machine: Machine, level: str) -> None:
    _settings(machine, {**_ELSEWHERE, "hooks": _HOOKS})

    assert machine.pinnace("run", "--isolation", level).returncode == 0


def test_an_approval_is_of_what_was_shown_and_of_nothing_else(machine: Machine) -> None:
    _settings(machine, _ELSEWHERE)
    machine.pinnace("trust", "--yes")

    _settings(machine, {**_ELSEWHERE, "permissions": {"allow": ["Bash"]}})
    assert machine.pinnace("run").returncode == 0

    _settings(machine, {"env": {"ANTHROPIC_BASE_URL": "http://another.example"}})
    assert machine.pinnace("run").returncode == 77

    _settings(machine, _ELSEWHERE)
    assert machine.pinnace("trust", "--revoke").returncode == 0
    assert machine.pinnace("run").returncode == 77


@pytest.mark.parametrize(
    "document", [{"permissions": {"allow": ["Bash"]}}, {"env": {}}, {"hooks": {}}, []], ids=str
)
def test_all_else_counts_at_once(machine: Machine, document: object) -> None:
    _settings(machine, document)

    assert machine.pinnace("run").returncode == 0


@pytest.mark.parametrize("name", [".claude/settings.json", ".mcp.json"])
def test_what_cannot_be_read_cannot_be_approved(machine: Machine, name: str) -> None:
    """Behind a link, or in what is no JSON to us, anything could be, and later something else."""
    path = machine.project / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to("elsewhere.json")

    assert machine.pinnace("run").returncode == 77
    assert machine.pinnace("trust", "--yes").returncode == 77
    assert machine.pinnace("run").returncode == 77

    path.unlink()
    path.write_text("{}")
    assert machine.pinnace("run").returncode == 0


def test_of_a_directory_below_its_own_count_as_well(machine: Machine) -> None:
    (machine.project / ".git").mkdir()
    below = machine.project / "below"
    below.mkdir()
    machine.project = below
    _settings(machine, _ELSEWHERE)

    assert machine.pinnace("run").returncode == 77


def test_a_shell_has_none_of_that(machine: Machine) -> None:
    _settings(machine, _ELSEWHERE)

    assert machine.pinnace("shell").returncode == 0
