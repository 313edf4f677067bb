"""A type that a caller names to a JSON Schema, and back: the answer to a value of that type.

Mappings are schemas already, validated with jsonschema. Pydantic's types bring their own schema and
validation; for the standard library's and msgspec's own, msgspec has both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from pinnace.sdk.errors import BadOutputTypeError

T = TypeVar("T")
WRAPPED: Final = "value"
"""What holds an answer that is no object: only objects can be asked for."""
_PYDANTIC: Final = "__pydantic_core_schema__"
_LOCAL: Final = ("#/$defs/", "#/definitions/")


class MisfitError(ValueError):
    """An answer does not fit; the text says where, for Claude to read."""


@dataclass(frozen=True, slots=True)
class OutputType(Generic[T]):
    """What an answer has to be.

    Attributes:
        schema: an object's, as the CLI takes it.
        read: from what the schema describes to the caller's type; raises MisfitError.
    """

    schema: dict[str, Any]
    read: Callable[[object], T]

    def data(self, answer: object) -> T:
        """Return the answer as the caller's type.

        Raises:
            MisfitError: it does not fit.
        """
        return self.read(answer)


def output_type(wanted: object) -> OutputType[Any]:
    """Return what an answer has to be.

    Args:
        wanted: a JSON Schema (mapping), or a type: a pydantic model, msgspec Struct, dataclass,
            TypedDict, NamedTuple, or what those can be made of (`list[Model]`, `Literal["a"]`).

    Raises:
        BadOutputTypeError: it is neither.
    """
    schema, read = _of_mapping(wanted) if isinstance(wanted, Mapping) else _of_type(wanted)
    schema = _unreferenced(schema)
    if schema.get("type") == "object":
        return OutputType(schema, read)
    return OutputType(_wrapped(schema), lambda answer: read(_unwrapped(answer)))


def _of_mapping(schema: Mapping[str, Any]) -> tuple[dict[str, Any], Callable[[object], Any]]:
    import jsonschema
    import referencing

    document = dict(schema)
    kind = jsonschema.validators.validator_for(document, jsonschema.Draft202012Validator)
    try:
        json.dumps(document)
        kind.check_schema(document)
    except (jsonschema.SchemaError, TypeError, ValueError) as error:
        raise _bad(f"is no JSON Schema: {getattr(error, 'message', error)}") from None
    # An empty registry: nothing that a schema refers to is fetched.
    validator = kind(document, registry=referencing.Registry(), format_checker=kind.FORMAT_CHECKER)

    def read(answer: object) -> object:
        try:
            errors = list(validator.iter_errors(answer))
        except referencing.exceptions.Unresolvable as error:
            raise _bad(f"refers to what it does not hold: {error}") from None
        if errors:
            raise MisfitError("; ".join(f"{e.json_path}: {e.message}" for e in errors[:_MOST]))
        return answer

    return document, read


_MOST: Final = 10


def _of_type(wanted: object) -> tuple[dict[str, Any], Callable[[object], Any]]:
    adapter = _pydantic(wanted)
    if adapter:
        return adapter
    try:
        schema = msgspec.json.schema(wanted, ref_template="#/$defs/{name}")
    except (TypeError, ValueError, NameError) as error:
        raise _bad(f"has no JSON Schema: {error}") from None

    def read(answer: object) -> object:
        try:
            return msgspec.convert(answer, cast("Any", wanted), builtin_types=())
        except msgspec.ValidationError as error:
            raise MisfitError(str(error)) from None

    return schema, read


def _pydantic(wanted: object) -> tuple[dict[str, Any], Callable[[object], Any]] | None:
    """Return the schema and the reader of a type that is pydantic's, or made of such."""
    if not any(hasattr(part, _PYDANTIC) for part in _parts(wanted)):
        return None
    import pydantic

    adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(cast("Any", wanted))

    def read(answer: object) -> object:
        try:
            # As JSON, in which a strict model takes a date from a string.
            return adapter.validate_json(json.dumps(answer))
        except pydantic.ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            places = ((".".join(map(str, e["loc"])) or "$", e["msg"]) for e in found[:_MOST])
            raise MisfitError("; ".join(f"{where}: {what}" for where, what in places)) from None

    try:
        return adapter.json_schema(), read
    except pydantic.errors.PydanticUserError as error:
        raise _bad(f"has no JSON Schema: {error.message}") from None


def _parts(wanted: object) -> list[object]:
    """Return a type and those that it is made of: `list[Model]` is of pydantic, too."""
    parts = [wanted]
    for part in getattr(wanted, "__args__", ()):
        parts.extend(_parts(part))
    return parts


def _unreferenced(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that says itself what it is, not only where that is written."""
    target = schema.get("$ref")
    begins = [begin for begin in _LOCAL if isinstance(target, str) and target.startswith(begin)]
    if not begins:
        return schema
    place = begins[0][2:-1]
    named = schema.get(place, {}).get(str(target).removeprefix(begins[0]))
    rest = {key: value for key, value in schema.items() if key != "$ref"}
    return {**named, **rest} if isinstance(named, dict) else schema


def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that holds what another schema describes."""
    moved = _moved(schema)
    return {
        "type": "object",
        "properties": {WRAPPED: moved},
        "required": [WRAPPED],
        "additionalProperties": False,
    }


def _moved(schema: object) -> object:
    """Return a schema whose references are right below `properties/value`."""
    if isinstance(schema, list):
        return [_moved(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {key: _moved(value) for key, value in schema.items()}
    target = schema.get("$ref")
    if isinstance(target, str) and target.startswith("#"):
        moved["$ref"] = f"#/properties/{WRAPPED}{target[1:]}"
    return moved


def _unwrapped(answer: object) -> object:
    if isinstance(answer, dict) and set(answer) == {WRAPPED}:
        return answer[WRAPPED]
    raise MisfitError(f'$: an object with "{WRAPPED}" only is required')


def _bad(what: str) -> BadOutputTypeError:
    return BadOutputTypeError(
        f"output= {what}",
        hint="give a JSON Schema, a pydantic model, a msgspec Struct, a dataclass or a TypedDict",
    )
