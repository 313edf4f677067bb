"""Retention: what has piled up and may go, in the engine, in caches and in a registry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from pinnace_builder import packages
from pinnace_builder.registry import Registry, lock_name
from pinnace_builder.retention import scan
from pinnace_builder.retention.downloads import Downloads
from pinnace_builder.retention.images import Images, gateways
from pinnace_builder.retention.plan import plan_repository
from pinnace_builder.retention.policy import (
    BUILD_CACHE,
    DOWNLOADS,
    IMAGES,
    REGISTRY,
    Item,
    Plan,
    Policy,
    moment_of,
    size_of,
)
from pinnace_core.console import say
from pinnace_core.engine import of_builds
from pinnace_core.locks import exclusive
from pinnace_images import lock
from pinnace_images.versions import Specifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pinnace_core.engine import Engine
    from pinnace_images.versions import CliVersion

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


class Scope(Protocol):
    """A kind of thing that piles up."""

    def plan(self, policy: Policy) -> Plan:
        """Return what stays and goes."""

    def apply(self, policy: Policy) -> Plan:
        """Remove what goes; return what stayed and went."""


@dataclass(frozen=True)
class Order:
    """What to look at.

    Attributes:
        policy: what to keep.
        scopes: some of `policy.SCOPES`.
        repository: HOST[:PORT]/NAME, for the scope `registry`.
        builder: of `docker buildx`; empty: the current one.
    """

    policy: Policy
    scopes: Sequence[str]
    repository: str = ""
    builder: str = ""


def collect(order: Order, *, apply: bool) -> Plan:
    """Return what stays and goes; or remove what goes.

    Raises:
        PinnaceError: any of its kinds; what was removed until then has been said.
    """
    return _collect(_scopes(order), order.policy, apply=apply)


def collect_local(  # noqa: PLR0913 (each decides)
    *,
    newest: int,
    days: int,
    pinned: Sequence[str],
    used: Mapping[str, datetime],
    images: bool = True,
    apply: bool,
) -> Plan:
    """Plan, or remove, images and downloads only; the engine need not be able to build.

    Args:
        newest: so many versions of each variant stay.
        days: everything stays that was made or used since.
        pinned: the versions, lines and ranges that stay.
        used: when images were used last, by their ids.
        images: docker's, too; else downloads only.
        apply: remove them.

    Raises:
        PinnaceError: any of its kinds; what was removed until then has been said.
    """
    policy = Policy(newest, days, tuple(map(Specifier.parse, pinned)), datetime.now(UTC))
    scopes: list[Scope] = [
        *([Images(of_builds(), used=used), gateways(of_builds())] if images else []),
        Downloads(packages.cache_directory(), locked_packages()),
    ]
    return _collect(scopes, policy, apply=apply)


def _collect(scopes: Sequence[Scope], policy: Policy, *, apply: bool) -> Plan:
    done = (scope.apply(policy) if apply else scope.plan(policy) for scope in scopes)
    return sum(done, Plan())


def _scopes(order: Order) -> list[Scope]:
    """Prepare all before anything is removed."""
    chosen: list[Scope] = []
    if {IMAGES, BUILD_CACHE}.intersection(order.scopes):
        engine = of_builds()
        engine.connect()
        if IMAGES in order.scopes:
            chosen += [Images(engine), gateways(engine)]
        if BUILD_CACHE in order.scopes:
            chosen.append(BuildCache(engine, order.builder))
    if DOWNLOADS in order.scopes:
        chosen.append(Downloads(packages.cache_directory(), locked_packages()))
    if REGISTRY in order.scopes:
        chosen.append(Repository(Registry(order.repository), order.repository))
    return chosen


def locked_packages() -> dict[str, CliVersion]:
    """Return the versions of all packages that a lock knows, by digest."""
    entries = lock.load_known().entries.values()
    return {package.sha256: entry.version for entry in entries for package in entry.packages}


@dataclass(frozen=True)
class Repository:
    """A repository of images.

    Attributes:
        registry: that it is in.
        name: as it is given to `publish`.
    """

    registry: Registry
    name: str

    def plan(self, policy: Policy) -> Plan:
        """Return what stays and goes."""
        return plan_repository(scan.read(self.registry), policy).plan

    def apply(self, policy: Policy) -> Plan:
        """Delete what goes, while nothing is published from this machine.

        Raises:
            RegistryDeniedError: the registry does not allow it.
            ImageRegistryError: it does not answer; every index that is left is whole.
        """
        with exclusive(lock_name(self.name)):
            planned = plan_repository(scan.read(self.registry), policy)
            whats = {item.id: item.what for item in planned.plan.gone}
            for deletion in planned.deletions:
                self.registry.delete(deletion.digest)
                if deletion.digest == deletion.root:
                    say(f"deleted {whats[deletion.root]}")
        return planned.plan


@dataclass(frozen=True)
class BuildCache:
    """The cache of one builder.

    Attributes:
        engine: that has it.
        builder: of `docker buildx`; empty: the current one.
    """

    engine: Engine
    builder: str = ""

    def plan(self, policy: Policy) -> Plan:
        """Return what would be run, and about how much that frees."""
        size = unused(self._ask("du", "--verbose"), policy)
        return self._plan(size, policy)

    def apply(self, policy: Policy) -> Plan:
        """Remove what was not used for so long."""
        until = f"until={policy.days * 24}h"
        said = self._ask("prune", "--force", "--filter", until)
        totals = [text for name, text in _fields(said) if name == "Total"]
        size = size_of(totals[-1]) if totals else None
        if size != 0:
            say("removed what BuildKit had not used")
        return self._plan(size, policy)

    def _ask(self, verb: str, *options: str) -> str:
        chosen = (f"--builder={self.builder}",) if self.builder else ()
        return self.engine.ask("buildx", verb, *chosen, *options) or ""

    def _plan(self, size: int | None, policy: Policy) -> Plan:
        """Return it as what goes; of 0 bytes it stays."""
        name = f"builder {self.builder}" if self.builder else "the current builder"
        stays = f"nothing in it is unused for {policy.days} days" if size == 0 else ""
        item = Item(BUILD_CACHE, f"BuildKit's cache ({name})", size=size)
        return Plan.of([(item, stays, f"not used for {policy.days} days")])


def unused(said: str, policy: Policy) -> int | None:
    """Add up what `docker buildx du --verbose` tells; None if it cannot be understood.

    It rounds ages: this is about what a prune removes. Exact ones come with `--format json`, from
    buildx 0.28 on (https://github.com/docker/buildx/pull/3377); `docker system df` has them of the
    engine's own builder only.
    """
    records = list(_records(said))
    if any(not {"Size", "Reclaimable"} <= record.keys() for record in records):
        return None
    if not records and said.strip() and "Total" not in dict(_fields(said)):
        return None
    return sum(
        size_of(record["Size"]) or 0
        for record in records
        if record["Reclaimable"] == "true" and _hours(record, policy) >= policy.days * 24
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
