"""What Claude asks the program that drives it: hooks, permissions, tools of the program's own.

Requests come among the events, each with an id, and wait for an answer on standard input. They may
overlap, and Claude may take one back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pinnace.sdk.errors import ControlError
from pinnace.sdk.tools import ToolServer, is_tools


@dataclass(frozen=True, slots=True)
class ToolUseRequest:
    """Claude wants to use a tool.

    Attributes:
        tool: its name.
        input: what it is called with.
        suggestions: rules that would allow it, as the CLI suggests them.
        raw: all of the request.
    """

    tool: str
    input: dict[str, Any]
    suggestions: tuple[Any, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Allow:
    """The tool may be used.

    Attributes:
        input: instead of what it was called with.
        rules: that count from now on, of the request's suggestions.
    """

    input: Mapping[str, Any] | None = None
    rules: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Deny:
    """The tool may not be used.

    Attributes:
        message: what Claude is told.
        interrupt: end the turn.
    """

    message: str = "denied"
    interrupt: bool = False


HookCallback: TypeAlias = Callable[[dict[str, Any]], Awaitable[Mapping[str, Any] | None]]


@dataclass(frozen=True, slots=True)
class Hook:
    """A function that is called at a moment.

    Attributes:
        callback: gets what the CLI says of the moment, and returns a hook's output, or None.
        matcher: names of tools, as the CLI's settings have it; None: all.
        timeout: in seconds.
    """

    callback: HookCallback
    matcher: str | None = None
    timeout: float | None = None


class Answers:
    """Answers what Claude asks, by the options of a call."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Number the hooks."""
        self._can_use_tool = options.get("can_use_tool")
        self._hooks: dict[str, HookCallback] = {}
        self.hooks: dict[str, list[dict[str, Any]]] = {}
        for moment, hooks in options.get("hooks", {}).items():
            self.hooks[moment] = [self._registered(hook) for hook in hooks]
        servers = options.get("mcp_servers")
        named = servers.items() if isinstance(servers, Mapping) else ()
        self._servers = {name: ToolServer(name, one) for name, one in named if is_tools(one)}

    @property
    def needed(self) -> bool:
        """Whether Claude may ask anything: then its input stays open."""
        return bool(self._hooks or self._can_use_tool or self._servers)

    def _registered(self, hook: Hook) -> dict[str, Any]:
        name = f"hook_{len(self._hooks)}"
        self._hooks[name] = hook.callback
        found: dict[str, Any] = {"matcher": hook.matcher, "hookCallbackIds": [name]}
        return found if hook.timeout is None else {**found, "timeout": hook.timeout}

    async def response(self, request_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request, an error's where the program's function fails."""
        try:
            body = await self._answer(request)
        except Exception as error:  # noqa: BLE001 (of the caller's own; Claude is told)
            said: dict[str, Any] = {"subtype": "error", "error": str(error)}
        else:
            said = {"subtype": "success", "response": body}
        said["request_id"] = request_id
        return {"type": "control_response", "response": said}

    async def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        match request.get("subtype"):
            case "can_use_tool" if self._can_use_tool:
                return await self._permission(request)
            case "hook_callback" if request.get("callback_id") in self._hooks:
                said = await self._hooks[str(request["callback_id"])](request.get("input") or {})
                return dict(said or {})
            case "mcp_message" if request.get("server_name") in self._servers:
                server = self._servers[str(request["server_name"])]
                return {"mcp_response": await server.answer(request.get("message") or {})}
            case other:
                raise ControlError(f"nothing answers '{other}'")

    async def _permission(self, request: Mapping[str, Any]) -> dict[str, Any]:
        given = request.get("input") or {}
        suggestions = tuple(request.get("permission_suggestions") or ())
        asked = ToolUseRequest(str(request.get("tool_name")), given, suggestions, request)
        assert self._can_use_tool is not None  # noqa: S101 (as it was asked for)
        match await self._can_use_tool(asked):
            case Allow(changed, rules):
                taken = dict(given if changed is None else changed)
                more = {"updatedPermissions": list(rules)} if rules else {}
                return {"behavior": "allow", "updatedInput": taken, **more}
            case True:
                return {"behavior": "allow", "updatedInput": given}
            case Deny(message, interrupt):
                return {"behavior": "deny", "message": message, "interrupt": interrupt}
            case False:
                return {"behavior": "deny", "message": "denied"}
            case other:
                raise TypeError(f"can_use_tool returned {other!r}: expected Allow, Deny or a bool")
