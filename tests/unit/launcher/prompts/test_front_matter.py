"""What stands above a prompt: read strictly, with the place of whatever is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace.prompts import front_matter, parts
from pinnace.prompts.compose import Composed, Order, compose
from pinnace_core.errors import BadPromptError, PinnaceError, UnsafeRequestError

if TYPE_CHECKING:
    from pathlib import Path


def _composed(head: str, body: str = "hi", directory: str = "") -> Composed:
    return compose(Order(f"---\n{head}\n---\n{body}\n", "p.md", directory))


def test_every_key_is_an_option_of_the_call(tmp_path: Path) -> None:
    (tmp_path / "sys.md").write_text("Be good.\n")
    head = """\
system: sys.md
append_system: "Be brief: always."
tools: [Read, "Bash(git log:*)"]
disallowed_tools: "WebFetch, Bash(rm -rf *)"
mcp_config: {docs: {command: docs-server}}
permission_mode: plan
permission_prompt_tool: mcp__x__ask
model: opus
effort: high
max_turns: 3
budget_usd: 1.5
session: {required: true}"""

    made = _composed(head, directory=str(tmp_path))

    assert made.options == {
        "system": "Be good.\n",
        "append_system": "Be brief: always.",
        "tools": ["Read", "Bash(git log:*)"],
        "disallowed_tools": ["WebFetch", "Bash(rm -rf *)"],
        "mcp_servers": {"docs": {"command": "docs-server"}},
        "permission_mode": "plan",
        "permission_prompt_tool": "mcp__x__ask",
        "model": "opus",
        "effort": "high",
        "max_turns": 3,
        "budget_usd": 1.5,
    }
    assert (made.text, made.session_required) == ("hi", True)


def test_channelcoders_spellings_mean_the_same() -> None:
    made = _composed("systemPrompt: a\nappendSystemPrompt: b\nallowedTools: [Read]")

    assert made.options == {"system": "a", "append_system": "b", "tools": ["Read"]}


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("modle: opus", "p.md:2:1: there is no 'modle', perhaps you meant 'model'"),
        ("maxTurns: 3", "p.md:2:1: there is no 'maxTurns', perhaps you meant 'max_turns'"),
        ("model: a\nmodel: b", "p.md:3:1: 'model' is there twice"),
        ("system: a\nsystemPrompt: b", "p.md:3:1: 'system' is there twice, in two spellings"),
        ("tools: 3", "p.md:2:1: 'tools' is a list of tools"),
        ("tools: [3]", "p.md:2:1: 'tools' is a list of tools"),
        ("model: ''", "p.md:2:1: 'model' is a text of one line"),
        ("model: --dangerously-skip-permissions", "p.md:2:1: 'model' is a text of one line"),
        ("max_turns: 0", "p.md:2:1: 'max_turns' is a number from 1 on"),
        ("max_turns: true", "p.md:2:1: 'max_turns' is a number from 1 on"),
        ("budget_usd: -1", "p.md:2:1: 'budget_usd' is an amount in dollars, above 0"),
        ("permission_mode: plam", "perhaps you meant 'plan'"),
        ("syntax: mustache", "p.md:2:1: 'syntax' is one of jinja, braces"),
        ("session: {need: true}", "p.md:2:1: 'session' holds 'required: true'"),
        ("session: {required: 1}", "p.md:2:11: 'required' is true or false"),
        ("mcp_config: {docs: x}", "'mcp_config' holds servers by name"),
        ("input:\n  name: strnig", "p.md:3:3: 'input.name': there is no type 'strnig'"),
        ("input: 3", "p.md:2:1: 'input': expected a JSON Schema"),
        ("input: {type: object, properties: 3}", "p.md:2:23: 'input.properties': "),
        ("a: &x b\nmodel: *x", "p.md:2:4: an alias"),
        ("model: [", "p.md:3:1: "),
        ("- a", "p.md:2:1: expected lines of 'key: value'"),
        ("system: ../x.md", "p.md:2:1: '../x.md' is not read"),
        ("\tmodel: opus", "p.md:2:1: "),
    ],
)
def test_what_is_wrong_is_said_with_its_place(head: str, said: str) -> None:
    with pytest.raises(BadPromptError) as caught:
        _composed(head)

    assert said in caught.value.message
    assert caught.value.exit_code == 65


@pytest.mark.parametrize(
    "head",
    [
        *("isolation: open", "mounts: [/etc]", "env: {A: b}", "network: host", "hooks: {}"),
        *("permission_mode: bypassPermissions", "dangerouslySkipPermissions: true"),
    ],
)
def test_nothing_that_weakens_the_isolation_stands_in_a_file(head: str) -> None:
    with pytest.raises(UnsafeRequestError) as caught:
        _composed(head)

    assert caught.value.message.startswith("p.md:2:1: ")


@pytest.mark.parametrize("text", ["---\nmodel: opus\nhi", "---\n"])
def test_front_matter_has_to_end(text: str) -> None:
    with pytest.raises(BadPromptError, match="does not end"):
        parts.split(text, "p.md")


@pytest.mark.parametrize("text", ["hi", "hi\n---\nx\n---\n", "----\nx", "\n---\nmodel: x\n---\n"])
def test_a_text_without_it_is_all_prompt(text: str) -> None:
    assert parts.split(text, "p.md") == parts.Split("", text, 0)


def test_an_empty_one_says_nothing() -> None:
    assert front_matter.read("", "p.md", "").options == {}
    assert _composed("# a comment").options == {}


def test_an_empty_prompt_is_none() -> None:
    with pytest.raises(PinnaceError, match="the prompt is empty"):
        _composed("model: opus", "  \n")


def test_schemas_may_stand_in_files(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text('{"type": "object", "required": ["a"]}')

    made = _composed("output: out.json", directory=str(tmp_path))

    assert made.output == {"type": "object", "required": ["a"]}


@pytest.mark.parametrize(
    "head",
    ["a: &a [x, x]\nb: &b [*a, *a]", "model: !!python/object/apply:os.system [id]", "model: !x y"],
)
def test_yaml_is_data_only(head: str) -> None:
    with pytest.raises(BadPromptError):
        _composed(head)


def test_words_are_texts() -> None:
    made = _composed("model: no\neffort: 12:30")

    assert made.options == {"model": "no", "effort": "12:30"}
