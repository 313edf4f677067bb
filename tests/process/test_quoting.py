"""A command that can be pasted, read by the shell itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnace_core import quoting
from tests.support import hosts, pasting

_words = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))


@pytest.mark.hypothesis
@settings(deadline=None, database=None, max_examples=30)
@given(words=_words)
def test_bash_reads_what_was_meant(words: list[str]) -> None:
    written = quoting.line(words, hosts.linux())
    assert written.isprintable()
    assert pasting.words(written) == words


@pytest.mark.parametrize(
    "word", ["a\x1b]52;c;aGk=\x07b", "\u202egnp", "it's\n\\", "\x0112", "\udcff", "plain", ""]
)
def test_no_word_is_a_command_to_the_terminal(word: str) -> None:
    written = quoting.line(["docker", word], hosts.linux())
    assert written.isprintable()
    assert pasting.words(written) == ["docker", word]


def test_a_shell_of_git_for_windows_does_not_rewrite_paths() -> None:
    written = quoting.line(["docker", "/a b"], hosts.windows(environment={"MSYSTEM": "MINGW64"}))
    front = "MSYS_NO_PATHCONV=1 MSYS2_ARG_CONV_EXCL='*' "
    assert written.startswith(front)
    assert pasting.words(written.removeprefix(front)) == ["docker", "/a b"]
