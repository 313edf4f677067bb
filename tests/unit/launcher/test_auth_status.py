"""What is told about accounts: everything but their secrets."""

from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.agent import auth_status
from pinnace.config import Settings

if TYPE_CHECKING:
    from pathlib import Path

_CANARY = "canary-11dd"
_LOGIN = {
    "accessToken": f"sk-ant-oat01-{_CANARY}",
    "refreshToken": f"sk-ant-ort01-{_CANARY}",
    "expiresAt": 1893456000000,
    "subscriptionType": "max",
    "scopes": [_CANARY],
}


def _login(directory: Path, **changes: Any) -> None:
    document = {"claudeAiOauth": _LOGIN | changes}
    (directory / ".credentials.json").write_text(json.dumps(document))


def _helper(directory: Path, command: str) -> None:
    (directory / "settings.json").write_text(json.dumps({"apiKeyHelper": command}))


def _collect(
    directory: Path, *names: str, handed: tuple[str, ...] = (), **settings: Any
) -> auth_status.Accounts:
    environment = dict.fromkeys(names, _CANARY)
    found = auth_status.collect(
        Settings(**settings),
        environment,
        directory,
        "/srv/demo",
        handed=dict.fromkeys(handed, _CANARY),
    )
    told = json.dumps(found.as_json()) + repr(found.as_lines())
    assert _CANARY not in told
    assert "sk-ant" not in told
    return found


# In the order that was measured with the CLI.
_ORDER = (
    "ANTHROPIC_AUTH_TOKEN",
    "apiKeyHelper",
    "ANTHROPIC_API_KEY",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "login",
)


@pytest.mark.parametrize("pair", list(combinations(_ORDER, 2)))
def test_of_two_the_cli_takes(tmp_path: Path, pair: tuple[str, str]) -> None:
    if "login" in pair:
        _login(tmp_path)
    if "apiKeyHelper" in pair:
        _helper(tmp_path, "make-key")
    found = _collect(tmp_path, *(name for name in pair if name.isupper()))

    assert [source.name for source in found.sources] == list(pair)
    assert found.taken is not None
    assert found.taken.name == pair[0]


def test_providers_come_first_and_bedrock_before_all(tmp_path: Path) -> None:
    _login(tmp_path)
    switches = [f"CLAUDE_CODE_USE_{n}" for n in ("VERTEX", "FOUNDRY", "BEDROCK")]
    found = _collect(tmp_path, *switches, "ANTHROPIC_API_KEY")

    assert [source.name for source in found.sources][:3] == switches[::-1]
    assert "BEDROCK wins" in " ".join(found.conflicts)


def test_a_provider_lacks_what_it_needs(tmp_path: Path) -> None:
    def problem(*names: str, **settings: Any) -> str:
        return _collect(tmp_path, "CLAUDE_CODE_USE_BEDROCK", *names, **settings).sources[0].problem

    assert "AWS_REGION" in problem()
    assert "--cloud aws" in problem("AWS_REGION")
    assert problem("AWS_REGION", cloud=("aws",)) == ""


@pytest.mark.parametrize(
    ("pair", "conflict"),
    [
        (("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"), "sends both"),
        (("ANTHROPIC_API_KEY", "login"), "login is not used"),
        (("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"), ""),
    ],
)
def test_conflicts_are_told(tmp_path: Path, pair: tuple[str, ...], conflict: str) -> None:
    if "login" in pair:
        _login(tmp_path)
    found = _collect(tmp_path, *(name for name in pair if name.isupper()))

    assert conflict in " ".join(found.conflicts)
    assert bool(found.conflicts) is bool(conflict)


def test_a_secret_in_a_file_counts_before_the_variable(tmp_path: Path) -> None:
    found = _collect(tmp_path, "ANTHROPIC_API_KEY", handed=("ANTHROPIC_API_KEY",))

    assert [(s.name, s.where) for s in found.sources] == [("ANTHROPIC_API_KEY", "secrets")]


def test_a_login_tells_its_kind_and_dates(tmp_path: Path) -> None:
    _login(tmp_path)
    (source,) = _collect(tmp_path).sources

    assert source.details == (
        "subscription max",
        "access until 2030-01-01 00:00 UTC",
        "renewed outside by its gateway",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"subscriptionType": _CANARY, "expiresAt": None},
        {"expiresAt": 10**30, "subscriptionType": None},
        {"expiresAt": None, "subscriptionType": ["max"]},
    ],
)
def test_what_is_no_plain_data_is_not_told(tmp_path: Path, changes: dict[str, Any]) -> None:
    _login(tmp_path, **changes)

    assert _collect(tmp_path).sources[0].details == ("renewed outside by its gateway",)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"claudeAiOauth": 3}', '{"claudeAiOauth": {}}'])
def test_a_file_that_holds_no_login_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ".credentials.json").write_text(text)
    (tmp_path / "settings.json").write_text(text)

    assert _collect(tmp_path).sources == ()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    _login(tmp_path)
    (tmp_path / ".credentials.json").rename(tmp_path / "elsewhere")
    (tmp_path / ".credentials.json").symlink_to(tmp_path / "elsewhere")

    assert _collect(tmp_path).sources == ()


@pytest.mark.parametrize(
    ("command", "works"),
    [
        ("/opt/company/make-key --token " + _CANARY, False),
        ("~/bin/make-key", False),
        (r"C:\keys\make.exe", False),
        ("/srv/demo/tools/make-key", True),
        ("/home/agent/.claude/make-key", True),
        ("/usr/bin/jq . x", True),
        ("make-key", True),
        (f"echo {_CANARY}", True),
        ("'", True),
    ],
)
def test_a_helper_whose_program_is_not_inside_is_told(
    tmp_path: Path, command: str, *, works: bool
) -> None:
    _helper(tmp_path, command)
    (source,) = _collect(tmp_path).sources

    assert ("not inside" in source.problem) is not works
    assert works is ("auth.key-helper" in source.problem)


def test_without_any_source_it_says_what_to_do(tmp_path: Path) -> None:
    found = _collect(tmp_path)

    assert found.taken is None
    assert "pinnace auth login" in dict(found.as_lines())["to log in"]
