"""Sizes for people."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_STEP: Final = 1000


def size_text(size: int | None) -> str:
    """Write a size in bytes as the docker client does; nothing if it is not known."""
    if size is None:
        return ""
    number, unit = float(size), 0
    while number >= _STEP and unit + 1 < len(_UNITS):
        number, unit = number / _STEP, unit + 1
    return f"{number:.{1 if unit else 0}f} {_UNITS[unit]}"
