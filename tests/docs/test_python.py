"""Python blocks of the pages, and prompt files of the examples."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.docs.conftest import VERSION
from tests.docs.markdown import ROOT, Block, blocks
from tests.support.messages_api import Reply, Text, ToolUse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.messages_api import MessagesApi


# These ask for nothing.
QUIET: Final = [block for block in blocks("python") if block.page.name == "prompts.md"]
# Run by tests/clients/test_recipes.py, which has what it imports.
_ELSEWHERE: Final = "from testcontainers"
ASKING: Final = [
    block
    for block in blocks("python")
    if block not in QUIET and not block.lines[0].startswith(_ELSEWHERE)
]
EXAMPLES: Final = sorted((ROOT / "examples").glob("*.py"))
_PLACE: Final = {"path": "a.py", "line": 7, "message": "a name"}
# What the API says, where that has to be something: by words of the program that asks.
_REPLIES: Final[dict[str, tuple[Reply, ...]]] = {
    "output=Findings": (
        ToolUse("StructuredOutput", {"findings": [{**_PLACE, "severity": "note"}]}),
        Text("done"),
    ),
    "output=Review": (ToolUse("StructuredOutput", {"verdict": "clear"}), Text("done")),
    "mcp__own__add": (ToolUse("mcp__own__add", {"a": 40}), Text("It is 42.")),
    "mcp__shop__stock": (ToolUse("mcp__shop__stock", {"article": "bolts"}), Text("40 bolts.")),
}
# What they print.
_PRINTED: Final = {
    "ask.py": "clear (",
    "batch.py": ": done\n",
    "gate.py": "a.py:7: note: a name\n",
    "follow.py": "Hello!\nHello!\n",
    "tools.py": " mcp__shop__stock\n40 bolts.",
}
PROMPTS: Final = sorted((ROOT / "examples" / "prompts").glob("*.md"))
# What the values of an example may be, and what it then holds.
DATA: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "analyze.md": (("task=tidy", "details=true"), "Provide a detailed breakdown."),
    "continue.md": ((), "the error that we discussed"),
    "review.md": (("branch=fix", 'focus=["a.py"]'), "- a.py"),
    "rules.md": ((), "Name file and line."),
}
# What a page takes for granted.
_GIVEN: Final = """
from dataclasses import dataclass
import anyio
from pinnace import *

@dataclass
class Review:
    verdict: str

async def note(moment):
    pass

box = Pinnace(project=".")
"""
_PROMPT: Final = "---\nmodel: opus\ninput: {branch: string}\n---\nReview {{ branch }}.\n"


def _program(block: Block) -> str:
    text = "\n".join(block.lines)
    if "await " not in text and "async " not in text:
        return f"{_GIVEN}\n{text}\n"
    return f"{_GIVEN}\nasync def main():\n{textwrap.indent(text, '    ')}\n\nanyio.run(main)\n"


def _run(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    project = Path(environment["HOME"], "hello")
    (project / ".claude-version").write_text(VERSION, encoding="utf-8")
    (project / "review.md").write_text(_PROMPT, encoding="utf-8")
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**environment, "PWD": str(project), "PYTHONPATH": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_a_python_block_is_sound(block: Block) -> None:
    ast.parse(_program(block))


@pytest.mark.parametrize("block", QUIET, ids=str)
def test_a_block_on_prompt_files_runs(block: Block, environment: dict[str, str]) -> None:
    done = _run(environment, "-c", _program(block))

    assert done.returncode == 0, done.stderr


def _asking(api: MessagesApi, environment: dict[str, str], program: str) -> str:
    """Run what asks, isolated as by default; return what it prints."""
    for words, replies in _REPLIES.items():
        if words in program:
            api.reply_with(*replies)
    done = _run({**environment, "ANTHROPIC_BASE_URL": api.url_for("127.0.0.1")}, "-c", program)

    assert done.returncode == 0, done.stderr
    assert api.requests or "dry_run" in program or "import pinnace" not in program
    return done.stdout


@pytest.mark.engine
@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("block", ASKING, ids=str)
def test_a_block_that_asks_runs(
    block: Block, environment: dict[str, str], api: MessagesApi
) -> None:
    _asking(api, environment, _program(block))


@pytest.mark.engine
@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_and_prints(
    example: Path, environment: dict[str, str], api: MessagesApi
) -> None:
    assert _PRINTED[example.name] in _asking(api, environment, example.read_text(encoding="utf-8"))


def test_every_prompt_file_has_data_here() -> None:
    assert [path.name for path in PROMPTS] == sorted(DATA)


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda path: path.name)
def test_a_prompt_file_is_sound(prompt: Path, environment: dict[str, str]) -> None:
    data, held = DATA[prompt.name]
    options = [word for value in data for word in ("--data", value)]

    done = _run(environment, "-m", "pinnace", "prompt", "check", str(prompt), *options)

    assert (done.returncode, held in done.stdout) == (0, True), done.stdout + done.stderr
