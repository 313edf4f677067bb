"""Arguments and variables of the official Agent SDK, from its own options."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from claude_agent_sdk import ClaudeAgentOptions
from claude_agent_sdk._internal.transport.subprocess_cli import SubprocessCLITransport

from pinnace.sdk import agent_arguments as asked
from pinnace_core.errors import AgentSdkError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_arguments_are_those_of_the_sdk() -> None:
    options = ClaudeAgentOptions(model="haiku", max_turns=3, add_dirs=["/srv/a"])
    made = asked.arguments(options)
    assert made[:3] == ("--output-format", "stream-json", "--verbose")
    assert {("--model", "haiku"), ("--max-turns", "3"), ("--add-dir", "/srv/a")} <= set(
        itertools.pairwise(made)
    )


@pytest.mark.parametrize("build", [None, lambda _: ["node", "x"], lambda _: ["claude", "-p"]])
def test_an_sdk_that_makes_them_otherwise_is_an_error(
    build: Callable[[object], list[str]] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SubprocessCLITransport, "_build_command", build)
    with pytest.raises(AgentSdkError, match="not one that Pinnace knows"):
        asked.arguments(ClaudeAgentOptions())


@pytest.mark.parametrize("wrong", [{"cli_path": "/usr/bin/claude"}, {"user": "root"}])
def test_options_of_this_machine_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="this machine"):
        asked.settled(ClaudeAgentOptions(**wrong))  # type: ignore[arg-type]


def test_a_permission_callback_is_asked_over_the_pipe() -> None:
    async def never(*_: object) -> object:
        raise AssertionError

    options = asked.settled(ClaudeAgentOptions(can_use_tool=never))  # type: ignore[arg-type]
    assert "--permission-prompt-tool stdio" in " ".join(asked.arguments(options))


def test_what_is_the_same_outside_is_no_wish() -> None:
    """`env={**os.environ, ...}` is what many write."""
    around = {"PATH": "/bin", "WORD": "a"}
    given = asked.variables(ClaudeAgentOptions(env={**around, "MORE": "b"}), around)
    assert given["MORE"] == "b"
    assert not {"PATH", "WORD"} & given.keys()


def test_what_steers_this_machine_stays_outside() -> None:
    names = ["PATH", "DOCKER_HOST", "PINNACE_ISOLATION", "LD_PRELOAD", "XDG_STATE_HOME", "WORD"]
    assert asked.outside(names) == sorted(set(names) - {"WORD"})


def test_keys_are_not_named_so_that_they_go_to_the_gateway() -> None:
    assert asked.named(["ANTHROPIC_API_KEY", "AWS_SECRET_ACCESS_KEY", "WORD"]) == ["WORD"]
