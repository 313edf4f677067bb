"""Levels of isolation, and those that there are by themselves. More: see `own_levels`."""

from __future__ import annotations

from typing import Final

from pinnace.config import GROUPS
from pinnace_core.tuples import NamedTuple


class Level(NamedTuple):
    """What a launch may reach.

    Attributes:
        name: of it.
        allow: destinations and groups that the gateway lets through without more words.
        sealed: the API alone is reached, whatever is allowed elsewhere.
        network: the container joins the engine's usual network, and needs no gateway for that.
        read_only: nothing is written but Claude's config directory.
        like: the level that it was made of; empty: it is there by itself.
    """

    name: str
    allow: tuple[str, ...] = ()
    sealed: bool = False
    network: bool = False
    read_only: bool = False
    like: str = ""


LOCKED: Final = Level("locked", sealed=True, read_only=True)
STANDARD: Final = Level("standard", allow=GROUPS)
OPEN: Final = Level("open", network=True)
BUILT_IN: Final = {level.name: level for level in (LOCKED, STANDARD, OPEN)}
"""By their names, the tightest first."""
TABLE: Final = "isolation"
"""Of the user's own file: `[isolation.NAME]`."""
NAME: Final = r"[a-z][a-z0-9-]{0,31}"
