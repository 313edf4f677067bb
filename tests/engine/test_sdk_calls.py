"""`import pinnace`: tools of the program's own, terminals, dry runs, calls without a loop."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest

from pinnace import DryRun, Outcome, Pinnace, ResultEvent, sync, tool
from tests.engine.conftest import containers_of
from tests.support.at_terminal import at_terminal
from tests.support.messages_api import Text, ToolUse

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = [pytest.mark.engine]
BACKENDS: Final = ("asyncio", "trio")
_ROOT: Final = Path(__file__).parents[2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_tools_are_functions_of_the_program(box: Pinnace, api: MessagesApi, backend: str) -> None:
    seen: list[int] = []

    @tool
    async def add(a: int, b: int = 2) -> int:
        """Add two numbers."""
        seen.append(a)
        return a + b

    @tool(name="fail")
    def failing() -> str:
        """Fail."""
        raise ValueError("no such luck")

    async def main() -> None:
        for use in (ToolUse("mcp__own__add", {"a": 40}), ToolUse("mcp__own__fail", {})):
            api.reply_with(use, Text("done"))
            result = await box.claude("go on", mcp_servers={"own": [add, failing]}, tools=_OWN)
            assert result.text == "done"

    anyio.run(main, backend=backend)

    assert seen == [40]
    assert "mcp__own__add" in str(api.requests[0])
    assert '"42"' in str(api.requests[1]["messages"]).replace("'", '"')
    assert "no such luck" in str(api.requests[-1]["messages"])


_OWN: Final = ("mcp__own__add", "mcp__own__fail")


def test_without_a_loop_events_come_and_more_is_said(box: Pinnace, api: MessagesApi) -> None:
    api.reply_with(Text("one"), Text("two"))
    said: list[str | None] = []

    with sync.stream("first", box=box) as stream:
        assert stream.name.startswith("pinnace-")
        for event in stream:
            if isinstance(event, ResultEvent):
                said.append(event.result)
                if len(said) == 1:
                    stream.send("second")
        assert stream.result().outcome is Outcome.COMPLETED

    assert said == ["one", "two"]


def test_without_a_loop_leaving_ends_it(box: Pinnace, at_home: Launcher) -> None:
    with sync.stream("first", box=box) as stream:
        next(stream)
        assert stream.stop(1) >= 0
    with pytest.raises(KeyError), sync.stream("first", box=box) as stream:
        raise KeyError

    assert containers_of(at_home.project) == []


def test_a_dry_run_starts_nothing_and_writes_nothing(box: Pinnace, at_home: Launcher) -> None:
    def files() -> set[Path]:
        return set(at_home.place.rglob("*"))

    sync.claude("hi", box=box)
    before = files()

    async def main() -> DryRun:
        return await box.dry_run("a secret prompt", model="opus", env={"MY_TOKEN": "s3cret"})

    planned = anyio.run(main)

    assert files() == before
    assert "--model=opus" in planned.argv
    assert "MY_TOKEN" in planned.command
    assert "secret" not in planned.command
    assert "s3cret" not in planned.command
    assert planned.cli_version == "2.1.330"
    assert planned.image_id.startswith("sha256:")


_AT_TERMINAL: Final = """
import sys
import anyio
from pinnace import Pinnace

async def main():
    with anyio.move_on_after(float(sys.argv[1])) as limit:
        code = await Pinnace(".").interactive("the first words", append_system="BE BRIEF")
        print("ended with", code)
    print("cancelled", limit.cancelled_caught)

anyio.run(main, backend=sys.argv[2])
"""


def _program(launcher: Launcher, *arguments: str) -> Any:
    launcher.argv()
    command = [sys.executable, "-c", _AT_TERMINAL, *arguments]
    return at_terminal(command, launcher.project, launcher.environment)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_terminal_is_claudes(isolated: Launcher, api: MessagesApi, backend: str) -> None:
    with _program(isolated, "600", backend) as terminal:
        # Between its words, Claude moves the cursor.
        terminal.wait_for("stand-in")
        terminal.type("/exit")
        terminal.type("\r")
        terminal.wait_for("ended with 0")
        assert terminal.wait() == 0

    said = str(api.requests[0])
    assert "the first words" in said
    assert "BE BRIEF" in said
    assert containers_of(isolated.project) == []
