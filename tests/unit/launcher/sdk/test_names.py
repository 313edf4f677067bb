"""What programs import: all of it is where they look for it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import msgspec
import pytest

import pinnace
import pinnace.errors
import pinnace.events
import pinnace.sdk.errors
import pinnace_core.errors
from pinnace.sdk import blocks, conversation, event, happenings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType


def _made_in(modules: Iterable[ModuleType], kind: type) -> set[str]:
    return {
        name
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, kind)
        and value.__module__ == module.__name__
    }


def test_all_events_and_what_they_consist_of_are_public() -> None:
    made = _made_in((blocks, conversation, event, happenings), msgspec.Struct)

    assert {name for name in made if not name.startswith("_")} <= set(pinnace.events.__all__)


def test_all_errors_are_public() -> None:
    made = _made_in((pinnace_core.errors, pinnace.sdk.errors), pinnace.PinnaceError)

    assert made == set(pinnace.errors.__all__)


@pytest.mark.parametrize("module", [pinnace.errors, pinnace.events])
def test_what_has_two_names_is_the_same(module: ModuleType) -> None:
    for name in set(module.__all__) & set(pinnace.__all__):
        assert getattr(module, name) is getattr(pinnace, name)
