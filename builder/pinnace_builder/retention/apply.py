"""Bring together what is to be looked at, and do it, or only tell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from python_on_whales import DockerClient

from pinnace_builder import packages
from pinnace_builder.registry import Registry
from pinnace_builder.retention import policy as retention
from pinnace_builder.retention.build_cache import BuildCache
from pinnace_builder.retention.local import Downloads, Images
from pinnace_builder.retention.policy import Plan
from pinnace_builder.retention.remote import Repository
from pinnace_core.engine import whales
from pinnace_images import contract, lock
from pinnace_images.versions import Specifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace_builder.retention.policy import Policy
    from pinnace_images.versions import CliVersion


class Scope(Protocol):
    """A kind of thing that piles up."""

    def plan(self, policy: Policy) -> Plan:
        """Return what stays and goes."""

    def apply(self, policy: Policy) -> Plan:
        """Remove what goes; tell what stayed and went."""


@dataclass(frozen=True)
class Order:
    """What to look at.

    Attributes:
        policy: what to keep.
        scopes: some of `policy.SCOPES`.
        repository: HOST[:PORT]/NAME, for the scope `registry`.
        builder: of `docker buildx`; empty: the current one.
        local: name of the local images.
    """

    policy: Policy
    scopes: Sequence[str]
    repository: str = ""
    builder: str = ""
    local: str = contract.LOCAL_REPOSITORY


def preview(order: Order) -> Plan:
    """Return what `collect` would remove."""
    return sum((scope.plan(order.policy) for scope in _scopes(order)), Plan())


def collect(order: Order) -> Plan:
    """Remove what the policy lets go; tell what stayed and went.

    Raises:
        PinnaceError: any of its kinds; what was removed until then has been said.
    """
    return sum((scope.apply(order.policy) for scope in _scopes(order)), Plan())


def local(  # noqa: PLR0913 (each decides)
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
    policy = retention.Policy(newest, days, tuple(map(Specifier.parse, pinned)), datetime.now(UTC))
    scopes: list[Scope] = [
        *([Images(DockerClient(), used=used)] if images else []),
        Downloads(packages.cache_directory(), locked_packages()),
    ]
    done = (scope.apply(policy) if apply else scope.plan(policy) for scope in scopes)
    return sum(done, Plan())


def _scopes(order: Order) -> list[Scope]:
    """Prepare all before anything is removed."""
    chosen: list[Scope] = []
    if {retention.IMAGES, retention.BUILD_CACHE}.intersection(order.scopes):
        client = whales.connect()
        if retention.IMAGES in order.scopes:
            chosen.append(Images(client, order.local))
        if retention.BUILD_CACHE in order.scopes:
            chosen.append(BuildCache(client, order.builder))
    if retention.DOWNLOADS in order.scopes:
        chosen.append(Downloads(packages.cache_directory(), locked_packages()))
    if retention.REGISTRY in order.scopes:
        chosen.append(Repository(Registry(order.repository), order.repository))
    return chosen


def locked_packages() -> dict[str, CliVersion]:
    """Return the versions of all packages that a lock knows, by digest."""
    entries = lock.load_known().entries.values()
    return {package.sha256: entry.version for entry in entries for package in entry.packages}
