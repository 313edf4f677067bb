"""Guess which version was meant; imported only when something is wrong already."""

from __future__ import annotations

from typing import Final

from pinnace_core.errors import BadLockError, UnknownVersionError
from pinnace_images import lock

_LONGEST: Final = 40
_CLOSE: Final = 0.75


def version_like(text: str) -> str:
    """Return `perhaps you meant 2.1.330; ` if a locked version looks like a text, or nothing."""
    import difflib

    try:
        known = [str(version) for version in sorted(lock.load_known().entries, reverse=True)]
    except BadLockError:
        return ""
    close = difflib.get_close_matches(text[:_LONGEST].lstrip("v"), known, n=1, cutoff=_CLOSE)
    return f"perhaps you meant {close[0]}; " if close else ""


def better(error: UnknownVersionError, text: str) -> UnknownVersionError:
    """Add to the hint what was perhaps meant instead of `text`."""
    return UnknownVersionError(error.message, hint=f"{version_like(text)}{error.hint}")
