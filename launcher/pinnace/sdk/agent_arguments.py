"""What the official Agent SDK would start: arguments and variables, from its own options.

The SDK builds the arguments itself (`SubprocessCLITransport._build_command`): a table of our own
would leave out, without a word, what a newer SDK adds. That function is private; if it goes away,
or returns something else, that is an error. The variables are set in the midst of its starting a
process: they are said again here, and a test holds them against what the SDK passes to that.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace import agent
from pinnace.agent.arguments import read
from pinnace.request import FILES_INSIDE
from pinnace_core.errors import AgentSdkError, UsageError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from claude_agent_sdk import ClaudeAgentOptions

_PROGRAM: Final = "claude"
_FRAMING: Final = (("--output-format", "stream-json"), ("--input-format", "stream-json"))
# Options whose value may be a file's in its place, and how that is called.
_IN_A_FILE: Final = {
    "--mcp-config": "--mcp-config",
    "--settings": "--settings",
    "--system-prompt": "--system-prompt-file",
    "--append-system-prompt": "--append-system-prompt-file",
}
# They may hold keys, as variables of servers and of Claude's own.
_ALWAYS: Final = frozenset({"--mcp-config", "--settings"})
# A system takes 128 KiB, and all together have a limit, too.
_MOST_OF_AN_ARGUMENT: Final = 32 << 10
# They say where things are on this machine, or steer the engine's client, or Pinnace.
_OF_THE_HOST: Final = frozenset(
    {"HOME", "LOGNAME", "OLDPWD", "PATH", "PWD", "SHELL", "SHLVL", "TMPDIR", "USER"}
)
_OF_THE_HOST_BY_START: Final = (
    *("BUILDKIT_", "BUILDX_", "CONTAINER", "DOCKER_", "DYLD_", "LD_", "PINNACE_", "XDG_"),
)
_ENTRY: Final = "CLAUDE_CODE_ENTRYPOINT"
_STATES: Final = "CLAUDE_CODE_SDK_READS_SESSION_STATE"
_TRACE: Final = ("TRACEPARENT", "TRACESTATE")
# What the SDK sets where the program does not, whatever is around.
_SET: Final = (_ENTRY, *_TRACE)


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
            hint="leave it out; see: pinnace help mounts",
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
        raise unknown("it builds no command")
    named = dataclasses.replace(options, cli_path=_PROGRAM)
    made = build(SubprocessCLITransport(prompt=_nothing(), options=named))
    if not isinstance(made, list) or made[:1] != [_PROGRAM]:
        raise unknown("its command does not begin with the program")
    pairs = set(itertools.pairwise(made))
    if not pairs.issuperset(_FRAMING):
        raise unknown("its command does not ask for streams of JSON")
    return tuple(map(str, made[1:]))


async def _nothing() -> Any:  # noqa: ANN401 (the SDK wants to be given messages)
    return
    yield {}


def unknown(why: str) -> AgentSdkError:
    """Return the error that this version of the SDK is not one that Pinnace knows."""
    version = metadata.version("claude-agent-sdk")
    return AgentSdkError(
        f"claude-agent-sdk {version} is not one that Pinnace knows: {why}",
        hint="install one that it does: pip install 'pinnace[agent-sdk]'",
    )


class Command(NamedTuple):
    """What Claude is started with.

    Attributes:
        arguments: Claude's.
        files: what they name at `FILES_INSIDE`, by name.
    """

    arguments: tuple[str, ...]
    files: dict[str, str]


def with_files(made: tuple[str, ...]) -> Command:
    """Return arguments of which none is too long, nor tells what the engine should not show.

    `docker inspect` and `ps` show them all; servers and settings are often given keys.
    """
    if "--" in made:
        return Command(made, {})
    words: list[str] = []
    files: dict[str, str] = {}
    for word in read(made):
        option, text = word.option, word.value
        if not word.words[2:] and _belongs_in_a_file(option, text):
            name = f"{len(files)}{option}"
            files[name] = text
            words += (_IN_A_FILE[option], f"{FILES_INSIDE}/{name}")
        else:
            words += word.words
    return Command(tuple(words), files)


def _belongs_in_a_file(option: str, text: str) -> bool:
    if option in _ALWAYS:
        return text.lstrip().startswith("{")
    return option in _IN_A_FILE and len(text.encode()) > _MOST_OF_AN_ARGUMENT


class Variables(NamedTuple):
    """The variables that Claude is started with.

    Attributes:
        own: those that the SDK sets.
        around: those of this process, but for what belongs to an older trace.
    """

    own: dict[str, str]
    around: dict[str, str]


def variables(options: ClaudeAgentOptions, around: Mapping[str, str]) -> Variables:
    """Return the variables that the SDK sets, and those that they are set beside.

    Args:
        options: the SDK's.
        around: this process's variables; what is the same there is no wish.
    """
    given = {k: v for k, v in options.env.items() if around.get(k) != v or k in _SET}
    own = {
        _ENTRY: "sdk-py",
        **given,
        "CLAUDE_AGENT_SDK_VERSION": metadata.version("claude-agent-sdk"),
    }
    # Whatever case it is in, as Windows does not tell.
    if not any(name.upper() == _STATES for name in (*around, *options.env)):
        own[_STATES] = "1"
    client = getattr(options, "client_app", None)
    if client is not None:
        own["CLAUDE_AGENT_SDK_CLIENT_APP"] = client
    if getattr(options, "enable_file_checkpointing", False):
        own["CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING"] = "true"
    trace = _trace()
    fresh = {name: text for name, text in trace.items() if name not in options.env}
    stale = _TRACE if trace else ()
    return Variables({**fresh, **own}, {k: v for k, v in around.items() if k not in stale})


def _trace() -> dict[str, str]:
    """Return the trace that this is a part of, if the program keeps one."""
    carrier: dict[str, str] = {}
    try:
        from opentelemetry import propagate

        propagate.inject(carrier)
    except Exception:  # noqa: BLE001 (as the SDK: what traces is never in the way)
        return {}
    named = {name.upper(): text for name, text in carrier.items()}
    return named if _TRACE[0] in named else {}


def outside(names: Iterable[str]) -> list[str]:
    """Name those variables that stay outside: they are about this machine."""
    return sorted(n for n in names if n in _OF_THE_HOST or n.startswith(_OF_THE_HOST_BY_START))


def of_clouds() -> set[str]:
    """Name the variables of the clouds: which of them go in, the launch says."""
    return {v for one in agent.PROVIDERS.values() for v in (one.switch, *one.names)}


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
