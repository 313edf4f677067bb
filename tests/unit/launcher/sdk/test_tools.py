"""Tools that are functions of the program's own: their schemas, and what MCP asks of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pytest

from pinnace.sdk import terminal
from pinnace.sdk.control import Answers
from pinnace.sdk.options import checked, compiled
from pinnace.sdk.tools import ToolServer, tool
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Machine:
    """JSON holds none."""


@dataclass
class Place:
    name: str


@tool
async def weather(
    place: Place, days: Annotated[int, msgspec.Meta(description="how many")] = 1
) -> dict[str, int]:
    """Tell the weather."""
    if place.name == "nowhere":
        raise LookupError("no such place")
    return {place.name: days}


@tool(name="plain", description="Be plain.")
async def _plain() -> str:
    return "text"


def _run(answer: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Run what waits for nothing: no loop, which would open sockets."""
    with pytest.raises(StopIteration) as ended:
        answer.send(None)
    value: dict[str, Any] = ended.value.value
    return value


def _asked(method: str, **given: Any) -> dict[str, Any]:
    server = ToolServer("own", [weather, _plain])
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": given}
    answer = _run(server.answer(message))
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 7)
    return answer


def _called(name: str, **arguments: Any) -> tuple[str, bool]:
    result = _asked("tools/call", name=name, arguments=arguments)["result"]
    return result["content"][0]["text"], result.get("isError", False)


def test_they_are_listed_with_their_types() -> None:
    assert _asked("initialize", protocolVersion="1")["result"]["protocolVersion"] == "1"
    first, second = _asked("tools/list")["result"]["tools"]

    assert (first["name"], first["description"]) == ("weather", "Tell the weather.")
    assert (second["name"], second["description"]) == ("plain", "Be plain.")
    schema = first["inputSchema"]
    assert schema["properties"]["days"] == {
        "type": "integer",
        "description": "how many",
        "default": 1,
    }
    assert (schema["required"], schema["additionalProperties"]) == (["place"], False)
    assert schema["$defs"]["Place"]["required"] == ["name"]


def test_they_are_called_with_what_fits_and_nothing_else() -> None:
    assert _called("weather", place={"name": "Bern"}, days=2) == ('{"Bern":2}', False)
    assert _called("plain") == ("text", False)
    assert _called("weather", place={"name": "nowhere"}) == ("no such place", True)
    for wrong in ({}, {"place": "Bern"}, {"place": {"name": "Bern"}, "hours": 1}):
        assert _called("weather", **wrong)[1]


def test_what_is_not_there_is_an_error() -> None:
    assert "resources/list" in _asked("resources/list")["error"]["message"]
    assert "other" in _asked("tools/call", name="other")["error"]["message"]
    notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    answer = _run(ToolServer("own", []).answer(notification))
    assert answer == {"jsonrpc": "2.0", "result": {}}


def test_they_are_called_by_the_program_as_before() -> None:
    with pytest.raises(StopIteration, match="text"):
        _plain().send(None)


def test_a_result_of_mcps_own_passes() -> None:
    image = {"content": [{"type": "image", "data": "AA==", "mimeType": "image/png"}]}

    @tool
    async def shown() -> dict[str, Any]:
        return image

    message = {"id": 1, "method": "tools/call", "params": {"name": "shown"}}
    assert _run(ToolServer("own", [shown]).answer(message))["result"] == image


def test_an_argument_without_a_type_is_refused() -> None:
    def untyped(a) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """Do nothing."""

    def many(*all_of: int) -> None:
        """Do nothing."""

    def odd(a: Machine) -> None:
        """Do nothing."""

    for wrong in (untyped, many, odd):
        with pytest.raises(TypeError, match="tool"):
            tool(wrong)


def test_the_cli_is_told_of_the_server_and_its_messages_are_answered() -> None:
    options = checked({"mcp_servers": {"own": [weather], "other": {"command": "x"}}})
    assert (
        '"own": {"type": "sdk", "name": "own"}'
        in compiled(options, "/in").files["mcp_servers.json"]
    )
    answers = Answers(options)
    assert answers.needed
    request = {"subtype": "mcp_message", "server_name": "own", "message": {"id": 1}}
    said = _run(answers.response("r", request))
    assert said["response"]["response"]["mcp_response"]["id"] == 1
    gone = _run(answers.response("r", {**request, "server_name": "other"}))
    assert gone["response"]["subtype"] == "error"


def test_at_a_terminal_long_texts_are_files_and_nobody_answers() -> None:
    call = terminal.of_options({"system": "S", "append_system": "A", "model": "opus"}, "go", "/in")
    assert call.files == {"system.md": "S", "append-system.md": "A"}
    assert call.arguments == (
        "--model=opus",
        "--system-prompt-file=/in/system.md",
        "--append-system-prompt-file=/in/append-system.md",
        "--",
        "go",
    )
    for wrong in ({"can_use_tool": print}, {"mcp_servers": {"can_use_tool": [weather]}}):
        with pytest.raises(UsageError, match="can_use_tool: nobody could answer"):
            terminal.of_options(wrong, "", "/in")
    with pytest.raises(UsageError, match="too long"):
        terminal.of_options({}, "x" * (128 << 10), "/in")
