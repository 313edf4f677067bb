"""What the options of a call do inside, with the real engine, the real CLI and the stand-in API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pydantic
import pytest

from pinnace import ApiFailedError, BudgetError, Pinnace, sync
from tests.support.messages_api import Text, ToolUse

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = [pytest.mark.engine]
# An MCP server that runs inside, with what every image has.
_SERVER: Final = """\
while read -r line; do
    id=$(jq .id <<<"$line")
    case $(jq -r .method <<<"$line") in
        initialize) result='{"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
            "serverInfo": {"name": "inside", "version": "1"}}' ;;
        tools/list) result='{"tools": [{"name": "where", "inputSchema": {"type": "object"}}]}' ;;
        tools/call) result=$(jq -n --arg at "$PWD $ONE" '{content: [{type: "text", text: $at}]}') ;;
        *) continue ;;
    esac
    jq -cn --argjson id "$id" --argjson result "$result" '{jsonrpc: "2.0", $id, $result}'
done
"""


def test_an_mcp_server_with_a_command_runs_inside(
    box: Pinnace, at_home: Launcher, api: MessagesApi
) -> None:
    (at_home.project / "server.sh").write_text(_SERVER)
    api.reply_with(ToolUse("mcp__inside__where", {}), Text("done"))
    server = {"command": "bash", "args": ["server.sh"], "env": {"ONE": "of the server's"}}

    result = sync.claude("go on", box=box, mcp_servers={"inside": server}, tools=["mcp__inside"])

    assert result.text == "done"
    assert f"{at_home.project} of the server's" in _said(api)


def test_a_directory_that_is_added_is_read_and_not_written(
    box: Pinnace, at_home: Launcher, tmp_path: Path, api: MessagesApi
) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "notes.txt").write_text("what stands outside")
    api.reply_with(
        ToolUse("Bash", {"command": f"cat {more}/notes.txt; echo > {more}/made.txt"}), Text("done")
    )

    sync.claude("go on", box=box, add_dirs=[more], tools=["Bash"])

    assert at_home.project.is_dir()
    assert "what stands outside" in _said(api)
    assert not (more / "made.txt").exists()


def test_a_budget_that_is_spent_is_an_error_with_the_result(box: Pinnace, api: MessagesApi) -> None:
    api.reply_with(ToolUse("Bash", {"command": "echo one"}), Text("done"))

    with pytest.raises(BudgetError) as spent:
        sync.claude("go on", box=box, budget_usd=0.000001, tools=["Bash"])

    assert spent.value.result.session_id
    assert spent.value.result.cost_usd


class _Even(pydantic.BaseModel):
    number: int

    @pydantic.field_validator("number")
    @classmethod
    def _is_even(cls, number: int) -> int:
        """Judge what no schema says."""
        if number % 2:
            raise ValueError("this is odd")
        return number


def test_an_answer_that_only_its_type_refuses_is_asked_for_again(
    box: Pinnace, api: MessagesApi
) -> None:
    def answer(number: int) -> tuple[ToolUse, Text]:
        return ToolUse("StructuredOutput", {"number": number}), Text("done")

    api.reply_with(*answer(41), *answer(42))

    result = sync.claude("which?", box=box, output=_Even)

    assert result.data.number == 42
    assert "this is odd" in _said(api)


def test_a_prompt_of_10_mb_goes_in_and_what_the_cli_says_of_it_is_told(
    box: Pinnace, api: MessagesApi
) -> None:
    # By its own estimate of what the model takes: the API is not asked.
    with pytest.raises(ApiFailedError, match="Prompt is too long"):
        sync.claude("word " * (2 << 20), box=box)

    assert api.requests == []


def _said(api: MessagesApi) -> str:
    messages: Any = api.requests[-1]["messages"]
    return json.dumps(messages)
