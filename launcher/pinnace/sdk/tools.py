"""Tools that are functions of the program's own: an MCP server that runs in it, outside.

    @tool
    async def weather(city: str) -> str:
        "Tells the weather in a city."
        ...

    await box.claude("...", mcp_servers={"own": [weather]}, tools=["mcp__own__weather"])

Claude reaches them over the control protocol (`control`). What a tool is called with is checked
against the function's own types first: it comes from the agent, and is untrusted.
https://modelcontextprotocol.io/specification
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import metadata
from typing import Any, Final, Generic, ParamSpec, TypeGuard, TypeVar, get_type_hints, overload

import anyio
import msgspec

P = ParamSpec("P")
R = TypeVar("R")
_VERSION: Final = "2025-06-18"
_NO_METHOD: Final = -32601
_BAD_PARAMETERS: Final = -32602
_EMPTY: Final = inspect.Parameter.empty
_NAMED: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Tool(Generic[P, R]):
    """A function that Claude may call; it is called as before, too.

    Attributes:
        name: Claude knows it as `mcp__SERVER__NAME`.
        description: what Claude is told of it.
        schema: of its arguments, a JSON Schema.
    """

    def __init__(self, function: Callable[P, R], name: str, description: str) -> None:
        """Read the function's signature.

        Raises:
            TypeError: an argument has no type, or none that JSON can hold.
        """
        self._function = function
        self.name, self.description = name, description
        self._arguments = _struct(function, name)
        try:
            schema = msgspec.json.schema(self._arguments)
        except TypeError as error:
            raise TypeError(f"tool '{name}': {error}") from None
        own = schema["$ref"].rpartition("/")[2]
        whole = schema["$defs"].pop(own)
        others = schema["$defs"]
        self.schema: dict[str, Any] = {
            **{key: value for key, value in whole.items() if key != "title"},
            **({"$defs": others} if others else {}),
        }

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        return self._function(*args, **kwargs)

    async def answer(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call the function as Claude asks for it; return what MCP calls the result.

        One that is not `async` runs in a thread. What it raises, Claude is told.
        """
        try:
            given = msgspec.convert(dict(arguments), self._arguments)
            named: Any = {f: getattr(given, f) for f in self._arguments.__struct_fields__}
            call: Callable[[], Any] = partial(self._function, **named)
            is_async = inspect.iscoroutinefunction(self._function)
            return content(await (call() if is_async else anyio.to_thread.run_sync(call)))
        except Exception as error:  # noqa: BLE001 (of the program's own, or what came does not fit)
            return {**content(str(error) or type(error).__name__), "isError": True}


@overload
def tool(function: Callable[P, R]) -> Tool[P, R]: ...
@overload
def tool(*, name: str = ..., description: str = ...) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    function: Callable[P, R] | None = None, *, name: str = "", description: str = ""
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """Make a function a tool: `@tool`, or `@tool(name=..., description=...)`.

    Args:
        function: its arguments have types, `Annotated[str, msgspec.Meta(description="...")]` says
            more of one. It returns text, anything that JSON holds, or a result as MCP has it
            (`{"content": [...]}`).
        name: instead of the function's.
        description: instead of its docstring.

    Raises:
        TypeError: an argument has no type, or none that JSON can hold.
    """

    def made(of: Callable[P, R]) -> Tool[P, R]:
        called = name or str(getattr(of, "__name__", "tool"))
        return Tool(of, called, description or inspect.getdoc(of) or "")

    return made if function is None else made(function)


def content(said: object) -> dict[str, Any]:
    """Return what a tool gave, as MCP has it."""
    if isinstance(said, Mapping) and isinstance(said.get("content"), list):
        return dict(said)
    text = said if isinstance(said, str) else msgspec.json.encode(said).decode()
    return {"content": [] if said is None else [{"type": "text", "text": text}]}


def _struct(function: Callable[..., Any], name: str) -> type[msgspec.Struct]:
    """Return a type of what a function is called with."""
    hints = get_type_hints(function, include_extras=True)
    fields: list[Any] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in _NAMED or parameter.name not in hints:
            raise TypeError(
                f"tool '{name}': its argument '{parameter.name}' needs a name and a type, "
                "as in: async def weather(city: str) -> str"
            )
        field = (parameter.name, hints[parameter.name])
        fields.append(field if parameter.default is _EMPTY else (*field, parameter.default))
    return msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)


def is_tools(server: object) -> TypeGuard[Sequence[Tool[..., Any]]]:
    """Return whether this names tools of the program's own."""
    if not isinstance(server, Sequence) or isinstance(server, str | bytes):
        return False
    return all(isinstance(one, Tool) for one in server)


class ToolServer:
    """An MCP server of the program's own tools, message by message."""

    def __init__(self, name: str, tools: Sequence[Tool[..., Any]]) -> None:
        """Take the tools."""
        self._name = name
        self._tools = {one.name: one for one in tools}

    async def answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a message of JSON-RPC; to a notification, an empty one."""
        method, number = str(message.get("method")), message.get("id")
        if number is None:
            return {"jsonrpc": "2.0", "result": {}}
        found = await self._result(method, message.get("params") or {})
        return {"jsonrpc": "2.0", "id": number, **found}

    async def _result(self, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
        match method:
            case "initialize":
                return {"result": self._greeting(given)}
            case "ping":
                return {"result": {}}
            case "tools/list":
                return {"result": {"tools": [_listed(one) for one in self._tools.values()]}}
            case "tools/call":
                return await self._called(given)
            case other:
                return _error(_NO_METHOD, f"there is no method '{other}'")

    def _greeting(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "protocolVersion": given.get("protocolVersion") or _VERSION,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": self._name, "version": metadata.version("pinnace")},
        }

    async def _called(self, given: Mapping[str, Any]) -> dict[str, Any]:
        wanted = self._tools.get(str(given.get("name")))
        if wanted is None:
            return _error(_BAD_PARAMETERS, f"there is no tool '{given.get('name')}'")
        return {"result": await wanted.answer(given.get("arguments") or {})}


def _listed(one: Tool[..., Any]) -> dict[str, Any]:
    return {"name": one.name, "description": one.description, "inputSchema": one.schema}


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}
