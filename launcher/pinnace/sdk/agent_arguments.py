"""What the official Agent SDK would start: arguments and variables, from its own options.

The SDK builds the arguments itself (`SubprocessCLITransport._build_command`): a table of our own
would leave out, without a word, what a newer SDK adds. That function is private; if it goes away,
or returns something else, that is an error. A test holds the variables against what the SDK sets.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace import agent
from pinnace.agent.variables import PASSED
from pinnace_core.errors import AgentSdkError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from claude_agent_sdk import ClaudeAgentOptions

_PROGRAM: Final = "claude"
_FRAMING: Final = (("--output-format", "stream-json"), ("--input-format", "stream-json"))
# They say where things are on this machine, or steer the engine's client, or Pinnace.
_OF_THE_HOST: Final = frozenset(
    {"HOME", "LOGNAME", "OLDPWD", "PATH", "PWD", "SHELL", "SHLVL", "TMPDIR", "USER"}
)
_OF_THE_HOST_BY_START: Final = (
    *("BUILDKIT_", "BUILDX_", "CONTAINER", "DOCKER_", "DYLD_", "LD_", "PINNACE_", "XDG_"),
)
_STATES: Final = "CLAUDE_CODE_SDK_READS_SESSION_STATE"


def settled(options: ClaudeAgentOptions) -> ClaudeAgentOptions:
    """Return options as the SDK itself completes them, before it starts Claude.

    Raises:
        UsageError: one makes no sense for a container.
    """
    if options.cli_path:
        raise UsageError(
            "options.cli_path names a program of this machine; the image's own is what runs",
            hint="leave it out; or keep it, and take the SDK's own transport",
        )
    if options.user:
        raise UsageError(
            "options.user names a user of this machine; Claude runs as its own inside",
            hint="leave it out: see docs/mounts.md",
        )
    if not options.can_use_tool:
        return options
    if options.permission_prompt_tool_name:
        raise UsageError(
            "can_use_tool and permission_prompt_tool_name exclude each other", hint="choose one"
        )
    return dataclasses.replace(options, permission_prompt_tool_name="stdio")


def arguments(options: ClaudeAgentOptions) -> tuple[str, ...]:
    """Return Claude's arguments, as the SDK makes them.

    Raises:
        AgentSdkError: this version of the SDK makes them in another way.
        Exception: the SDK's own, where an option is wrong.
    """
    from claude_agent_sdk._internal.transport.subprocess_cli import SubprocessCLITransport

    build: Any = getattr(SubprocessCLITransport, "_build_command", None)
    if build is None:
        raise _unknown("it builds no command")
    named = dataclasses.replace(options, cli_path=_PROGRAM)
    made = build(SubprocessCLITransport(prompt=_nothing(), options=named))
    if not isinstance(made, list) or made[:1] != [_PROGRAM]:
        raise _unknown("its command does not begin with the program")
    pairs = set(itertools.pairwise(made))
    if not pairs.issuperset(_FRAMING):
        raise _unknown("its command does not ask for streams of JSON")
    return tuple(map(str, made[1:]))


async def _nothing() -> Any:  # noqa: ANN401 (the SDK wants to be given messages)
    return
    yield {}


def _unknown(why: str) -> AgentSdkError:
    version = metadata.version("claude-agent-sdk")
    return AgentSdkError(
        f"claude-agent-sdk {version} is not one that Pinnace knows: {why}",
        hint="install one that it does: pip install 'pinnace[agent-sdk]'",
    )


def variables(options: ClaudeAgentOptions, around: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the SDK sets, beside those of this process.

    Args:
        options: the SDK's.
        around: this process's variables; what is the same there is no wish.
    """
    given = {k: v for k, v in options.env.items() if around.get(k) != v}
    own = {
        "CLAUDE_CODE_ENTRYPOINT": "sdk-py",
        _STATES: "1",
        **given,
        "CLAUDE_AGENT_SDK_VERSION": metadata.version("claude-agent-sdk"),
    }
    client = getattr(options, "client_app", None)
    if client is not None:
        own["CLAUDE_AGENT_SDK_CLIENT_APP"] = client
    if getattr(options, "enable_file_checkpointing", False):
        own["CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING"] = "true"
    return {**_traced(given), **own}


def _traced(given: Mapping[str, str]) -> dict[str, str]:
    """Return the trace that this is a part of, if the program keeps one."""
    try:
        from opentelemetry import propagate
    except ImportError:
        return {}
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return {name.upper(): text for name, text in carrier.items() if name.upper() not in given}


def outside(names: Iterable[str]) -> list[str]:
    """Name those variables that stay outside: they are about this machine."""
    return sorted(n for n in names if n in _OF_THE_HOST or n.startswith(_OF_THE_HOST_BY_START))


def named(names: Iterable[str]) -> list[str]:
    """Name those that go in only because they are named: the rest has rules of its own."""
    clouds = {v for one in agent.PROVIDERS.values() for v in (one.switch, *one.names)}
    return sorted(name for name in names if name not in PASSED and name not in clouds)


def directory(options: ClaudeAgentOptions, project: str, cwd: str) -> str:
    """Return where Claude works, by its full path.

    Raises:
        CLIConnectionError: it is not there; as the SDK's own transport does.
    """
    from claude_agent_sdk import CLIConnectionError

    place = os.path.normpath(Path(cwd, project, str(options.cwd or "")))
    if not Path(place).is_dir():
        raise CLIConnectionError(f"Working directory does not exist: {place}")
    return place
