"""Managed settings: the organisation's hold inside, and Pinnace's on top of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.plan import gateways
from pinnace.plan.contributors import memory, policy
from pinnace_core.container import Mount
from pinnace_core.engine.facts import EngineFacts
from pinnace_core.errors import BadSettingsError, UnsafeRequestError
from pinnace_images.versions import CliVersion
from tests.support import hosts
from tests.support.contributions import acquired

if TYPE_CHECKING:
    from pinnace.plan import Contribution

_PIN = CliVersion(2, 1, 330)


def _contribution(
    outside: Path, *, version: CliVersion | None = _PIN, **environment: str
) -> Contribution:
    inputs = hosts.inputs(hosts.linux(environment=environment))._replace(version=version)
    return acquired(policy.contribute(inputs, outside=outside))


def _inside(given: Contribution) -> dict[str, Any]:
    mount = next(m for m in given.mounts if m.target == "/etc/claude-code/managed-settings.json")
    assert mount.read_only
    document: dict[str, Any] = json.loads(Path(mount.source).read_bytes())
    return document


def _write(directory: Path, name: str, document: object) -> None:
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))


def test_without_a_policy_the_version_is_locked_updates_and_connectors_are_off(
    tmp_path: Path,
) -> None:
    assert _inside(_contribution(tmp_path / "none")) == {
        "env": {
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_UPDATES": "1",
            "ENABLE_CLAUDEAI_MCP_SERVERS": "false",
            "CLAUDE_CODE_DISABLE_AGENT_VIEW": "1",
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:28080",
        },
        "requiredMinimumVersion": "2.1.330",
        "requiredMaximumVersion": "2.1.330",
    }


@pytest.mark.parametrize("version", [CliVersion(2, 1, 162), CliVersion(1, 0, 0), None])
def test_versions_that_know_no_range_are_told_none(
    version: CliVersion | None, tmp_path: Path
) -> None:
    assert list(_inside(_contribution(tmp_path, version=version))) == ["env"]


def test_keys_and_the_address_of_the_organisation_are_the_gateways(tmp_path: Path) -> None:
    theirs = {
        "ANTHROPIC_BASE_URL": "https://models.example",
        "ANTHROPIC_AUTH_TOKEN": "canary-of-the-organisation",
        "ANTHROPIC_CUSTOM_HEADERS": "x-team: canary-too",
        "OTHER": "1",
    }
    _write(tmp_path, "managed-settings.json", {"env": theirs})

    given = _contribution(tmp_path)
    inside = _inside(given)["env"]

    outside = {v.name: v.value for v in given.variables if v.way == "outside"}
    assert outside == {name: value for name, value in theirs.items() if name != "OTHER"}
    assert inside["OTHER"] == "1"
    assert inside["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:28080"
    assert "canary" not in json.dumps(inside)
    inputs = hosts.inputs()
    wanted = gateways.wanted(inputs, gateways.environment(inputs, [given]))
    assert wanted
    assert wanted.endpoint.host == "models.example"
    assert wanted.credentials[1] == theirs["ANTHROPIC_AUTH_TOKEN"]


@pytest.mark.parametrize("name", ["ENABLE_CLAUDEAI_MCP_SERVERS", "CLAUDE_CODE_DISABLE_AGENT_VIEW"])
def test_what_is_usual_is_otherwise_for_who_says_so(name: str, tmp_path: Path) -> None:
    asked = _inside(_contribution(tmp_path, version=None, **{name: "other"}))
    assert name not in asked["env"]

    _write(tmp_path, "managed-settings.json", {"env": {name: "other"}})
    assert _inside(_contribution(tmp_path))["env"][name] == "other"


def test_the_organisations_settings_and_their_parts_are_merged_in_order(tmp_path: Path) -> None:
    _write(
        tmp_path,
        "managed-settings.json",
        {"permissions": {"deny": ["A"], "defaultMode": "plan"}, "env": {"X": "1"}, "model": "a"},
    )
    part = tmp_path / "managed-settings.d"
    _write(part, "20.json", {"model": "c", "permissions": {"deny": ["B", "A"]}})
    _write(part, "10.json", {"model": "b", "env": {"DISABLE_UPDATES": "0", "Y": "2"}})
    _write(part, ".hidden.json", {"model": "hidden"})
    _write(part, "30.txt", {"model": "text"})

    found = _inside(_contribution(tmp_path))

    assert found["permissions"] == {"deny": ["A", "B"], "defaultMode": "plan"}
    assert found["model"] == "c"
    assert (found["env"]["X"], found["env"]["Y"], found["env"]["DISABLE_UPDATES"]) == (
        *("1", "2", "1"),
    )


def test_the_organisations_servers_go_in_as_a_copy_that_any_engine_can_mount(
    tmp_path: Path,
) -> None:
    _write(tmp_path, "managed-mcp.json", {"mcpServers": {}})

    mounts = _contribution(tmp_path).mounts

    found = {mount.target: mount for mount in mounts}["/etc/claude-code/managed-mcp.json"]
    assert found.read_only
    assert not Path(found.source).is_relative_to(tmp_path / "managed-mcp.json")
    assert json.loads(Path(found.source).read_bytes()) == {"mcpServers": {}}


@pytest.mark.parametrize("desktop", ["", "Docker Desktop"])
def test_the_organisations_directory_goes_in_where_the_engine_sees_it(
    tmp_path: Path, desktop: str
) -> None:
    (tmp_path / ".claude").mkdir()
    inputs = hosts.inputs(hosts.linux())._replace(engine=EngineFacts(desktop=desktop))

    given = policy.contribute(inputs, outside=tmp_path)

    there = Mount(str(tmp_path / ".claude"), "/etc/claude-code/.claude", read_only=True)
    mounted = there in given.mounts
    assert mounted is not bool(desktop)
    assert bool(given.notes) is bool(desktop)


@pytest.mark.parametrize("env", [None, 5, "x", ["ENABLE_CLAUDEAI_MCP_SERVERS"]])
def test_an_environment_that_is_none_is_replaced(env: object, tmp_path: Path) -> None:
    _write(tmp_path, "managed-settings.json", {"env": env})

    assert _inside(_contribution(tmp_path))["env"]["ENABLE_CLAUDEAI_MCP_SERVERS"] == "false"


@pytest.mark.parametrize("note", [True, False])
def test_what_the_organisation_has_claude_told_is_inside_with_and_without_our_note(
    tmp_path: Path, *, note: bool
) -> None:
    (tmp_path / "CLAUDE.md").write_text("Be kind.\n")
    inputs = hosts.inputs(hosts.linux(), memory_note=note)

    of = memory if note else policy
    given = acquired(of.contribute(inputs, outside=tmp_path))

    mount = next(m for m in given.mounts if m.target == "/etc/claude-code/CLAUDE.md")
    text = Path(mount.source).read_text()
    assert mount.read_only
    assert text.startswith("Be kind.\n")
    assert ("# Where you are" in text) is note


def test_a_sandbox_that_cannot_be_is_not_demanded_and_that_is_said(tmp_path: Path) -> None:
    _write(
        tmp_path,
        "managed-settings.json",
        {"sandbox": {"enabled": True, "failIfUnavailable": True, "network": {"x": 1}}},
    )

    given = _contribution(tmp_path)

    assert _inside(given)["sandbox"] == {
        "enabled": False,
        "failIfUnavailable": False,
        "network": {"x": 1},
    }
    assert "the container takes its place" in given.notes[0]


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [
        ("2.1.331", None, "only 2.1.331 or newer"),
        (None, "2.1.329", "only 2.1.329 or older"),
        ("2.1.100", "2.1.200", "only 2.1.100 or newer and 2.1.200 or older"),
    ],
)
def test_a_version_that_is_not_allowed_is_refused(
    least: str | None, most: str | None, said: str, tmp_path: Path
) -> None:
    wanted = {"requiredMinimumVersion": least, "requiredMaximumVersion": most}
    _write(tmp_path, "managed-settings.json", wanted)

    with pytest.raises(UnsafeRequestError, match=said) as caught:
        _contribution(tmp_path)

    assert "pinnace pin" in caught.value.hint


@pytest.mark.parametrize("least", ["2.1.330", "1.0.0", "newest", 7, None])
def test_what_allows_the_version_or_is_none_is_no_hindrance(least: object, tmp_path: Path) -> None:
    _write(tmp_path, "managed-settings.json", {"requiredMinimumVersion": least})

    assert _inside(_contribution(tmp_path))["requiredMinimumVersion"] == "2.1.330"


@pytest.mark.parametrize("text", ["{", "[]", "1", '"x"', "\xff", '{"a": NaN}', '{"a": -Infinity}'])
def test_a_policy_that_cannot_be_read_stops_the_launch(text: str, tmp_path: Path) -> None:
    (tmp_path / "managed-settings.json").write_text(text, encoding="latin-1")

    with pytest.raises(BadSettingsError, match=r"managed-settings\.json"):
        _contribution(tmp_path)
