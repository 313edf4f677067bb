"""What a gateway lets through: by settings, and by what the user decided with `pinnace network`.

Decisions are kept in one file of Pinnace's own. The first rule that fits counts: decisions about a
project come before those about all, both before settings; a name before what `*.` stands for.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, Final

from pinnace.config.types import DESTINATION
from pinnace.gateway import DENIED, Decision, Rule
from pinnace.gateway.registries import MANAGERS
from pinnace_core import host
from pinnace_core.errors import IN_HINT, BadSettingsError, UsageError, perhaps
from pinnace_core.files import read_own, write_atomic
from pinnace_core.locks import file_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import TypeAlias

    Registries: TypeAlias = Mapping[str, Sequence[tuple[str, int]]]

HTTPS: Final = 443
SSH: Final = 22
GROUPS: Final = {
    "github": (
        *("github.com", "github.com:22", "api.github.com", "uploads.github.com"),
        *("codeload.github.com", "*.githubusercontent.com", "*.pkg.github.com", "ghcr.io"),
        "lfs.github.com",
    ),
}
"""Names for many destinations at once."""
_HIGHEST_PORT: Final = 65535
_MOST_BYTES: Final = 1 << 20
_SCHEMA: Final = 1
_DURATION: Final = r"([1-9][0-9]{0,5})([smhd])"
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def destinations(text: str, registries: Registries) -> list[tuple[str, int]]:
    """Read `HOST[:PORT]`, or the name of a group: hosts, in lower case, and ports.

    Args:
        text: of either.
        registries: what package managers load from, by their names.

    Raises:
        UsageError: it is neither.
    """
    if text in GROUPS:
        return [_split(name) for name in GROUPS[text]]
    if text in MANAGERS:
        return list(registries.get(text, ()))
    written = re.fullmatch(DESTINATION, text.lower(), re.ASCII)
    if not written or _split(text.lower())[1] > _HIGHEST_PORT:
        raise UsageError(
            f"'{text}' is no destination",
            hint=f"{_meant(text)}write a name: example.com, *.example.com or example.com:8443; "
            f"addresses are never allowed; groups: {', '.join((*GROUPS, *MANAGERS))}",
        )
    return [_split(text.lower())]


def _meant(text: str) -> str:
    """Return what was perhaps meant: the host of a URL, or a group's name."""
    url = re.match(r"[a-z]+://(?:[^/@]*@)?([^/?#]+)", text.lower())
    if url and re.fullmatch(DESTINATION, url[1], re.ASCII):
        return f"perhaps you meant {url[1]}; "
    return perhaps(text.lower(), (*GROUPS, *MANAGERS), IN_HINT)


def _split(text: str) -> tuple[str, int]:
    name, _, port = text.partition(":")
    return name, int(port or HTTPS)


def seconds(text: str) -> int:
    """Read a duration: `90s`, `10m`, `2h`, `1d`.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(_DURATION, text)
    if found is None:
        raise UsageError(f"'{text}' is no duration", hint="write 90s, 10m, 2h or 1d")
    return int(found[1]) * _SECONDS[found[2]]


def of_settings(texts: Iterable[str], registries: Registries) -> tuple[Rule, ...]:
    """Return what settings allow; `registries` as for `destinations`."""
    found = (one for text in texts for one in destinations(text, registries))
    return tuple(dict.fromkeys(Rule(*one) for one in found))


def in_force(
    settings: Iterable[Rule], decisions: Iterable[Decision], project: str, now: float
) -> list[Rule]:
    """Return the rules of one project, in the order in which they count; expired ones are left out.

    Args:
        settings: what they allow.
        decisions: of the user's, about all projects.
        project: path of the workspace.
        now: seconds since 1970.
    """
    return [*(d.rule for d in of_project(decisions, project, now)), *settings]


def of_project(decisions: Iterable[Decision], project: str, now: float) -> list[Decision]:
    """Return the decisions that count in a project, in their order; see `in_force`."""
    own = [d for d in decisions if d.project in {"", project} and not 0 < d.rule.until <= now]
    own.sort(key=lambda d: (not d.project, d.rule.host.startswith("*."), -len(d.rule.host)))
    return own


def decided(
    decisions: Iterable[Decision], new: Iterable[Decision], *, now: float
) -> list[Decision]:
    """Return decisions with new ones, each in place of one about the same; expired ones go."""
    kept = {(d.project, *d.rule[:2]): d for d in decisions if not 0 < d.rule.until <= now}
    return list((kept | {(d.project, *d.rule[:2]): d for d in new}).values())


def _path() -> Path:
    return host.directory("state") / "network.json"


def load() -> list[Decision]:
    """Return the user's decisions.

    Raises:
        BadSettingsError: the file is not as it was written, or others could have written it.
    """
    try:
        document: Any = json.loads(read_own(_path(), most=_MOST_BYTES))
        return [_read(one) for one in document["decisions"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSettingsError(
            f"'{_path()}' is not what Pinnace wrote there",
            hint="remove it, and decide anew: pinnace network allow HOST",
        ) from error


def _read(one: dict[str, Any]) -> Decision:
    name, port, until, project = one["host"], one["port"], one["until"], one["project"]
    if not re.fullmatch(DESTINATION, name, re.ASCII) or not isinstance(project, str):
        raise ValueError(name)
    return Decision(Rule(name, int(port), int(until)), project)


def change(edit: Callable[[list[Decision]], list[Decision]]) -> list[Decision]:
    """Change the user's decisions; return them.

    Raises:
        BadSettingsError: as `load`.
        CannotWriteError: they cannot be written.
    """
    with file_lock(host.directory("state") / "network.lock"):
        decisions = edit(load())
        rows = [{**one.rule._asdict(), "project": one.project} for one in decisions]
        document = {"schema": _SCHEMA, "decisions": rows}
        write_atomic(_path(), json.dumps(document, indent=1).encode(), mode=0o600)
    return decisions


def new(
    texts: Iterable[str], registries: Registries, *, allowed: bool, lasts: str, project: str
) -> list[Decision]:
    """Return decisions.

    Args:
        texts: destinations.
        registries: as for `destinations`.
        allowed: or denied.
        lasts: a duration, as `seconds` reads it; empty: until it is changed.
        project: path of a workspace; empty: all.

    Raises:
        UsageError: one of them makes no sense.
    """
    until = int(time.time()) + seconds(lasts) if lasts else 0
    rules = (Rule(*found) for text in texts for found in destinations(text, registries))
    return [Decision(r._replace(until=until if allowed else DENIED), project) for r in rules]
