"""The user's settings in a project: what is the profile's, what was chosen inside, what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pinnace.agent import user_settings
from pinnace.agent.user_settings import Memory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def _decide(
    users: dict[str, Any],
    there: dict[str, Any] | None,
    memory: Memory = Memory(),  # noqa: B008 (immutable)
    *,
    approved: bool = False,
    **ours: Any,
) -> user_settings.Decision:

    def unapproved(own: Mapping[str, Any]) -> dict[str, Any]:
        asking = {name: value for name, value in own.items() if user_settings.asks(name)}
        return {} if approved else asking

    return user_settings.decide(users, there, memory, unapproved=unapproved, ours=ours)


def test_a_fresh_project_has_what_the_profile_says() -> None:
    found = _decide({"theme": "light", "hooks": {"Stop": []}}, None)

    assert found.document == {"theme": "light", "hooks": {"Stop": []}}
    assert found.waiting == {}
    assert found.memory.own == {}


def test_what_was_chosen_inside_stays_whatever_else_the_profile_says() -> None:
    first = _decide({"theme": "light", "model": "a"}, None)
    chosen = {"theme": "dark", "model": "a"}
    second = _decide({"theme": "light", "model": "b"}, chosen, first.memory)
    third = _decide({"model": "c"}, second.document, second.memory)

    assert second.document == {"theme": "dark", "model": "b"}
    assert third.document == {"theme": "dark", "model": "c"}


def test_what_was_removed_inside_stays_away() -> None:
    first = _decide({"theme": "light", "model": "a"}, None)
    second = _decide({"theme": "light", "model": "a"}, {"model": "a"}, first.memory)

    assert second.document == {"model": "a"}
    assert _decide({"theme": "light"}, {"model": "a"}, second.memory).document == {}


def test_a_file_that_is_gone_is_no_choice() -> None:
    first = _decide({"theme": "light"}, None)

    assert _decide({"theme": "light"}, None, first.memory).document == {"theme": "light"}


def test_once_the_profile_says_the_same_it_counts_again() -> None:
    first = _decide({}, {"theme": "dark"})
    second = _decide({"theme": "dark"}, first.document, first.memory)

    assert second.memory.own == {}
    assert _decide({"theme": "light"}, second.document, second.memory).document["theme"] == "light"


def test_within_objects_both_count() -> None:
    users = {"attribution": {"commit": "a", "pr": "b"}}
    first = _decide(users, None)
    changed = {"attribution": {"commit": "x", "pr": "b"}}
    second = _decide(users | {"attribution": {"commit": "a", "pr": "c"}}, changed, first.memory)

    assert second.document == {"attribution": {"commit": "x", "pr": "c"}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hooks", {"SessionStart": [{"hooks": [{"type": "command", "command": "x"}]}]}),
        ("env", {"PATH": "/x"}),
        ("permissions", {"defaultMode": "bypassPermissions"}),
        ("permissions", {"allow": ["Bash"]}),
        ("apiKeyHelper", "x"),
        ("awsAuthRefresh", "x"),
        ("awsCredentialExport", "x"),
        ("otelHeadersHelper", "x"),
        ("statusLine", {"type": "command", "command": "x"}),
        ("subagentStatusLine", {"type": "command", "command": "x"}),
        ("fileSuggestion", {"type": "command", "command": "x"}),
        ("enabledPlugins", {"x@y": True}),
        ("extraKnownMarketplaces", {"x": {}}),
        ("enableAllProjectMcpServers", True),
        ("enabledMcpjsonServers", ["x"]),
        ("allowedMcpServers", []),
        ("disableAllHooks", True),
        ("sandbox", {"enabled": False}),
        ("skipDangerousModePermissionPrompt", True),
        ("skipAutoPermissionPrompt", True),
        ("additionalDirectories", ["/"]),
        ("autoMode", {}),
        ("autoMemoryDirectory", "/x"),
        ("defaultShell", "/x"),
    ],
)
def test_what_runs_or_allows_more_waits_for_approval(name: str, value: object) -> None:
    first = _decide({"theme": "light"}, None)
    second = _decide({"theme": "light"}, {"theme": "dark", name: value}, first.memory)
    # The file was made anew without it; it is remembered.
    third = _decide({"theme": "light"}, second.document, second.memory)
    approved = _decide({"theme": "light"}, third.document, third.memory, approved=True)

    assert second.document == third.document == {"theme": "dark"}
    assert second.waiting == third.waiting == {name: value}
    assert approved.document == {"theme": "dark", name: value}
    assert approved.waiting == {}


@pytest.mark.parametrize(
    "name", ["theme", "model", "outputStyle", "verbose", "language", "editorMode", "effortLevel"]
)
def test_what_is_only_shown_counts_at_once(name: str) -> None:
    assert _decide({}, {name: "x"}).document == {name: "x"}


def test_what_the_users_own_profile_runs_needs_no_approval_and_is_not_added_to() -> None:
    users = {"hooks": {"Stop": ["users"]}, "permissions": {"allow": ["Read"]}}
    first = _decide(users, None)
    attack = {"hooks": {"Stop": ["agents"]}, "permissions": {"allow": ["Read", "Bash"]}}
    second = _decide(users, attack, first.memory)

    assert second.document == users
    assert second.waiting.keys() == {"hooks", "permissions"}


def test_what_the_user_denied_cannot_be_taken_away_inside() -> None:
    users = {"permissions": {"deny": ["Bash(rm:*)"]}}
    first = _decide(users, None)

    assert _decide(users, {}, first.memory).document == users


def test_what_a_launch_adds_does_not_outlast_it() -> None:
    first = _decide({}, None, skipDangerousModePermissionPrompt=True)
    second = _decide({}, first.document, first.memory)

    assert first.document == {"skipDangerousModePermissionPrompt": True}
    assert second.document == {}
    assert second.waiting == {}


def test_memory_is_kept(tmp_path: Path) -> None:
    memories = {"settings.json": Memory({"a": 1}, {"b": None})}
    user_settings.save(tmp_path / "default.json", memories)

    assert user_settings.load(tmp_path / "default.json") == memories


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"documents": 1}', '{"documents": {"a": {"left": 1, "own": {}}}}']
)
def test_what_is_no_memory_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "default.json").write_text(text)

    assert user_settings.load(tmp_path / "default.json") == {}


def test_what_others_could_have_written_is_none(tmp_path: Path) -> None:
    path = tmp_path / "default.json"
    user_settings.save(path, {"settings.json": Memory({"a": 1}, {})})
    path.chmod(0o666)

    assert user_settings.load(path) == {}
