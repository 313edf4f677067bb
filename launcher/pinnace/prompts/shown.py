"""How a value stands in a prompt: as JSON has it, a text as it is, nothing as nothing."""

from __future__ import annotations

import json


def shown(value: object) -> str:
    """Return a value's text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return as_json(value, indent=2)


def as_json(value: object, indent: int | None = None) -> str:
    """Return a value as JSON, for people and models: letters as they are."""
    return json.dumps(value, indent=indent, ensure_ascii=False)
