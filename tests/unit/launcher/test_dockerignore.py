"""What a .dockerignore leaves out, as BuildKit has it."""

from __future__ import annotations

import pytest

from pinnace.image import build_context


@pytest.mark.parametrize(
    ("text", "out", "kept"),
    [
        pytest.param(
            "notes", ["notes", "notes/a", "notes/a/b"], ["a/notes", "notes.txt"], id="a name"
        ),
        pytest.param("/notes", ["notes"], ["a/notes"], id="a leading slash"),
        pytest.param(
            "*.log", ["a.log"], ["a/b.log", "a.logs"], id="one star stays in its directory"
        ),
        pytest.param("**/*.log", ["a.log", "a/b/c.log"], ["a.txt"], id="two stars go down"),
        pytest.param("a/**", ["a/b", "a/b/c"], ["a", "b"], id="two stars at the end"),
        pytest.param("a?c", ["abc"], ["a/c", "abbc"], id="a question mark"),
        pytest.param("a[bc]", ["ab", "ac"], ["ad"], id="a class"),
        pytest.param("a\\*", ["a*"], ["ab"], id="an escape"),
        pytest.param("*\n!keep", ["a", "b/c"], ["keep", "keep/a"], id="an exception"),
        pytest.param("!keep\n*", ["a", "keep"], [], id="the last one counts"),
        pytest.param("# a\n\n  b  ", ["b"], ["a", "# a"], id="comments and blanks"),
        pytest.param("./a/../b/", ["b", "b/c"], ["a"], id="a path is cleaned"),
        pytest.param(".\n/", [], ["a"], id="the whole is never left out"),
        pytest.param("a(b", ["a(b"], ["a"], id="what a pattern could stumble over"),
        pytest.param("[", ["["], ["a"], id="a class without an end"),
        pytest.param("[b-a]", [], ["a"], id="no pattern"),
    ],
)
def test_what_is_left_out(text: str, out: list[str], kept: list[str]) -> None:
    rules = build_context.ignore_rules(text)

    assert [path for path in out if not build_context.leaves_out(rules, path)] == []
    assert [path for path in kept if build_context.leaves_out(rules, path)] == []
