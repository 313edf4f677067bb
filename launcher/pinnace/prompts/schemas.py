"""JSON Schemas of what goes in and what comes out, and the short form that ChannelCoder has.

Short: `name: string`, `age?: number`, `tags: string[]`, and objects of such. A schema may not lead
elsewhere: no reference out of it is followed, neither to a file nor to the network.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.errors import perhaps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pinnace.prompts.strict_yaml import Path

_TYPES: Final[dict[str, Any]] = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "bool": {"type": "boolean"},
    "array": {"type": "array"},
    "object": {"type": "object"},
    "null": {"type": "null"},
    "any": {},
}
# What no field of the short form is called.
_OF_SCHEMAS: Final = frozenset(
    {"$schema", "$ref", "$defs", "properties", "allOf", "anyOf", "oneOf", "additionalProperties"}
)
_MOST_PROBLEMS: Final = 5
_MOST_OF_A_VALUE: Final = 200


class SchemaError(Exception):
    """A schema is none.

    Args:
        message: what is wrong.
        path: where in it.
    """

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.message, self.path = message, path


def load(written: object) -> dict[str, Any]:
    """Return a JSON Schema of what stands in a prompt file.

    Raises:
        SchemaError: it is none.
    """
    if not isinstance(written, dict):
        raise SchemaError("expected a JSON Schema, or fields with their types")
    # Only where it is needed: it takes a tenth of a second.
    import jsonschema
    from jsonschema.validators import validator_for

    schema = written if _is_schema(written) else _of_fields(written, ())
    try:
        kind = validator_for(schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise SchemaError(_short(error.message), tuple(error.absolute_path)) from None
    return schema


def _is_schema(written: dict[str, Any]) -> bool:
    return bool(_OF_SCHEMAS & written.keys()) or written.get("type") in ("object", "array")


def _of_fields(fields: dict[str, Any], path: Path) -> dict[str, Any]:
    properties = {
        name.removesuffix("?"): _of_field(value, (*path, name)) for name, value in fields.items()
    }
    required = [name for name in fields if not name.endswith("?") and not _may_miss(fields[name])]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _may_miss(value: object) -> bool:
    return isinstance(value, dict) and ("default" in value or value.get("optional") is True)


def _of_field(value: object, path: Path) -> dict[str, Any]:
    if isinstance(value, str):
        return _of_type(value, path)
    if isinstance(value, list) and len(value) == 1:
        return {"type": "array", "items": _of_field(value[0], (*path, 0))}
    if not isinstance(value, dict):
        raise SchemaError("expected a type, or fields with their types", path)
    if not isinstance(value.get("type"), str) or "properties" in value:
        return value if _is_schema(value) else _of_fields(value, path)
    rest = {key: part for key, part in value.items() if key not in ("type", "optional")}
    return {**_of_type(value["type"], (*path, "type")), **rest}


def _of_type(name: str, path: Path) -> dict[str, Any]:
    if name.endswith("[]"):
        return {"type": "array", "items": _of_type(name[:-2], path)}
    if name not in _TYPES:
        raise SchemaError(f"there is no type '{name}'{perhaps(name, _TYPES)}", path)
    return dict(_TYPES[name])


def problems(schema: Mapping[str, Any], value: object) -> list[str]:
    """Say what of a value does not fit a schema, a line each; nothing if it fits.

    Raises:
        SchemaError: the schema refers to something that is not in it.
    """
    import jsonschema
    import referencing
    import referencing.exceptions
    from jsonschema.validators import validator_for

    kind = validator_for(schema, default=jsonschema.Draft202012Validator)
    # Without a registry of our own, references are fetched, from wherever they lead.
    validator = kind(schema, registry=referencing.Registry())
    try:
        found = list(validator.iter_errors(value))
    except referencing.exceptions.Unresolvable as error:
        raise SchemaError(f"it refers to '{error.ref}', which is not in it") from None
    return [text for error in found[:_MOST_PROBLEMS] for text in _described(error)]


def _described(error: Any) -> Iterator[str]:  # noqa: ANN401 (jsonschema has no types of its own)
    where = ".".join(map(str, error.absolute_path))
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {})
        extra = [name for name in error.instance if name not in known]
        for name in extra:
            yield f"{f'{where}: ' if where else ''}there is no '{name}'{perhaps(name, known)}"
        if extra:
            return
    yield f"{f'{where}: ' if where else ''}{_short(error.message)}"


def _short(text: str) -> str:
    return text if len(text) <= _MOST_OF_A_VALUE else f"{text[:_MOST_OF_A_VALUE]}..."


def completed(schema: Mapping[str, Any], value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return a value with the schema's defaults; what may be missing, and is, is None.

    So a template can ask for it. Properties are looked at, not what is referred to.
    """
    return _filled(schema, value, blanks=True)


def with_defaults(schema: Mapping[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """Return a value with the defaults alone: what is required may have one."""
    made: dict[str, Any] = _filled(schema, value, blanks=False)
    return made


def _filled(schema: Mapping[str, Any], value: Any, *, blanks: bool) -> Any:  # noqa: ANN401 (JSON)
    properties = schema.get("properties")
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return value
    made = dict(value)
    for name, inner in properties.items():
        inside = inner if isinstance(inner, dict) else {}
        if name in made:
            made[name] = _filled(inside, made[name], blanks=blanks)
        elif blanks or inside.get("default") is not None:
            made[name] = copy.deepcopy(inside.get("default"))
    return made
