"""Named tuples of our own are what `typing`'s would be."""

from __future__ import annotations

import pickle
import typing

import pytest

from pinnace_core import tuples


class Pair(tuples.NamedTuple):
    """A pair."""

    first: int
    second: str = "x"

    @property
    def both(self) -> str:
        """Of the two."""
        return f"{self.first}{self.second}"

    @classmethod
    def of(cls, text: str) -> Pair:
        """Read one."""
        return cls(int(text))


class Usual(typing.NamedTuple):
    """The same, as Python makes it."""

    first: int
    second: str = "x"


def test_values_are_given_by_place_and_by_name() -> None:
    assert Pair(1) == (1, "x") == Pair(first=1, second="x") == Pair(1, second="x")
    assert hash(Pair(1)) == hash((1, "x"))
    assert Pair(1, "y")._replace(first=2) == (2, "y")
    assert Pair(1)._asdict() == {"first": 1, "second": "x"}
    assert Pair._make([1, "y"]) == (1, "y")


@pytest.mark.parametrize("named", [{}, {"third": 1}, {"first": 1, "third": 1}])
def test_what_a_function_would_refuse_is_refused(named: dict[str, int]) -> None:
    for kind in (Pair, Usual):
        with pytest.raises(TypeError):
            kind(**named)  # type: ignore[arg-type]


def test_a_value_is_not_given_twice_nor_one_too_many() -> None:
    for kind in (Pair, Usual):
        with pytest.raises(TypeError):
            kind(1, "y", first=2)  # type: ignore[misc]
        with pytest.raises(TypeError):
            kind(1, "y", 3)  # type: ignore[call-arg]


def test_nothing_can_be_changed_or_added() -> None:
    pair = Pair(1)
    with pytest.raises(AttributeError):
        pair.first = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        pair.third = 3  # type: ignore[attr-defined]


def test_what_introspection_sees_is_the_same() -> None:
    assert Pair._fields == Usual._fields
    assert Pair._field_defaults == Usual._field_defaults
    assert Pair.__match_args__ == Usual.__match_args__
    assert repr(Pair(1)) == "Pair(first=1, second='x')"
    assert (Pair.__name__, Pair.__module__, Pair.__doc__) == ("Pair", __name__, "A pair.")
    assert typing.get_type_hints(Pair) == typing.get_type_hints(Usual)


def test_methods_and_copies_are_of_the_class() -> None:
    assert Pair.of("3").both == "3x"
    copy = pickle.loads(pickle.dumps(Pair(1, "y")))  # noqa: S301 (our own)
    assert (type(copy), copy) == (Pair, (1, "y"))
    match Pair(1, "y"):
        case Pair(first, second):
            assert (first, second) == (1, "y")
