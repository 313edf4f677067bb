"""Claude's own arguments, as far as a launch understands them."""

from __future__ import annotations

import pytest

from pinnace.agent import arguments
from pinnace.agent.arguments import Word
from pinnace_core.errors import PinnaceError, UnsafeRequestError, UsageError


def test_options_are_read_with_their_values() -> None:
    words = ["-p", "say hello", "--model=opus", "--tools", "Bash", "Edit", "-r", "--", "-c"]

    assert list(arguments.read(words)) == [
        Word("-p", ("-p",)),
        Word("", ("say hello",)),
        Word("--model", ("--model=opus",)),
        Word("--tools", ("--tools", "Bash", "Edit")),
        Word("-r", ("-r",)),
        Word("", ("-c",)),
    ]


@pytest.mark.parametrize("words", [["claude", "-p", "hello"], ["claude"]])
def test_a_slip_is_refused_with_the_way_out(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        arguments.require_possible(words)

    assert "pinnace" in caught.value.hint


@pytest.mark.parametrize("command", ["update", "upgrade", "install", "migrate-installer"])
def test_no_other_version_is_installed_inside(command: str) -> None:
    with pytest.raises(UnsafeRequestError) as caught:
        arguments.require_possible([command])

    assert caught.value.hint == "pin another one: pinnace pin latest"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-p", "claude"],
        ["-p", "what does --bg do?"],
        ["--append-system-prompt", "--bg"],
        ["--resume", "agents"],
        ["mcp", "list"],
        ["doctor"],
        ["--", "--bg"],
    ],
)
def test_all_else_is_claudes_business(words: list[str]) -> None:
    try:
        arguments.require_possible(words)
    except PinnaceError as error:
        pytest.fail(error.message)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (("-p", "--mcp-config", '{"mcpServers": {}}'), True),
        (("--settings={}",), True),
        (("--add-dir", "/srv"), True),
        (("-p", "--model", "opus", "--", "--settings", "x"), False),
        ((), False),
    ],
)
def test_options_that_may_name_places(given: tuple[str, ...], found: bool) -> None:  # noqa: FBT001
    assert arguments.may_name(given) is found
