"""What Claude calls its work in the background, and what becomes of it."""

from __future__ import annotations

import pytest

from pinnace.agent import background
from pinnace.agent.arguments import COMMANDS
from pinnace.cli import cli
from pinnace_core.errors import UsageError


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["agents", "--json"], ["agents", "--json"]),
        (["attach", "6f1c"], ["attach", "6f1c"]),
        (["kill", "6f1c"], ["stop", "6f1c"]),
        (["--", "attach"], []),
        (["-p", "attach"], []),
        (["mcp", "list"], []),
        ([], []),
    ],
)
def test_commands_are_verbs(words: list[str], verb: list[str]) -> None:
    assert background.verb(words) == verb


def test_there_is_a_verb_for_each() -> None:
    words = [[word, "x"] for word in COMMANDS]
    verbs = {background.verb(word)[0] for word in words if background.verb(word)}
    assert verbs == {"agents", "attach", "logs", "stop", "rm"}
    assert verbs <= set(cli.commands)


@pytest.mark.parametrize("word", ["attach", "logs", "stop", "kill", "rm"])
def test_without_a_name_none_is_chosen(word: str) -> None:
    with pytest.raises(UsageError):
        background.verb([word])


@pytest.mark.parametrize(
    ("words", "given", "arguments"),
    [
        (["--bg"], "", ()),
        (["--bg", "--name", "one", "fix it"], "", ("--name", "one", "fix it")),
        (["fix it", "--background"], "it\n", ("fix it\nit",)),
        (["--tools", "A", "B", "--bg"], "fix it\n", ("--tools", "A", "B", "--", "fix it")),
        (["--bg", "--", "--bg", "x"], "- a", ("--", "--bg\n- a", "x")),
        (
            ["--append-system-prompt", "--bg", "--bg", "x"],
            "",
            ("--append-system-prompt", "--bg", "x"),
        ),
    ],
)
def test_the_prompt_is_what_it_was(
    words: list[str], given: str, arguments: tuple[str, ...]
) -> None:
    assert background.begins(words)
    assert background.in_foreground(words, given) == arguments


@pytest.mark.parametrize(("words", "given"), [(["--bg", "-p", "x"], ""), (["--bg"], "x" * 200_000)])
def test_what_cannot_be_is_refused_with_the_way_out(words: list[str], given: str) -> None:
    with pytest.raises(UsageError) as caught:
        background.in_foreground(words, given)
    assert caught.value.hint


@pytest.mark.parametrize(
    "words",
    [["-p", "what does --bg do?"], ["--append-system-prompt", "--bg"], ["--", "--bg"], ["doctor"]],
)
def test_all_else_is_claudes_business(words: list[str]) -> None:
    assert not background.begins(words)
    background.require_none(words)


@pytest.mark.parametrize(
    "words", [["--bg", "x"], ["agents"], ["stop", "x"], ["respawn", "x"], ["daemon"]]
)
def test_where_nothing_is_made_of_it_it_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        background.require_none(words)
    assert "pinnace" in caught.value.hint


def test_it_is_told_in_claudes_own_words() -> None:
    assert background.told("pinnace-hello-c0ffee", "claude") == (
        "backgrounded · c0ffee\n"
        "  claude agents           list sessions\n"
        "  claude attach c0ffee    open in this terminal\n"
        "  claude logs c0ffee      show recent output\n"
        "  claude stop c0ffee      stop this session"
    )
