"""A prompt made of a file's text and data: pure, but for the files that it names below its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pinnace.prompts import braces, data
from pinnace.prompts.parts import FrontMatter, Split, split
from pinnace_core.errors import BadPromptError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace.prompts.data import Source


MOST_CHARACTERS: Final = 32 << 20
_MOST_NAMES: Final = 20


class Order(NamedTuple):
    """What is asked for.

    Attributes:
        text: of the file, newlines as Unix has them.
        name: for errors.
        directory: of the file; empty: it is none, and names no others.
        is_file: it may have front matter.
        syntax: of the text, where no front matter says it.
        data: values, by name.
        sources: texts that hold more of them.
        assignments: names and texts; they count for more.
    """

    text: str
    name: str
    directory: str = ""
    is_file: bool = True
    syntax: str = "jinja"
    data: Mapping[str, Any] = {}
    sources: tuple[Source, ...] = ()
    assignments: tuple[tuple[str, str], ...] = ()


class Composed(NamedTuple):
    """What came of it.

    Attributes:
        text: the prompt.
        options: of the call, by their names in the SDK.
        output: a JSON Schema of the answer, or none.
        session_required: it goes on in a session.
        notes: what may not be meant; a line each.
    """

    text: str
    options: dict[str, Any]
    output: dict[str, Any] | None = None
    session_required: bool = False
    notes: tuple[str, ...] = ()


def compose(order: Order) -> Composed:
    """Make a prompt.

    Raises:
        BadPromptError: the file, or the data, is not what it should be.
        UnsafeRequestError: the file would weaken the isolation.
    """
    name = order.name
    head, body, offset = split(order.text, name) if order.is_file else Split("", order.text, 0)
    about = _front_matter(head, order)
    values = _values(order, about.input)
    syntax = about.syntax or order.syntax
    text = _filled(body, values, syntax, order, offset)
    if order.is_file:
        text = text.strip("\n")
    _require_sane(text, name)
    notes = _notes(text, values) if syntax == "jinja" else ()
    return Composed(text, about.options, about.output, about.session_required, notes)


def _front_matter(head: str, order: Order) -> FrontMatter:
    if not head:
        return FrontMatter({})
    # Here and below: what is not needed takes longer to import than all else.
    from pinnace.prompts import front_matter

    return front_matter.read(head, order.name, order.directory)


def _filled(body: str, values: dict[str, Any], syntax: str, order: Order, offset: int) -> str:
    if syntax == "braces":
        return braces.fill(body, values, order.name, offset=offset)
    from pinnace.prompts import jinja

    made = jinja.Template(body, order.name, directory=order.directory, offset=offset)
    return made.fill(values)


def _values(order: Order, schema: dict[str, Any] | None) -> dict[str, Any]:
    values = data.joined(order.data, order.sources, order.assignments, schema)
    if schema is None:
        return values
    from pinnace.prompts import schemas

    try:
        wrong = schemas.problems(schema, schemas.with_defaults(schema, values))
    except schemas.SchemaError as error:
        raise BadPromptError(f"{order.name}: 'input': {error.message}") from None
    if wrong:
        known = ", ".join(list(schema.get("properties", {}))[:_MOST_NAMES])
        hint = f"the prompt takes: {known}" if known else "see 'input' in the prompt file"
        raise BadPromptError(f"{order.name}: the data does not fit: {'; '.join(wrong)}", hint=hint)
    return dict(schemas.completed(schema, values))


def _require_sane(text: str, name: str) -> None:
    if not text.strip():
        raise BadPromptError(f"{name}: the prompt is empty", hint="write something below '---'")
    if len(text) > MOST_CHARACTERS:
        hint = "let Claude read it from a file of the project"
        raise BadPromptError(
            f"{name}: longer than {MOST_CHARACTERS >> 20} Mi characters", hint=hint
        )
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in set(text)):
        raise BadPromptError(f"{name}: no text: a NUL, or half a character", hint="see the data")


def _notes(text: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    left = (f"{{{name}}}" for name in values)
    return tuple(
        f"'{name}' stays as it is: 'syntax: braces' would fill it in"
        for name in left
        if name in text
    )
