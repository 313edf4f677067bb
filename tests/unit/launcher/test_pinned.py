"""Which version a pin means, and when the registry is asked."""

from __future__ import annotations

import pytest

from pinnace.config import pin
from pinnace.config.pin import Pin
from pinnace_core.errors import BadPinError
from pinnace_images import lock
from pinnace_images.versions import CliVersion, Specifier

_NEWEST = lock.load_known().newest
_PUBLISHED = CliVersion(9, 9, 9)


def _pin(text: str) -> Pin:
    return Pin(Specifier.parse(text), "--claude-version")


def _published(specifier: Specifier) -> CliVersion:
    assert str(specifier) == "9.9"
    return _PUBLISHED


def _never(specifier: Specifier) -> CliVersion:
    raise AssertionError(specifier)


def test_without_a_pin_it_is_the_newest_that_is_locked() -> None:
    assert pin.resolved(None, newest=_never) == _NEWEST


@pytest.mark.parametrize(("text", "version"), [("9.9.9", _PUBLISHED), ("latest", _NEWEST)])
def test_what_is_exact_or_locked_asks_nobody(text: str, version: CliVersion) -> None:
    assert pin.resolved(_pin(text), newest=_never) == version


def test_the_projects_own_lock_counts_first() -> None:
    ours = CliVersion(2, 0, 0)
    project = lock.Lock({ours: lock.LockEntry(ours, ())})

    assert pin.resolved(_pin("2"), project=project, newest=_never) == ours


def test_what_is_not_locked_is_asked_for() -> None:
    assert pin.resolved(_pin("9.9"), newest=_published) == _PUBLISHED


def test_where_nobody_may_be_asked_it_is_an_error() -> None:
    with pytest.raises(BadPinError, match=r"no locked version fits '9\.9'") as raised:
        pin.resolved(_pin("9.9"))
    assert "pinnace pin" in raised.value.hint
