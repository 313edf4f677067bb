"""How often what depends on chance is tried: `make soak` does it twenty times as often."""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "SOAK"
_FACTOR: Final = 20


def rounds(most: int) -> int:
    """Return how many rounds to make now, of so many in a soak."""
    return most if os.environ.get(VARIABLE) else max(1, most // _FACTOR)
