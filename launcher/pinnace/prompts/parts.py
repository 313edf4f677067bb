"""A prompt file in its two parts: front matter, between two lines of `---`, and the text."""

from __future__ import annotations

import re
from typing import Any, Final

from pinnace_core.errors import BadPromptError
from pinnace_core.tuples import NamedTuple

_OPENS: Final = re.compile(r"---[ \t]*\n")
_CLOSES: Final = re.compile(r"^---[ \t]*(?:\n|\Z)", re.MULTILINE)


class FrontMatter(NamedTuple):
    """What was read.

    Attributes:
        options: by the names that they have in the SDK.
        input: a JSON Schema of the data, or none.
        output: a JSON Schema of the answer, or none.
        session_required: the prompt goes on in a session.
        syntax: of the text; empty: nothing was said.
    """

    options: dict[str, Any]
    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    session_required: bool = False
    syntax: str = ""


class Split(NamedTuple):
    """A file in its two parts.

    Attributes:
        head: the YAML, without its lines of `---`.
        body: the prompt.
        offset: how many lines of the file stand above the prompt.
    """

    head: str
    body: str
    offset: int


def split(text: str, name: str) -> Split:
    """Part a file.

    Raises:
        BadPromptError: the front matter does not end.
    """
    opened = _OPENS.match(text)
    if opened is None:
        return Split("", text, 0)
    closed = _CLOSES.search(text, opened.end())
    if closed is None:
        hint = "end it with a line of '---'; a prompt that begins so: put an empty line before it"
        raise BadPromptError(f"{name}:1: the front matter does not end", hint=hint)
    head = text[opened.end() : closed.start()]
    return Split(head, text[closed.end() :], text.count("\n", 0, closed.end()))
