"""BuildKit's cache: its own rules decide what is in use; age decides the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pinnace_builder.retention import facts
from pinnace_builder.retention.policy import BUILD_CACHE, Item, Plan, moment_of
from pinnace_core.console import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from python_on_whales import DockerClient

    from pinnace_builder.retention.policy import Policy

_FIELD: Final = re.compile(r"^([A-Z][A-Za-z ]+):[ \t]+(.*?)\s*$")
_AGO: Final = re.compile(r"(?:About )?(an?|[0-9]+) (minute|hour|day|week|month|year)s? ago")
# As https://pkg.go.dev/github.com/docker/go-units#HumanDuration rounds them.
_HOURS: Final = {
    "minute": 1 / 60,
    "hour": 1,
    "day": 24,
    "week": 24 * 7,
    "month": 24 * 30,
    "year": 24 * 365,
}


@dataclass(frozen=True)
class BuildCache:
    """The cache of one builder.

    Attributes:
        client: the engine.
        builder: of `docker buildx`; empty: the current one.
    """

    client: DockerClient
    builder: str = ""

    def plan(self, policy: Policy) -> Plan:
        """Return what would be run, and about how much that frees."""
        size = unused(facts.ask(self.client, *self._command("du", "--verbose")), policy)
        if size == 0:
            return Plan(kept=(self._item(f"nothing in it is unused for {policy.days} days"),))
        return Plan(gone=(self._item(f"not used for {policy.days} days", size),))

    def apply(self, policy: Policy) -> Plan:
        """Remove what was not used for so long."""
        until = f"until={policy.days * 24}h"
        said = facts.ask(self.client, *self._command("prune", "--force", "--filter", until))
        totals = [text for name, text in _fields(said) if name == "Total"]
        size = facts.size_of(totals[-1]) if totals else None
        if size == 0:
            return Plan(kept=(self._item(f"nothing in it is unused for {policy.days} days"),))
        say("removed what BuildKit had not used")
        return Plan(gone=(self._item(f"not used for {policy.days} days", size),))

    def _command(self, verb: str, *options: str) -> tuple[str, ...]:
        chosen = (f"--builder={self.builder}",) if self.builder else ()
        return ("buildx", verb, *chosen, *options)

    def _item(self, why: str, size: int | None = None) -> Item:
        name = f"builder {self.builder}" if self.builder else "the current builder"
        return Item(BUILD_CACHE, f"BuildKit's cache ({name})", why, size)


def unused(said: str, policy: Policy) -> int | None:
    """Add up what `docker buildx du --verbose` tells; None if it cannot be understood.

    It rounds ages: this is about what a prune removes.
    """
    records = list(_records(said))
    if any("Size" not in one or "Reclaimable" not in one for one in records):
        return None
    if not records and said.strip() and "Total" not in dict(_fields(said)):
        return None
    return sum(
        facts.size_of(one["Size"]) or 0
        for one in records
        if one["Reclaimable"] == "true" and _hours(one, policy) >= policy.days * 24
    )


def _hours(record: Mapping[str, str], policy: Policy) -> float:
    """Return how long a record was not used, at least."""
    if found := _AGO.fullmatch(record.get("Last used", "")):
        number = 1 if found[1].startswith("a") else int(found[1])
        return number * _HOURS[found[2]]
    if "Last used" in record:
        return 0
    created = moment_of(record.get("Created at", "").removesuffix(" UTC"))
    return (policy.now - created).total_seconds() / 3600 if created else 0


def _records(said: str) -> Iterator[dict[str, str]]:
    record: dict[str, str] = {}
    for name, text in _fields(said):
        record[name] = text
        if name == "Type":
            yield record
            record = {}


def _fields(said: str) -> Iterator[tuple[str, str]]:
    for line in said.splitlines():
        if found := _FIELD.match(line):
            yield found[1], found[2]
