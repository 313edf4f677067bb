"""Named tuples of our own are what `typing`'s would be."""

from __future__ import annotations

import pickle

import pytest

from pinnace_images.tuples import NamedTuple


class Pair(NamedTuple):
    """A pair."""

    first: int
    second: str = "x"

    @property
    def shown(self) -> str:
        return f"{self.first}{self.second}"


def test_fields_defaults_and_methods() -> None:
    pair = Pair(1)

    assert pair == (1, "x")
    assert pair.shown == "1x"
    assert pair._replace(second="y") == Pair(first=1, second="y")
    assert (Pair.__name__, Pair.__module__, Pair.__doc__) == ("Pair", __name__, "A pair.")
    assert repr(pair) == "Pair(first=1, second='x')"
    with pytest.raises(TypeError):
        Pair()  # type: ignore[call-arg]


def test_it_is_frozen_and_can_be_pickled() -> None:
    pair = Pair(1)

    with pytest.raises(AttributeError):
        pair.first = 2  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(pair)) == pair  # noqa: S301 (our own)
