"""Levels of isolation by their names: those of the user's own file, too.

What reads such a file is imported only where there is one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pinnace.config import levels
from pinnace_core.errors import BadSettingsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace.config.files import SettingsFile
    from pinnace.config.levels import Level

_KEYS: Final = ("like", "allow", "read-only")


def known(own: SettingsFile | None) -> dict[str, Level]:
    """Return all levels by their names.

    Args:
        own: the user's file, if there is one.

    Raises:
        BadSettingsError: a level there makes no sense; file and line are named.
    """
    if own is None or not own.levels:
        return levels.BUILT_IN
    return levels.BUILT_IN | {name: _read(own, name, raw) for name, raw in own.levels.items()}


def _read(own: SettingsFile, name: str, raw: Any) -> Level:  # noqa: ANN401 (TOML)
    try:
        return made(name, raw)
    except ValueError as error:
        from pinnace.config.toml import problem

        where = f"{levels.TABLE}.{name}"
        raise problem(str(own.path), own.data, where, f"{where}: {error}") from error


def made(name: str, raw: Any) -> Level:  # noqa: ANN401 (TOML)
    """Make a level of a table.

    Raises:
        ValueError: it makes no sense.
    """
    if not isinstance(raw, dict):
        raise ValueError("expected a table")  # noqa: TRY004 (as all of it)
    if not re.fullmatch(levels.NAME, name, re.ASCII):
        raise ValueError("a level's name has lower-case letters, digits and -")
    if name in levels.BUILT_IN and "like" in raw:
        raise ValueError("it is there already: give yours another name")
    if unknown := sorted(raw.keys() - _KEYS):
        raise ValueError(f"there is no '{unknown[0]}': a level has {', '.join(_KEYS)}")
    like = raw.get("like", name if name in levels.BUILT_IN else levels.STANDARD.name)
    if not isinstance(like, str) or like not in levels.BUILT_IN:
        raise ValueError(f"like is {' or '.join(levels.BUILT_IN)}")
    base = levels.BUILT_IN[like]
    read_only = raw.get("read-only", base.read_only)
    if not isinstance(read_only, bool):
        raise ValueError("read-only is true or false")  # noqa: TRY004
    return base._replace(
        name=name,
        like="" if name in levels.BUILT_IN else like,
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
    found = known(own)
    if name not in found:
        kind = UsageError if source.startswith("-") else BadSettingsError
        raise kind(f"{source}: {_none(name, found)}", hint=_hint(found))
    return found[name]


def named(name: str, own: SettingsFile | None) -> Level:
    """Return a level that an argument names.

    Raises:
        BadSettingsError: as `known`.
        UsageError: there is none.
    """
    found = known(own)
    if name not in found:
        raise UsageError(_none(name, found), hint=_hint(found))
    return found[name]


def _none(name: str, known: Mapping[str, Level]) -> str:
    from pinnace_core.errors import perhaps

    return f"there is no isolation '{name}'{perhaps(name, known)}"


def _hint(known: Mapping[str, Level]) -> str:
    return f"one of: {', '.join(known)}; see: pinnace isolation list"
