"""Which variables go in."""

from __future__ import annotations

import pytest

from pinnace import agent
from pinnace_core.errors import UsageError

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


@pytest.mark.parametrize("extra", [f"MY_TOKEN={_CANARY}", f"={_CANARY}", f"MY_TOKEN==x={_CANARY}"])
def test_a_value_is_refused_and_not_repeated(extra: str) -> None:
    with pytest.raises(UsageError) as caught:
        agent.passed_names({"MY_TOKEN": "x"}, extra=[extra])

    assert _CANARY not in caught.value.message + caught.value.hint + repr(caught.value)


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
