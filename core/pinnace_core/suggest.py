"""Guess what was meant; imported only when something is wrong already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

IN_HINT: Final = "perhaps you meant {}; "
IN_MESSAGE: Final = ", perhaps you meant '{}'"
# In a hint, which nobody asked for, a guess has to be closer.
_CLOSE: Final = {IN_HINT: 0.75, IN_MESSAGE: 0.6}
_LEAST_BEGUN: Final = 4
_LONGEST: Final = 40


def perhaps(text: str, choices: Iterable[str], form: str = IN_MESSAGE) -> str:
    """Return which of `choices` was perhaps meant by `text`; empty if none is like it.

    Args:
        text: as it was given.
        choices: of several that are as close, the first one counts.
        form: `IN_HINT` or `IN_MESSAGE`.
    """
    import difflib

    text, known = text[:_LONGEST], list(choices)
    begun = [choice for choice in known if len(text) >= _LEAST_BEGUN and choice.startswith(text)]
    close = begun or difflib.get_close_matches(text, known, n=1, cutoff=_CLOSE[form])
    return form.format(close[0]) if close else ""
