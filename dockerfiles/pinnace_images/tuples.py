"""Named tuples that are quick to make: a launch makes dozens of classes of them.

`typing.NamedTuple` compiles the annotation of every field (Python 3.11 does it in
`typing._type_check`), which costs every launch 5 ms. Here annotations only give the names, their
order and, for type checkers, all they say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 (this is how it is given on)
else:
    from collections import namedtuple

    class _Maker(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body.get("__annotations__", {})
            defaults = [body[field] for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])  # noqa: PYI024
            for key, value in body.items():
                if key not in fields and key not in {"__module__", "__qualname__"}:
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Maker):
        """As `typing.NamedTuple`; defaults must come last, which type checkers see to."""
