"""Prompts that are files: text, options of the call, schemas of what goes in and what comes out.

Nothing of it is imported by a launch that has none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, overload

from pinnace.prompts import made
from pinnace.prompts.decoded import decoded
from pinnace_core.errors import BadPromptError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

Syntax: TypeAlias = Literal["jinja", "braces"]
_INLINE: Final = "prompt"
_PIPED: Final = "standard input"


class _Maker(Protocol):
    def __call__(
        self, text: str, data: Mapping[str, Any] | None = None, *, syntax: Syntax = "jinja"
    ) -> Prompt: ...


class _Text:
    """`Prompt.text(...)` makes a prompt, `prompt.text` is what it says."""

    @overload
    def __get__(self, prompt: None, owner: type[Prompt]) -> _Maker: ...
    @overload
    def __get__(self, prompt: Prompt, owner: type[Prompt]) -> str: ...
    def __get__(self, prompt: Prompt | None, owner: type[Prompt]) -> _Maker | str:
        return owner.of_text if prompt is None else prompt.content


@dataclass(frozen=True)
class Prompt:
    """A prompt with its values, ready to be sent.

    `Prompt.file("review.md", {"branch": "main"})` makes one of a file, `Prompt.text("...")` of a
    text. Making one takes a process of its own, some tenths of a second: in a program that does
    several things at once, make it before, or in a thread.

    Attributes:
        content: the text; `text` is the same.
        options: of the call, by the names that they have there: `model`, `max_turns`.
        output: a JSON Schema that the answer has to fit, or None.
        session_required: it goes on in a session: give one.
        notes: what may not be meant; a line each.
        name: of the file, or what stands in its place.
    """

    content: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    output: Mapping[str, Any] | None = None
    session_required: bool = False
    notes: tuple[str, ...] = ()
    name: str = _INLINE

    text = _Text()

    @classmethod
    def file(cls, path: str | os.PathLike[str], data: Mapping[str, Any] | None = None) -> Self:
        """Make a prompt of a file.

        Args:
            path: Markdown, or any text, with or without front matter: docs/prompts.md.
            data: the values that it uses, by name.

        Raises:
            CannotReadError: there is no such file.
            BadPromptError: the file, or the data, is not what it should be.
            UnsafeRequestError: the file would weaken the isolation, or is a link.
        """
        return cls.read(os.fspath(path), data)

    @classmethod
    def of_text(
        cls, text: str, data: Mapping[str, Any] | None = None, *, syntax: Syntax = "jinja"
    ) -> Self:
        """Make a prompt of a text; `Prompt.text` is the same.

        Args:
            text: without data, it is taken as it is.
            data: the values that it uses, by name.
            syntax: of the text: `jinja`, or `braces`, which is ChannelCoder's.

        Raises:
            BadPromptError: it is empty or cannot be understood, or the data is no JSON.
        """
        if data is None:
            if not text.strip():
                raise BadPromptError("the prompt is empty", hint="give a text")
            return cls(text)
        order = {"text": text, "name": _INLINE, "is_file": False, "syntax": syntax}
        return cls._made({**order, "data": dict(data)})

    @classmethod
    def read(
        cls,
        file: str,
        data: Mapping[str, Any] | None = None,
        *,
        files: Sequence[str] = (),
        piped: bytes | None = None,
        assignments: Sequence[tuple[str, str]] = (),
    ) -> Self:
        """Make a prompt of a file, with data as a command has it; the later counts for more.

        Args:
            file: of the prompt.
            data: values by name.
            files: of data: JSON, YAML, TOML.
            piped: what came on standard input.
            assignments: names with texts; what those mean, `input` says, or else they themselves.

        Raises:
            PinnaceError: as `file`.
        """
        path = Path(file)
        text = made.read(path, "a prompt: Markdown, with or without front matter")
        sources = [(name, made.read(Path(name), "data: JSON, YAML, TOML")) for name in files]
        if piped is not None:
            sources.append((_PIPED, decoded(piped, _PIPED)))
        order = {"text": text, "name": file, "directory": str(path.resolve().parent)}
        given = {"data": dict(data or {}), "sources": sources, "assignments": list(assignments)}
        return cls._made({**order, **given})

    @classmethod
    def _made(cls, order: dict[str, Any]) -> Self:
        found = made.make(order)
        return cls(
            found["text"],
            MappingProxyType(found["options"]),
            found["output"],
            found["session_required"],
            tuple(found["notes"]),
            order["name"],
        )
