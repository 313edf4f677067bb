"""Levels of isolation: those that there are, and those that the user's own file makes of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pinnace.config import GROUPS
from pinnace_core.errors import BadSettingsError, UsageError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace.config.files import SettingsFile


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
_KEYS: Final = ("like", "allow", "read-only")


def known(own: SettingsFile | None) -> dict[str, Level]:
    """Return all levels by their names.

    Args:
        own: the user's file, if there is one.

    Raises:
        BadSettingsError: a level there makes no sense; file and line are named.
    """
    if own is None or not own.levels:
        return BUILT_IN
    return BUILT_IN | {name: _read(own, name, raw) for name, raw in own.levels.items()}


def _read(own: SettingsFile, name: str, raw: Any) -> Level:  # noqa: ANN401 (TOML)
    try:
        return made(name, raw)
    except ValueError as error:
        from pinnace.config import toml

        where = f"{TABLE}.{name}"
        raise toml.problem(str(own.path), own.data, where, f"{where}: {error}") from error


def made(name: str, raw: Any) -> Level:  # noqa: ANN401 (TOML)
    """Make a level of a table.

    Raises:
        ValueError: it makes no sense.
    """
    if not isinstance(raw, dict):
        raise ValueError("expected a table")  # noqa: TRY004 (as all of it)
    if not re.fullmatch(NAME, name, re.ASCII):
        raise ValueError("a level's name has lower-case letters, digits and -")
    if name in BUILT_IN and "like" in raw:
        raise ValueError("it is there already: give yours another name")
    if unknown := sorted(raw.keys() - _KEYS):
        raise ValueError(f"there is no '{unknown[0]}': a level has {', '.join(_KEYS)}")
    like = raw.get("like", name if name in BUILT_IN else STANDARD.name)
    if not isinstance(like, str) or like not in BUILT_IN:
        raise ValueError(f"like is {' or '.join(BUILT_IN)}")
    base = BUILT_IN[like]
    read_only = raw.get("read-only", base.read_only)
    if not isinstance(read_only, bool):
        raise ValueError("read-only is true or false")  # noqa: TRY004
    return base._replace(
        name=name,
        like="" if name in BUILT_IN else like,
        allow=_allowed(raw["allow"], base) if "allow" in raw else base.allow,
        read_only=read_only,
    )


def _allowed(raw: object, base: Level) -> tuple[str, ...]:
    from pinnace.config.schema import BY_NAME
    from pinnace.config.types import Place

    if base.sealed or base.network:
        raise ValueError(f"'{base.name}' has no list of what is allowed; a level like standard has")
    found: Any = BY_NAME["network.allow"].kind.read(raw, Place("/", "/"))
    return tuple(found)


def chosen(name: str, source: str, own: SettingsFile | None) -> Level:
    """Return a level by its name.

    Args:
        name: of it.
        source: where that stands.
        own: the user's file, if there is one.

    Raises:
        BadSettingsError: there is none; or as `known`.
        UsageError: there is none, and it was an option.
    """
    levels = known(own)
    if name not in levels:
        kind = UsageError if source.startswith("-") else BadSettingsError
        raise kind(f"{source}: {_none(name, levels)}", hint=_hint(levels))
    return levels[name]


def named(name: str, own: SettingsFile | None) -> Level:
    """Return a level that an argument names.

    Raises:
        BadSettingsError: as `known`.
        UsageError: there is none.
    """
    levels = known(own)
    if name not in levels:
        raise UsageError(_none(name, levels), hint=_hint(levels))
    return levels[name]


def _none(name: str, levels: Mapping[str, Level]) -> str:
    from pinnace_core.errors import perhaps

    return f"there is no isolation '{name}'{perhaps(name, levels)}"


def _hint(levels: Mapping[str, Level]) -> str:
    return f"one of: {', '.join(levels)}; see: pinnace isolation list"
