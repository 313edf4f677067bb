"""Prompt files, with the real CLI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.messages_api import MessagesApi, Text, ToolUse

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher

pytestmark = pytest.mark.usefixtures("image")
# No argument holds as much.
_LONG: Final = 300_000
_REVIEW: Final = """\
---
system: You review code, and nothing else.
append_system: Be brief.
tools: [Read, "Bash(git log:*)"]
model: opus
max_turns: 3
input:
  branch: string
  files: string[]
---
Review the branch {{ branch }}:
{% for file in files %}
- {{ file }}
{% endfor %}
"""
_VERDICT: Final = """\
---
output:
  verdict: {type: string, enum: [good, bad]}
  findings: string[]
---
Is it good?
"""
_GOOD: Final[dict[str, object]] = {"verdict": "good", "findings": ["none"]}


def _sent(api: MessagesApi) -> str:
    return json.dumps(api.requests[0])


def _asked(api: MessagesApi) -> str:
    """Return what the user is said to have said."""
    texts = (m["content"] for m in api.requests[0]["messages"] if m["role"] == "user")
    blocks = [b for text in texts for b in ([{"text": text}] if isinstance(text, str) else text)]
    return "\n".join(block.get("text", "") for block in blocks)


def _prompt(launcher: Launcher, text: str, name: str = "review.md") -> None:
    (launcher.project / name).write_text(text, encoding="utf-8")


def test_a_prompt_file_is_what_claude_is_asked(launcher: Launcher, api: MessagesApi) -> None:
    _prompt(launcher, _REVIEW)

    done = launcher.run(
        *("run", "--prompt", "review.md", "--data", "branch=main", "--data", 'files=["a.py","b"]'),
        "-p",
    )

    assert (done.returncode, done.stdout) == (0, "Hello from the stand-in\n"), done.stderr
    assert "Review the branch main:\n- a.py\n- b" in _asked(api)
    request: dict[str, Any] = api.requests[0]
    assert "opus" in request["model"]
    system = json.dumps(request["system"])
    assert "You review code, and nothing else." in system
    assert "Be brief." in system


def test_the_command_counts_for_more_than_the_file(launcher: Launcher, api: MessagesApi) -> None:
    _prompt(launcher, _REVIEW)
    (launcher.project / "data.json").write_text('{"branch": "main", "files": []}')

    done = launcher.run(
        *("run", "--prompt", "review.md", "--data-file", "data.json", "--", "-p"),
        *("--model", "sonnet", "--system-prompt", "You do something else."),
    )

    assert done.returncode == 0, done.stderr
    assert "sonnet" in api.requests[0]["model"]
    assert "You do something else." in _sent(api)
    assert "You review code" not in _sent(api)


def test_a_text_longer_than_any_argument_arrives(launcher: Launcher, api: MessagesApi) -> None:
    _prompt(launcher, "{{ text }} and the end")
    data = json.dumps({"text": "x" * _LONG})

    done = launcher.run("run", "--prompt", "review.md", "--data-stdin", "-p", text=data)

    assert done.returncode == 0, done.stderr
    assert f"{'x' * 1000} and the end" in _asked(api)
    assert len(_asked(api)) > _LONG


def test_a_long_system_prompt_goes_by_a_file(launcher: Launcher, api: MessagesApi) -> None:
    _prompt(launcher, "---\nsystem: long.md\n---\nhi")
    (launcher.project / "long.md").write_text("Know this. " + "y" * 300_000, encoding="utf-8")

    done = launcher.run("run", "--prompt", "review.md", "-p")

    assert done.returncode == 0, done.stderr
    assert "y" * 300_000 in _sent(api)


@pytest.mark.parametrize("kind", ["text", "json", "stream-json"])
def test_an_answer_fits_the_schema(launcher: Launcher, api: MessagesApi, kind: str) -> None:
    _prompt(launcher, _VERDICT)
    api.reply_with(ToolUse("StructuredOutput", _GOOD), Text(json.dumps(_GOOD)))

    done = launcher.run(
        "run", "--prompt", "review.md", "--", "-p", "--output-format", kind, "--verbose"
    )

    assert done.returncode == 0, done.stderr
    assert "good" in done.stdout
    assert any(tool["name"] == "StructuredOutput" for tool in api.requests[0]["tools"])


def test_an_answer_that_does_not_fit_is_no_success(launcher: Launcher, api: MessagesApi) -> None:
    _prompt(launcher, _VERDICT)
    api.reply_with(Text("It is good, I think."))

    done = launcher.run("run", "--prompt", "review.md", "-p")

    assert done.returncode != 0, done.stdout
