"""What a `.dockerignore` leaves out of a build context.

As BuildKit reads it: https://docs.docker.com/build/concepts/context/#dockerignore-files. The last
pattern that matches counts; one that matches a directory matches all that is below it.
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple


class Rule(NamedTuple):
    """A line of the file."""

    pattern: re.Pattern[str]
    keeps: bool


def rules(text: str) -> tuple[Rule, ...]:
    """Read the file; what is no pattern is skipped."""
    found = []
    for raw in text.removeprefix("\ufeff").splitlines():
        line = raw.strip()
        if not line or raw.startswith("#"):
            continue
        keeps = line.startswith("!")
        cleaned = posixpath.normpath(line.removeprefix("!").strip()).lstrip("/")
        if cleaned in {"", "."}:
            continue
        try:
            found.append(Rule(re.compile(f"(?:{_expression(cleaned)})(?:/.*)?", re.DOTALL), keeps))
        except re.error:
            continue
    return tuple(found)


def leaves_out(rules: tuple[Rule, ...], path: str) -> bool:
    """Return whether a path, with slashes, below the context is left out."""
    out = False
    for rule in rules:
        if rule.keeps == out and rule.pattern.fullmatch(path):
            out = not out
    return out


_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|\\.|\[[^\]]*\]|.", re.DOTALL)
_MEANINGS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _expression(pattern: str) -> str:
    """Write one pattern as a regular expression."""
    return "".join(_meaning(token) for token in _TOKENS.findall(pattern))


def _meaning(token: str) -> str:
    if token in _MEANINGS:
        return _MEANINGS[token]
    if token.startswith("[") and token.endswith("]"):
        return token
    return re.escape(token[-1])
