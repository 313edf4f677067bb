"""Arguments and variables of the official Agent SDK, from its own options."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest
from claude_agent_sdk import ClaudeAgentOptions, CLIConnectionError
from claude_agent_sdk._internal.transport.subprocess_cli import SubprocessCLITransport

from pinnace.sdk import agent_arguments as asked
from pinnace.sdk.isolation import variables
from pinnace_core.errors import AgentSdkError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_STATES: Final = "CLAUDE_CODE_SDK_READS_SESSION_STATE"
_SKIPPED: Final = "CLAUDE_AGENT_SDK_SKIP_VERSION_CHECK"
# About this machine, or about a Claude that is around the program: nothing of that goes in.
_OUTSIDE: Final = {_SKIPPED, "PWD", "CLAUDECODE"}


def test_arguments_are_those_of_the_sdk() -> None:
    options = ClaudeAgentOptions(model="haiku", max_turns=3, add_dirs=["/srv/a"])
    made = asked.arguments(options)
    assert made[:3] == ("--output-format", "stream-json", "--verbose")
    assert {("--model", "haiku"), ("--max-turns", "3"), ("--add-dir", "/srv/a")} <= set(
        itertools.pairwise(made)
    )


def test_what_is_long_or_holds_keys_is_in_files() -> None:
    long = "--settings " + "x" * (1 << 20)
    servers = {"one": {"type": "http", "url": "http://localhost", "headers": {"key": "secret"}}}
    options = ClaudeAgentOptions(
        system_prompt={"type": "preset", "preset": "claude_code", "append": long},
        settings='{"env": {"KEY": "secret"}}',
        mcp_servers=servers,  # type: ignore[arg-type]
        extra_args={"system-prompt": long},
    )
    words, files = asked.with_files(asked.arguments(options))

    assert max(map(len, words)) < 1000
    assert "secret" not in " ".join(words)
    named = dict(itertools.pairwise(words))
    at = {option: files[Path(named[option]).name] for option in named if option.endswith("file")}
    assert at == {"--append-system-prompt-file": long, "--system-prompt-file": long}
    assert json.loads(files[Path(named["--mcp-config"]).name]) == {"mcpServers": servers}
    assert files[Path(named["--settings"]).name] == options.settings


@pytest.mark.parametrize(
    "words",
    [
        ("--mcp-config", "/a/servers.json", "--settings", "x"),
        ("--system-prompt", "", "--system-prompt=x", "--mcp-config"),
        ("--", "--mcp-config", "{}"),
    ],
)
def test_other_arguments_stay_as_they_are(words: tuple[str, ...]) -> None:
    assert asked.with_files(words) == (words, {})


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
    given = asked.variables(ClaudeAgentOptions(env={**around, "MORE": "b"}), around).own
    assert given["MORE"] == "b"
    assert not {"PATH", "WORD"} & given.keys()


def test_what_steers_this_machine_stays_outside() -> None:
    names = ["PATH", "DOCKER_HOST", "PINNACE_ISOLATION", "LD_PRELOAD", "XDG_STATE_HOME", "WORD"]
    assert asked.outside(names) == sorted(set(names) - {"WORD"})


def test_keys_are_not_named_so_that_they_go_to_the_gateway() -> None:
    names = ("ANTHROPIC_API_KEY", "AWS_SECRET_ACCESS_KEY", "MY_TOKEN", "WORD")
    by_name, named, values = variables(dict.fromkeys(names, "x"), asked.of_clouds())

    assert (sorted(by_name), named, values) == (sorted(names[:3]), ["MY_TOKEN"], {"WORD": "x"})


def _passed_by_the_sdk(
    options: ClaudeAgentOptions, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Return the variables with which the SDK would start its own Claude."""
    passed: dict[str, str] = {}

    async def note(_: object, *, env: Mapping[str, str], **__: object) -> None:
        passed.update(env)
        raise OSError("nothing is started here")

    monkeypatch.setenv(_SKIPPED, "1")
    monkeypatch.setattr(anyio, "open_process", note)
    connecting = SubprocessCLITransport(prompt="", options=options).connect()
    # Without a loop: it waits for nothing before it starts what it starts.
    with pytest.raises(CLIConnectionError):
        connecting.send(None)
    assert passed
    return {name: text for name, text in passed.items() if name not in _OUTSIDE}


def _require_same(named: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    options = ClaudeAgentOptions(cli_path="/nowhere/claude", **named)
    own, around = asked.variables(options, dict(os.environ))
    ours = {**around, **own}
    theirs = _passed_by_the_sdk(options, monkeypatch)
    assert {name: text for name, text in ours.items() if name not in _OUTSIDE} == theirs


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"env": {"WORD": "a", "CLAUDE_AGENT_SDK_VERSION": "9"}},
        {"env": {"CLAUDE_CODE_ENTRYPOINT": "mine"}},
        {"env": {_STATES: "0"}},
        {"env": {_STATES.lower(): "0"}},
        {"client_app": "app/1", "enable_file_checkpointing": True},
        {"stderr": print, "user": None, "cwd": "/"},
    ],
)
@pytest.mark.parametrize("around", [{}, {_STATES: "0", "CLAUDE_CODE_ENTRYPOINT": "cli"}])
def test_variables_are_those_of_the_sdk(
    named: dict[str, Any], around: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in around.items():
        monkeypatch.setenv(name, text)
    _require_same(named, monkeypatch)


def test_all_of_this_process_passed_once_more_is_what_the_sdk_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLAUDE_CODE_ENTRYPOINT", "cli")
    monkeypatch.setenv(_STATES, "0")
    _require_same({"env": dict(os.environ)}, monkeypatch)


@pytest.mark.parametrize(
    "carried",
    [
        {"traceparent": "new", "tracestate": "new"},
        {"traceparent": "new"},
        {"traceparent": "new", "baggage": "new"},
        {"baggage": "new"},
        {},
        None,
    ],
)
@pytest.mark.parametrize(
    "env", [{}, {"TRACESTATE": "own"}, {"TRACEPARENT": "own"}, {"TRACEPARENT": "old"}]
)
def test_the_trace_is_that_of_the_sdk(
    carried: dict[str, str] | None, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def inject(carrier: dict[str, str]) -> None:
        if carried is None:
            raise RuntimeError("broken")
        carrier.update(carried)

    monkeypatch.setitem(
        sys.modules, "opentelemetry", SimpleNamespace(propagate=SimpleNamespace(inject=inject))
    )
    monkeypatch.setenv("TRACEPARENT", "old")
    monkeypatch.setenv("TRACESTATE", "old")
    _require_same({"env": env}, monkeypatch)


def test_a_directory_of_claudes_is_not_named() -> None:
    """It would name a place inside where nothing is kept."""
    by_name, named, values = variables({"CLAUDE_CONFIG_DIR": "/a", "WORD": "b"})

    assert (by_name, named, values) == ({"CLAUDE_CONFIG_DIR": "/a"}, [], {"WORD": "b"})
