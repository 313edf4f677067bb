"""Named tuples that are quick to make: a launch makes ninety classes of them.

`typing.NamedTuple` compiles the annotation of each field (`typing._type_check`, up to Python 3.13)
and a constructor for each class, and sets each attribute on its own: together a quarter of what a
launch does before the engine is asked. Here annotations only give the names and their order and,
for type checkers, all that they say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414, TID251 (how it is given on)
else:
    from operator import itemgetter

    Values = dict[str, Any]

    def _completed(
        fields: tuple[str, ...], defaults: Values, given: tuple[Any, ...], named: Values
    ) -> tuple[Any, ...]:
        """Return a value for each field, in order.

        Raises:
            TypeError: as of a function that has these parameters.
        """
        if len(given) > len(fields):
            raise TypeError(f"expected at most {len(fields)} values, got {len(given)}")
        rest = {**defaults, **named}
        try:
            values = given + tuple(rest[field] for field in fields[len(given) :])
        except KeyError as error:
            raise TypeError(f"missing value: {error}") from None
        wrong = named.keys() - fields[len(given) :]
        if wrong:
            raise TypeError(f"unexpected or repeated: {', '.join(sorted(wrong))}")
        return values

    class _Methods:
        """What `collections.namedtuple` gives besides."""

        __slots__ = ()

        def _replace(self, /, **named: object) -> object:
            return type(self)(**{**self._asdict(), **named})

        def _asdict(self) -> Values:
            return dict(zip(self._fields, self, strict=True))

        @classmethod
        def _make(cls, values: Iterable[object]) -> object:
            return cls(*values)

        def __repr__(self) -> str:
            fields = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({fields})"

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

    class _Maker(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = tuple(body.get("__annotations__", {}))
            defaults = {field: body[field] for field in fields if field in body}

            def new(made: type, /, *given: object, **named: object) -> object:
                if named or len(given) != len(fields):
                    given = _completed(fields, defaults, given, named)
                return tuple.__new__(made, given)

            body.update({field: property(itemgetter(i)) for i, field in enumerate(fields)})
            body |= {"_fields": fields, "_field_defaults": defaults, "__match_args__": fields}
            return type(name, (_Methods, tuple), {"__slots__": (), "__new__": new, **body})

    class NamedTuple(metaclass=_Maker):
        """As `typing.NamedTuple`; that defaults come last is what type checkers see to."""
