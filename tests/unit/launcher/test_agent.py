"""Which variables go in."""

from __future__ import annotations

import re

import pytest

from pinnace import agent
from pinnace.agent.variables import PASSED, SEEN_IN
from pinnace_core.errors import UsageError
from pinnace_images.versions import CliVersion

_CANARY = "canary-4f1d"


def test_claudes_own_variables_and_the_terminals_go_in_by_name() -> None:
    environment = dict.fromkeys(
        [
            *("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_OAUTH_TOKEN"),
            *("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "TZ"),
            *("HOME", "PATH", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "CLAUDE_CONFIG_DIR"),
        ],
        _CANARY,
    )

    assert agent.passed_names(environment) == (
        *("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_OAUTH_TOKEN", "COLORTERM"),
        *("FORCE_COLOR", "NO_COLOR", "TERM", "TZ"),
    )


@pytest.mark.parametrize(
    "name", ["CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SSE_PORT", "CLAUDE_CODE_EXECPATH"]
)
def test_facts_about_a_claude_around_us_stay_outside(name: str) -> None:
    assert agent.passed_names({name: "1"}) == ()


def test_what_is_not_set_does_not_go_in() -> None:
    assert agent.passed_names({}) == ()


def test_an_empty_variable_is_set() -> None:
    assert agent.passed_names({"ANTHROPIC_API_KEY": ""}) == ("ANTHROPIC_API_KEY",)


def test_an_extra_goes_in_once() -> None:
    environment = {"MY_TOKEN": _CANARY, "TERM": "xterm"}

    assert agent.passed_names(environment, extra=["MY_TOKEN", "TERM", "MY_TOKEN"]) == (
        "MY_TOKEN",
        "TERM",
    )


def test_an_extra_that_is_not_set_is_refused() -> None:
    with pytest.raises(UsageError, match="MY_TOKEN") as caught:
        agent.passed_names({}, extra=["MY_TOKEN"])

    assert caught.value.hint


def test_what_is_given_a_value_needs_none_outside() -> None:
    extra = ["COLOR=red=blue", "EMPTY=", "TERM"]

    assert agent.passed_names({"TERM": "xterm"}, extra=extra) == ("TERM",)
    assert agent.given_values(extra) == {"COLOR": "red=blue", "EMPTY": ""}


def test_what_follows_the_list_goes_in_and_nothing_by_its_prefix() -> None:
    known = (
        "BASH_MAX_TIMEOUT_MS",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
        "MCP_TIMEOUT",
        "OTEL_SERVICE_NAME",
    )

    assert agent.passed_names(dict.fromkeys((*known, "TRACEPARENT"), "1")) == (
        *known,
        "TRACEPARENT",
    )
    assert agent.passed_names(dict.fromkeys(("CLAUDE_CODE_MADE_UP", "OTEL_MADE_UP"), "1")) == ()


def test_the_list_holds_nothing_of_the_host() -> None:
    # A switch, for all its name.
    for name in PASSED - {"CLAUDE_BASH_MAINTAIN_PROJECT_WORKING_DIR"}:
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", name)
        assert not name.endswith(("_DIR", "_PATH", "_FILE", "_SOCKET", "_FD", "_DESCRIPTOR"))
        assert not name.startswith(("CLAUDE_CODE_REMOTE", "CLAUDE_CODE_MESSAGING", "AWS_"))
    assert not PASSED & {"CLAUDECODE", "CLAUDE_CONFIG_DIR", "DISABLE_AUTOUPDATER", "PATH", "HOME"}


def test_each_name_is_in_the_list_once_and_every_version_is_one() -> None:
    names = " ".join(SEEN_IN.values()).split()

    assert len(names) == len(set(names))
    assert [str(CliVersion.parse(version)) for version in SEEN_IN] == list(SEEN_IN)


def test_a_name_that_looks_like_claudes_is_told_when_it_stays_outside() -> None:
    environment = dict.fromkeys(
        [
            *("CLAUDE_CODE_MADE_UP", "ANTHROPIC_MADE_UP", "CLAUDE_CODE_SESSION_ID"),
            *("OTEL_PYTHON_MADE_UP", "CLAUDE_CODE_USE_BEDROCK", "OTHER"),
        ],
        "1",
    )

    assert agent.unknown_names(environment) == ["ANTHROPIC_MADE_UP", "CLAUDE_CODE_MADE_UP"]
    assert agent.unknown_names(environment, extra=["ANTHROPIC_MADE_UP"]) == ["CLAUDE_CODE_MADE_UP"]
    assert agent.unknown_names({**environment, "CLAUDECODE": "1"}) == []


@pytest.mark.parametrize("extra", ["my.dotted", "my-dashed", "1ST"])
def test_an_extra_is_passed_or_refused_but_never_forgotten(extra: str) -> None:
    try:
        names = agent.passed_names({extra: "x"}, extra=[extra])
    except UsageError:
        return
    assert extra in names


@pytest.mark.parametrize(
    ("environment", "suffix"),
    [
        ({}, ""),
        ({"ANTHROPIC_API_KEY": ""}, ""),
        ({"ANTHROPIC_API_KEY": "short"}, "short"),
        ({"ANTHROPIC_API_KEY": "sk-ant-0123456789abcdefghij"}, "0123456789abcdefghij"),
    ],
)
def test_what_claude_remembers_of_a_key(environment: dict[str, str], suffix: str) -> None:
    assert agent.key_suffix(environment) == suffix
