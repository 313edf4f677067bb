"""Options of a call, as the CLI has them, and what they come to: arguments, files, a first request.

What may be long goes by standard input: prompts as messages; system prompts, agents and schemas in
the request that begins the control protocol. An argument ends at 128 KiB on Linux, and `ps` and
`docker inspect` show it. MCP servers and settings are files of the launch's own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict

from pinnace.sdk.isolation import Isolation
from pinnace.sdk.tools import Tool, is_tools
from pinnace_core.errors import CannotReadError, UsageError, perhaps

if TYPE_CHECKING:
    from pinnace.sdk.control import Hook, ToolUseRequest

PermissionMode: TypeAlias = Literal[
    "default", "acceptEdits", "plan", "dontAsk", "auto", "manual", "bypassPermissions"
]
Effort: TypeAlias = Literal["low", "medium", "high", "xhigh", "max"]
_Path: TypeAlias = str | os.PathLike[str]
McpServer: TypeAlias = Mapping[str, Any] | Sequence[Tool[..., Any]]
"""As the CLI's own file describes one, or tools of the program's own (`tool`)."""


class Options(TypedDict, total=False):
    """Options of a call; each may be left out.

    Attributes:
        system: the system prompt, instead of the CLI's own.
        append_system: added to the system prompt.
        tools: that Claude may use without asking, as `Read` or `Bash(git log:*)`.
        disallowed_tools: that Claude may not use.
        available_tools: the built-in tools that there are; none: an empty list.
        mcp_servers: by name, as in the CLI's own file, or such a file. A list of functions made
            with `tool` is a server that runs in the program itself.
        strict_mcp: no other MCP servers than those.
        agents: by name, as the CLI's `--agents` has them.
        settings: as in a settings.json, or such a file.
        permission_mode: as the CLI's option; `bypassPermissions` is refused where nothing isolates.
        permission_prompt_tool: an MCP tool that is asked for permissions.
        can_use_tool: is asked for permissions: `True`, `False`, or `Allow` and `Deny`.
        hooks: by the CLI's name of the moment, as `PreToolUse`.
        resume: a session's id.
        continue_: go on with the last session of the project.
        fork: go on in a copy of the session.
        session_id: of the new session, a UUID.
        max_turns: the most turns.
        budget_usd: the most that it may cost.
        model: name or alias.
        fallback_model: where the model is overloaded.
        effort: of the model.
        add_dirs: more directories, which are mounted at their own path, read-only.
        env: variables of Claude's.
        cwd: where Claude works, in the project; relative to it.
        partial_messages: events of parts of messages.
        extra_args: arguments of the CLI that have no option here.
    """

    system: str
    append_system: str
    tools: Sequence[str]
    disallowed_tools: Sequence[str]
    available_tools: Sequence[str]
    mcp_servers: Mapping[str, McpServer] | _Path
    strict_mcp: bool
    agents: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any] | _Path
    permission_mode: PermissionMode
    permission_prompt_tool: str
    can_use_tool: Callable[[ToolUseRequest], Awaitable[object]]
    hooks: Mapping[str, Sequence[Hook]]
    resume: str
    continue_: bool
    fork: bool
    session_id: str
    max_turns: int
    budget_usd: float
    model: str
    fallback_model: str
    effort: Effort
    add_dirs: Sequence[_Path]
    env: Mapping[str, str]
    cwd: _Path
    partial_messages: bool
    extra_args: Sequence[str]


@dataclass(frozen=True, slots=True)
class Call:
    """What options come to.

    Attributes:
        arguments: of the CLI.
        files: of this launch alone, by their names.
        initialize: what the request that begins the control protocol says.
        in_process: the names of MCP servers that run in the program itself.
    """

    arguments: tuple[str, ...]
    files: dict[str, str]
    initialize: dict[str, Any]
    in_process: tuple[str, ...] = ()


_STREAMED: Final = (
    *("-p", "--verbose", "--output-format", "stream-json", "--input-format", "stream-json"),
)
_FLAGS: Final = {
    "strict_mcp": "--strict-mcp-config",
    "continue_": "--continue",
    "fork": "--fork-session",
    "partial_messages": "--include-partial-messages",
}
_TEXTS: Final = {
    "permission_mode": "--permission-mode",
    "permission_prompt_tool": "--permission-prompt-tool",
    "resume": "--resume",
    "session_id": "--session-id",
    "max_turns": "--max-turns",
    "budget_usd": "--max-budget-usd",
    "model": "--model",
    "fallback_model": "--fallback-model",
    "effort": "--effort",
}
_LISTS: Final = {
    "tools": "--allowedTools",
    "disallowed_tools": "--disallowedTools",
    "available_tools": "--tools",
}
_FILES: Final = {"mcp_servers": "--mcp-config", "settings": "--settings"}
_OWN_SERVERS: Final = (
    "servers in the program are lists of functions made with `pinnace.tool`; those of the official "
    "SDK and of the package mcp work with box.transport()"
)
_FIRST: Final = {
    "system": "systemPrompt",
    "append_system": "appendSystemPrompt",
    "agents": "agents",
}
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(_FLAGS, (bool,)),
    **dict.fromkeys(_TEXTS, (str,)),
    **dict.fromkeys(("system", "append_system"), (str,)),
    "max_turns": (int,),
    "budget_usd": (int, float),
    **dict.fromkeys(("agents", "hooks", "env"), (Mapping,)),
    **dict.fromkeys(_FILES, (Mapping, str, os.PathLike)),
    "cwd": (str, os.PathLike),
}


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that have a value.

    Raises:
        TypeError: there is no such option.
        UsageError: a value is of another type.
    """
    known = Options.__annotations__
    for name, value in given.items():
        if name not in known:
            if name in Isolation.__annotations__:
                raise TypeError(f"'{name}' is no option of a call, but of Pinnace({name}=...)")
            raise TypeError(f"there is no option '{name}'{perhaps(name, known)}")
        if value is not None:
            _require_type(name, value)
    return {name: value for name, value in given.items() if value is not None}


def _require_type(name: str, value: object) -> None:
    wanted = _TYPES.get(name)
    if name in _LISTS or name in {"add_dirs", "extra_args"}:
        fits = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    elif name == "can_use_tool":
        fits = callable(value)
    else:
        odd = isinstance(value, bool) and wanted != (bool,)
        fits = wanted is None or (isinstance(value, wanted) and not odd)
    if not fits:
        raise UsageError(
            f"{name}={value!r:.80}: this type is not expected", hint="see: pinnace help sdk"
        )


def compiled(options: Mapping[str, Any], place: str, *, streamed: bool = True) -> Call:
    """Return what checked options come to.

    Args:
        options: as `checked` returns them.
        place: where the launch's files are, inside.
        streamed: a program writes and reads messages; otherwise a user sits there.

    Raises:
        CannotReadError: a file that is named cannot be read.
    """
    words: list[str] = list(_STREAMED if streamed else ())
    files: dict[str, str] = {}
    words += [flag for name, flag in _FLAGS.items() if options.get(name)]
    # In one word: a value is never taken for an option, nor an option for a value.
    words += [f"{flag}={options[name]}" for name, flag in _TEXTS.items() if name in options]
    words += [
        f"{flag}={','.join(options[name])}" for name, flag in _LISTS.items() if name in options
    ]
    words += [f"--add-dir={os.fspath(path)}" for path in options.get("add_dirs", ())]
    for name, flag in _FILES.items():
        if name in options:
            files[f"{name}.json"] = _text(name, options[name])
            words.append(f"{flag}={place}/{name}.json")
    if "can_use_tool" in options:
        words.append("--permission-prompt-tool=stdio")
    words += options.get("extra_args", ())
    first = {wire: options[name] for name, wire in _FIRST.items() if name in options}
    servers = options.get("mcp_servers")
    named = servers.items() if isinstance(servers, Mapping) else ()
    own = tuple(name for name, one in named if is_tools(one))
    return Call(tuple(words), files, first, own)


def _servers(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the CLI's own file says; of those in the program, that they are there."""
    return {n: {"type": "sdk", "name": n} if is_tools(one) else one for n, one in value.items()}


def _text(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        whole = {"mcpServers": _servers(value)} if name == "mcp_servers" else dict(value)
        try:
            return json.dumps(whole)
        except (TypeError, ValueError) as error:
            hint = _OWN_SERVERS if name == "mcp_servers" else "use plain values"
            raise UsageError(f"{name} is no JSON: {error}", hint=hint) from None
    try:
        with open(str(value), encoding="utf-8") as stream:  # noqa: PTH123 (any path there is)
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotReadError(f"cannot read {name}: {error}", hint="name another file") from error


def require_session(
    prompt: object, options: Mapping[str, Any], settings: Mapping[str, object]
) -> None:
    """See that a prompt that goes on in a session has one.

    Raises:
        UsageError: none is named.
    """
    if not getattr(prompt, "session_required", False) or "run.session" in settings:
        return
    if not options.get("resume") and not options.get("continue_"):
        raise UsageError(
            "the prompt goes on in a session, and none is named",
            hint="box.session(NAME).claude(prompt), resume=ID, or continue_=True",
        )
