"""The data of a prompt: files, standard input, and `NAME=VALUE`, the later ones count for more."""

from __future__ import annotations

import json
import tomllib
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final

from pinnace.prompts import strict_yaml
from pinnace_core.errors import BadPromptError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HINT: Final = "an object, with the names that the prompt uses: JSON, YAML (.yaml) or TOML (.toml)"


class Source(NamedTuple):
    """A text that holds data.

    Attributes:
        name: of the file, for errors; its ending says what it is, else it is JSON or YAML.
        text: of it.
    """

    name: str
    text: str


def joined(
    given: Mapping[str, Any],
    sources: Iterable[Source],
    assignments: Iterable[tuple[str, str]],
    schema: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return all data, by name.

    Args:
        given: as it is.
        sources: files, and what was piped in.
        assignments: names with texts; what they mean, the schema says, or they themselves.
        schema: of the data, if there is one.

    Raises:
        BadPromptError: a text cannot be read.
    """
    found = dict(given)
    for source in sources:
        found |= read(source)
    properties = (schema or {}).get("properties", {})
    for name, text in assignments:
        found[name] = value_of(text, properties.get(name) if isinstance(properties, dict) else None)
    return found


def read(source: Source) -> dict[str, Any]:
    """Return what a text holds.

    Raises:
        BadPromptError: it cannot be read, or is no object.
    """
    name = source.name
    try:
        found = _parsed(source)
    except strict_yaml.YamlError as error:
        at = ":".join(map(str, (name, *(error.place or ()))))
        raise BadPromptError(f"{at}: {error.message}", hint=_HINT) from None
    except json.JSONDecodeError as error:
        at = f"{name}:{error.lineno}:{error.colno}"
        raise BadPromptError(f"{at}: not JSON: {error.msg}", hint=_HINT) from None
    except (ValueError, RecursionError) as error:
        raise BadPromptError(f"{name}: cannot be read: {error}", hint=_HINT) from None
    if not isinstance(found, dict):
        raise BadPromptError(f"{name}: no names and values", hint=_HINT)
    return found


def _parsed(source: Source) -> Any:  # noqa: ANN401 (JSON)
    name, text = source
    if name.endswith(".toml"):
        return _plain(tomllib.loads(text))
    if name.endswith((".yaml", ".yml")):
        return strict_yaml.load(text).value
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(text: str) -> float:
    raise ValueError(f"'{text}' is no JSON")


def _plain(value: Any) -> Any:  # noqa: ANN401 (TOML)
    """TOML has dates; JSON, and so a prompt, has texts."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, (date, datetime, time)) else value


def value_of(text: str, schema: object) -> Any:  # noqa: ANN401 (JSON)
    """Return what a text of a command means.

    With a schema that names its type, this: a text, or JSON. Without, JSON if it is the same when
    it is written again (`5`, `true`, `["a"]`; but not `1.10`, `007`), or else the text.
    """
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind == "string" or (isinstance(kind, list) and "string" in kind):
        return text
    try:
        value = json.loads(text, parse_constant=_no_constant)
        same = isinstance(value, (dict, list)) or json.dumps(value) == text
    except (ValueError, RecursionError):
        return text
    return value if kind or (same and not isinstance(value, str)) else text
