"""Which `PINNACE_` variables there are; one that nothing reads is most likely misspelt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace.config.schema import KEYS
from pinnace.config.types import perhaps

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "PINNACE_"
# What is read besides the settings, by the builder and by all commands.
OTHERS: Final = (
    "PINNACE_BASE_MIRROR",
    "PINNACE_BASE_REPOSITORY",
    "PINNACE_CA_BUNDLE",
    "PINNACE_DEBUG",
    "PINNACE_IMAGES",
)
KNOWN: Final = (*(key.variable for key in KEYS), *OTHERS)


def unknown(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that nothing reads: what to say about each, by name."""
    return {
        name: f"no setting has the variable {name}{perhaps(name, KNOWN)}"
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in KNOWN
    }
