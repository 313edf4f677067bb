"""What is kept and why, and what a plan consists of: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pinnace_core.console import say
from pinnace_images.versions import Specifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pinnace_builder.images_config import Retention
    from pinnace_images.versions import CliVersion

IMAGES: Final = "images"
DOWNLOADS: Final = "downloads"
BUILD_CACHE: Final = "build-cache"
REGISTRY: Final = "registry"
LOCAL: Final = (IMAGES, DOWNLOADS, BUILD_CACHE)
SCOPES: Final = (*LOCAL, REGISTRY)
# What an unfinished build, download or lock may still need.
A_DAY: Final = timedelta(days=1)
CHANGED: Final = "it has changed meanwhile"
_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)\s*([kKMGTP]?)(i?)B")
_POWERS: Final[dict[str, int]] = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
# Dates before it stand for "no date": the years 1 and 1970, usually.
_FIRST_YEAR: Final = 1971


@dataclass(frozen=True)
class Item:
    """One thing that goes, or stays.

    Attributes:
        scope: one of `SCOPES`.
        what: its name.
        why: it goes, or stays.
        size: bytes that are free once it is gone, as far as they are known.
        id: what the name stood for when this was decided.
    """

    scope: str
    what: str
    why: str = ""
    size: int | None = None
    id: str = ""

    def but(self, why: str) -> Item:
        """Return the same, for another reason."""
        return replace(self, why=why)


@dataclass(frozen=True)
class Plan:
    """What stays and what goes, or what stayed and what went."""

    kept: tuple[Item, ...] = ()
    gone: tuple[Item, ...] = ()

    @classmethod
    def of(cls, judged: Iterable[tuple[Item, str, str]]) -> Plan:
        """Sort things, each with why it stays (empty if it does not), and why it would go."""
        things = tuple(judged)
        return cls(
            tuple(replace(item, why=stays, size=None) for item, stays, _ in things if stays),
            tuple(item.but(goes) for item, stays, goes in things if not stays),
        )

    def __add__(self, other: Plan) -> Plan:
        return Plan(self.kept + other.kept, self.gone + other.gone)

    @property
    def size(self) -> int:
        """Bytes that are free once it is done, as far as they are known."""
        return sum(item.size or 0 for item in self.gone)


@dataclass(frozen=True)
class Policy:
    """What to keep.

    Attributes:
        newest: this many versions of each variant.
        days: everything younger.
        pinned: the versions that fit one of these.
        now: what ages are counted to.
    """

    newest: int
    days: int
    pinned: tuple[Specifier, ...]
    now: datetime

    @classmethod
    def of(cls, declared: Retention, now: datetime) -> Policy:
        """Read what is declared.

        Args:
            declared: `[retention]`; its versions were checked when it was read.
            now: what ages are counted to.
        """
        pinned = tuple(map(Specifier.parse, declared.pinned))
        return cls(declared.newest, declared.days, pinned, now)

    def version_stays(self, version: CliVersion, among: Iterable[CliVersion]) -> str:
        """Return why a version stays, whatever its age; empty if nothing says so.

        Args:
            version: which.
            among: all versions that compete with it.
        """
        if sum(other > version for other in set(among)) < self.newest:
            return f"among the newest {self.newest}"
        for pin in self.pinned:
            if pin.best((version,)) is not None:
                return f"pinned by '{pin}'"
        return ""

    def age_stays(self, moment: datetime | None) -> str:
        """Return why something of that time stays; empty if it does not."""
        if moment is None:
            return "nothing tells its age"
        return f"younger than {self.days} days" if self._is_within(moment, self.days) else ""

    def is_fresh(self, moment: datetime | None) -> bool:
        """Return whether something may be unfinished: it is not known to be older than a day."""
        return moment is None or self._is_within(moment, A_DAY.days)

    def _is_within(self, moment: datetime, days: int) -> bool:
        return self.now - moment < timedelta(days=days)

    @property
    def exceeded(self) -> str:
        """Return why a version goes."""
        return f"beyond the newest {self.newest}, older than {self.days} days, not pinned"


def moment_of(text: object) -> datetime | None:
    """Read a time as images and engines tell it; None for one that means nothing."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC) if moment.year >= _FIRST_YEAR else None
    except (ValueError, OverflowError):
        return None


def youngest(moments: Iterable[datetime | None]) -> datetime | None:
    """Return the latest of the times that are known."""
    return max((moment for moment in moments if moment is not None), default=None)


def size_of(text: str) -> int | None:
    """Read a size as the docker client writes it; None for what is none."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        return None
    number, unit, binary = found.groups()
    step = 1024.0 if binary else 1000.0
    return round(float(number) * step ** _POWERS[unit])


def carried_out(planned: Plan, remove: Callable[[Item], str]) -> Plan:
    """Remove what goes, as far as `remove` gives no reason why something stays after all."""
    kept, gone = list(planned.kept), []
    for item in planned.gone:
        if why := remove(item):
            kept.append(item.but(why))
        else:
            say(f"removed {item.what}")
            gone.append(item)
    return Plan(tuple(kept), tuple(gone))
