"""Options of a call: what they come to, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import pinnace
from pinnace import Pinnace, Prompt
from pinnace.sdk.isolation import variables
from pinnace.sdk.options import checked, compiled, require_session
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_long_texts_are_in_no_argument() -> None:
    long = "x" * 200_000
    given = {
        "system": long,
        "append_system": long,
        "agents": {"one": {"prompt": long}},
        "mcp_servers": {"one": {"command": long}},
        "settings": {"env": {"A": long}},
    }

    call = compiled(checked(given), "/inside")

    assert not any(long in word for word in call.arguments)
    assert call.initialize["systemPrompt"] == call.initialize["appendSystemPrompt"] == long
    servers = json.loads(call.files["mcp_servers.json"])
    assert servers == {"mcpServers": {"one": {"command": long}}}
    assert "--mcp-config=/inside/mcp_servers.json" in call.arguments


def test_a_value_is_never_an_option() -> None:
    call = compiled(checked({"resume": "--dangerously-skip-permissions"}), "/inside")

    assert call.arguments[-1] == "--resume=--dangerously-skip-permissions"


def test_a_file_of_servers_is_handed_in(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text('{"mcpServers": {}}', encoding="utf-8")

    call = compiled(checked({"mcp_servers": path}), "/inside")

    assert call.files == {"mcp_servers.json": '{"mcpServers": {}}'}


def test_a_wrong_name_says_which_was_meant() -> None:
    with pytest.raises(TypeError, match=r"but of Pinnace\(isolation="):
        checked({"isolation": "locked"})
    with pytest.raises(TypeError, match="perhaps you meant 'max_turns'"):
        checked({"max_turn": 3})
    with pytest.raises(TypeError, match=r"perhaps you meant 'run\.memory'"):
        Pinnace(settings={"run.memry": "8g"})


@pytest.mark.parametrize(
    "given",
    [{"max_turns": "3"}, {"tools": "Read"}, {"continue_": 1}, {"hooks": []}, {"max_turns": True}],
)
def test_a_wrong_type_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        checked(given)


def test_all_public_names_are_there() -> None:
    assert all(getattr(pinnace, name) is not None for name in pinnace.__all__)
    with pytest.raises(AttributeError):
        _ = pinnace.pinace


def test_a_wrong_argument_of_a_box_is_met_with_what_was_meant() -> None:
    wrong: Any = {"isolaton": "open"}

    with pytest.raises(TypeError, match="isolation"):
        Pinnace(**wrong)


@pytest.mark.parametrize(
    ("options", "settings", "passes"),
    [
        ({}, {}, False),
        ({"model": "opus"}, {"run.git": False}, False),
        ({"resume": "x"}, {}, True),
        ({"continue_": True}, {}, True),
        ({}, {"run.session": "fix"}, True),
    ],
)
def test_a_prompt_that_goes_on_in_a_session_has_one(
    options: dict[str, object], settings: dict[str, object], passes: object
) -> None:
    prompt = Prompt("hi", session_required=True)
    require_session(Prompt("hi"), options, settings)
    if passes:
        require_session(prompt, options, settings)
    else:
        with pytest.raises(UsageError, match="goes on in a session"):
            require_session(prompt, options, settings)


@pytest.mark.parametrize("env", [{"PINNACE_X": "1"}, {"A-B": "1"}, {"": "1"}, {"A": "\0"}])
def test_what_cannot_be_a_variable_is_told(env: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="variable"):
        variables(env)


def test_a_server_of_the_official_sdk_is_met_with_where_it_works() -> None:
    given = {"mcp_servers": {"own": {"type": "sdk", "name": "own", "instance": object()}}}

    with pytest.raises(UsageError, match="no JSON") as told:
        compiled(checked(given), "/inside")

    assert "box.transport()" in told.value.hint
