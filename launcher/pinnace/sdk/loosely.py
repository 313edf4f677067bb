"""A mapping to a type that it does not wholly fit: the fields that do, and the names of the others.

Between versions of the CLI, fields change their types. That must not cost the whole event.
"""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, get_args

import msgspec

from pinnace.sdk.blocks import Block, Content, UnknownBlock

if TYPE_CHECKING:
    from collections.abc import Mapping

_S = TypeVar("_S", bound=msgspec.Struct)
_MISSING: Final = object()


def fit(kind: type[_S], value: Mapping[str, Any], misfits: list[str], where: str = "") -> _S:
    """Return a struct with the fields of a mapping that fit; note the others in `misfits`.

    Raises:
        msgspec.ValidationError: a field that it cannot do without is not there, or does not fit.
    """
    fields: dict[str, Any] = {}
    for field in _fields(kind):
        given = value.get(field.encode_name, _MISSING)
        if given is _MISSING or field.name.startswith("_"):
            continue
        name = f"{where}{field.encode_name}"
        try:
            fields[field.name] = _fitting(field.type, given, misfits, name)
        except msgspec.ValidationError:
            if given is not None:
                misfits.append(name)
    try:
        return kind(**fields)
    except TypeError as error:
        raise msgspec.ValidationError(f"{error}; does not fit: {misfits}") from None


def _fitting(kind: object, value: object, misfits: list[str], name: str) -> object:
    try:
        return _converted(value, kind)
    except msgspec.ValidationError:
        if kind == Content and isinstance(value, list):
            return tuple(_block(part) for part in value)
        struct = _struct_in(kind)
        if struct is None or not isinstance(value, dict):
            raise
        return fit(struct, value, misfits, f"{name}.")


def _block(value: object) -> Block:
    """Return a block of content; one that is not known has all of it."""
    try:
        return cast("Block", _converted(value, Block))
    except msgspec.ValidationError:
        return UnknownBlock(value)


def _struct_in(kind: object) -> type[msgspec.Struct] | None:
    """Return the struct that a field's type is, or may be."""
    choices = get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    found = [c for c in choices if isinstance(c, type) and issubclass(c, msgspec.Struct)]
    return found[0] if len(found) == 1 else None


def _converted(value: object, kind: object) -> object:
    return getattr(msgspec.convert({"value": value}, _holder(kind)), "value", None)


@functools.cache
def _holder(kind: object) -> type[msgspec.Struct]:
    """Return a struct with a field of this type: what msgspec knows about structs, it keeps."""
    return msgspec.defstruct("Holder", [("value", cast("Any", kind))])


_fields: Final = functools.cache(msgspec.structs.fields)
