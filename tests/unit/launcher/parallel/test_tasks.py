"""Lists of prompts: what a line may be, and how it is known again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pinnace.parallel import tasks
from pinnace_core.errors import BadPromptError, UnsafeRequestError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def read(text: str, *, is_contained: bool = True) -> list[tasks.Task]:
    return tasks.read("list", text.encode(), directory="/lists", is_contained=is_contained)


def test_a_line_is_a_prompt_or_an_object() -> None:
    found = read('  What is this?  \n\n{"prompt": "more", "model": "opus", "name": "two"}\r\n')

    first, second = (one.ask() for one in found)
    assert (first.prompt, first.options) == ("What is this?", {})
    assert (second.prompt, second.options) == ("more", {"model": "opus"})
    assert [(one.name, one.where) for one in found] == [("1", "list:1"), ("two", "list:3")]


def test_blanks_are_no_prompt_beside_a_file() -> None:
    (found,) = read('{"prompt": " ", "file": "review.md"}')
    assert callable(found.ask().prompt)


def test_a_task_is_known_again_wherever_it_stands() -> None:
    before, after = read("a\nb\na"), read('c\nb\na\na\n{"prompt": "b"}')

    assert len({one.id for one in before}) == 3
    assert {one.id for one in before} <= {one.id for one in after}
    assert after[1].id != after[4].id


def test_what_is_asked_differently_is_another_task() -> None:
    one, other = read('{"prompt": "a"}\n{"prompt": "a", "model": "opus"}')
    assert one.id != other.id


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "list:1: no JSON"),
        ('{"prompt": "a", "modle": "b"}', "perhaps you meant 'model'"),
        ('{"prompt": "a", "max_turns": "b"}', "list:1: Expected `int"),
        ('{"prompt": "a", "permission_mode": "all"}', "list:1: Invalid enum value"),
        ('{"prompt": "a", "file": "b"}', "either 'prompt' or 'file'"),
        ("{}", "either 'prompt' or 'file'"),
        ('{"prompt": "a", "data": {"b": 1}}', "'data' is for a prompt file"),
        ('{"prompt": "a", "name": "n"}\n{"prompt": "b", "name": "n"}', "list:2: a second 'n'"),
        ("\n \n", "there is no prompt in it"),
        ("{" * 200_000, "no JSON"),
        ('{"prompt": "half: \\ud800"}', "list:1: no JSON"),
        ('{"prompt": "a", "timeout": NaN}', "list:1: no JSON"),
        ('{"prompt": "a", "timeout": -1}', "list:1: Expected `float` > 0"),
        ('{"prompt": "a", "budget_usd": 0}', "list:1: Expected `float` > 0"),
        ('{"prompt": "a", "max_turns": 0}', "list:1: Expected `int` >= 1"),
    ],
)
def test_what_is_no_list_is_said(line: str, said: str) -> None:
    with pytest.raises(BadPromptError) as error:
        read(line)
    assert said in error.value.message
    assert error.value.hint


def test_what_is_no_text_is_said() -> None:
    with pytest.raises(BadPromptError, match="not UTF-8"):
        tasks.read("list", b"\xff\xfe", directory="", is_contained=True)


@pytest.mark.parametrize(
    "options",
    [{"permission_mode": "acceptEdits"}, {"tools": ["Bash"]}, {"mcp_servers": {"a": {}}}],
)
def test_nothing_is_chosen_where_nothing_contains_it(options: dict[str, object]) -> None:
    line = json.dumps({"prompt": "a", **options})
    assert read(line)
    with pytest.raises(UnsafeRequestError, match="isolation is open"):
        read(line, is_contained=False)


def test_each_has_a_branch_of_its_own() -> None:
    found = tasks.on_branches(read('a\n{"prompt": "b", "name": "n", "branch": "mine"}'), "try")
    assert [one.ask().branch for one in found] == ["try/1", "mine"]
    assert [one.ask().branch for one in tasks.on_branches(read("a"), "")] == [""]
    wrong = {'{"prompt": "a", "name": "so and so"}': "try", "a": "-x", "b": "a.."}
    for line, prefix in wrong.items():
        with pytest.raises(UsageError, match="no branch is called"):
            tasks.on_branches(read(line), prefix)


def test_no_list_chooses_bypass_mode() -> None:
    with pytest.raises(UnsafeRequestError, match="list:1: no list chooses bypass mode"):
        read('{"prompt": "a", "permission_mode": "bypassPermissions"}')


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../x", "a/../../x", ".ssh/id", "a/.env", "out/x", "..", "a\\u0000b"]
)
def test_no_list_sends_what_lies_elsewhere(tmp_path: Path, name: str) -> None:
    place = tmp_path / "lists"
    place.mkdir()
    (tmp_path / "x").write_text("secret")
    (place / "out").symlink_to(tmp_path)
    line = f'{{"file": "{name}"}}'.encode()

    with pytest.raises(UnsafeRequestError, match="it lies elsewhere"):
        tasks.read("list", line, directory=str(place), is_contained=True)


def test_what_is_put_on_the_way_later_is_not_sent_either(tmp_path: Path) -> None:
    place = tmp_path / "lists"
    (place / "prompts").mkdir(parents=True)
    (tmp_path / "x").write_text("secret")
    line = b'{"file": "prompts/x"}'
    (one,) = tasks.read("list", line, directory=str(place), is_contained=True)
    (place / "prompts").rmdir()
    (place / "prompts").symlink_to(tmp_path)

    prompt = one.ask().prompt
    assert callable(prompt)
    with pytest.raises(UnsafeRequestError, match="it lies elsewhere"):
        prompt()
