"""Every error class says what it is and has a documented exit code."""

from __future__ import annotations

from typing import Final

import pytest

from pinnace_core import errors
from pinnace_core.errors import PinnaceError

# design.md, section 6: sysexits, and 79 for a failed verification.
_DOCUMENTED: Final = {64, 65, 66, 69, 70, 73, 74, 75, 77, 78, 79}
_CLASSES: Final = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, PinnaceError)
]


@pytest.mark.parametrize("kind", _CLASSES)
def test_an_error_says_what_it_is_in_one_sentence(kind: type[PinnaceError]) -> None:
    first = (vars(kind).get("__doc__") or "").splitlines()[0]

    assert first.endswith(".")
    assert len(first) < 100


@pytest.mark.parametrize("kind", _CLASSES)
def test_an_error_has_a_documented_exit_code(kind: type[PinnaceError]) -> None:
    assert kind.exit_code in _DOCUMENTED


@pytest.mark.parametrize("kind", _CLASSES)
def test_an_error_is_named_as_one_and_tells_message_from_hint(kind: type[PinnaceError]) -> None:
    error = kind("what is wrong", hint="mend it")

    assert kind.__name__.endswith("Error")
    assert (str(error), error.message, error.hint) == ("what is wrong", "what is wrong", "mend it")
    assert kind("x").hint == ""


@pytest.mark.parametrize(
    ("kind", "sysexit"),
    [
        (errors.UsageError, 64),
        (errors.BadPinError, 65),
        (errors.BadLockError, 65),
        (errors.UnknownVersionError, 65),
        (errors.ImageMissingError, 66),
        (errors.EngineUnavailableError, 69),
        (errors.ClientMissingError, 69),
        (PinnaceError, 70),
        (errors.CannotWriteError, 73),
        (errors.RegistryUnreachableError, 75),
        (errors.BusyError, 75),
        (errors.UnsafeRequestError, 77),
        (errors.VerificationFailedError, 79),
    ],
)
def test_a_cause_has_the_exit_code_that_the_design_gives_it(
    kind: type[PinnaceError], sysexit: int
) -> None:
    assert kind.exit_code == sysexit
