"""Publish versions: bring together what is asked for, what is at hand and what is there."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from python_on_whales.exceptions import DockerException

from pinnace_builder import base, build, checkout, npm, resolve
from pinnace_builder.publish import plan
from pinnace_builder.publish.build_platform import Maker
from pinnace_builder.publish.cache import Cache
from pinnace_builder.publish.execute import Published, Transaction
from pinnace_builder.publish.remote_state import Stored
from pinnace_builder.publish.verify import Inspector
from pinnace_builder.registry import Registry
from pinnace_core.engine import whales
from pinnace_core.errors import UsageError
from pinnace_core.locks import exclusive
from pinnace_images import lock
from pinnace_images.refs import RepositoryName
from pinnace_images.versions import LATEST, CliVersion, is_exact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from python_on_whales import DockerClient

    from pinnace_builder.base import Base
    from pinnace_builder.images_config import Images
    from pinnace_builder.publish.plan import Release, Step
    from pinnace_builder.publish.sign import Signer
    from pinnace_builder.render import ImageRequest
    from pinnace_images.platforms import Platform

_CHANNEL: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
_REVISION: Final = "org.opencontainers.image.revision"


@dataclass(frozen=True)
class Order:
    """What to publish, where to, and how.

    Attributes:
        versions: of the CLI.
        variants: each version in each of them.
        platforms: of every image.
        repository: HOST[:PORT]/NAME.
        images: what is declared.
        bases_only: everything but the CLI.
        stage_only: push and verify platforms, join and move nothing.
        channels: follow the npm registry's channels besides the ladder.
        compression: of layers.
        cache: BuildKit's.
        builders: by platform.
        attesting: add attestations.
        annotations: of manifest lists.
        signer: of manifest lists.
    """

    versions: Sequence[CliVersion]
    variants: Sequence[str]
    platforms: tuple[Platform, ...]
    repository: str
    images: Images
    bases_only: bool = False
    stage_only: bool = False
    channels: bool = True
    compression: str = "zstd"
    cache: Cache = field(default_factory=Cache)
    builders: Mapping[Platform, str] = field(default_factory=dict)
    attesting: bool = True
    annotations: Mapping[str, str] = field(default_factory=dict)
    signer: Signer | None = None


def publish(order: Order) -> list[Published]:
    """Publish; what is there already is neither built nor pushed again.

    Raises:
        PinnaceError: any of its kinds; no moving tag was touched unless all images are whole.
    """
    client = whales.connect()
    stored = Stored(Registry(order.repository))
    requests = _requests(order)
    with exclusive(lock_name(order.repository)):
        planned = _plan(client, order, requests)
        if _needs_base(planned, stored):
            # Only now: what is there already does not need what it was made from.
            _provide(client, order)
            planned = _plan(client, order, requests)
        _require_builders(client, order)
        transaction = _transaction(client, order, stored)
        if order.stage_only:
            transaction.push(planned)
            return []
        return transaction.run(planned)


def lock_name(repository: str) -> str:
    """Name the turn of whatever changes a repository: publishing, and `gc`."""
    place = str(RepositoryName.parse(repository))
    return f"publish-{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def preview(order: Order) -> list[Step]:
    """Return what `publish` would do."""
    stored = Stored(Registry(order.repository))
    planned = _plan(whales.connect(), order, _requests(order))
    there = stored.held(planned)
    if order.stage_only:
        return [step for step in plan.makings(planned, there) if step.action == "build"]
    return plan.steps(planned, there)


def _requests(order: Order) -> list[ImageRequest]:
    return [
        build.request_for(version, variant=variant, platforms=order.platforms, images=order.images)
        for variant in order.variants
        for version in order.versions
    ]


def _plan(
    client: DockerClient, order: Order, requests: Sequence[ImageRequest]
) -> tuple[Release, ...]:
    distributions = {
        platform: base.identify(client, order.images.base, platform) for platform in order.platforms
    }
    if order.bases_only:
        return plan.base_releases(requests, distributions)
    return plan.releases(requests, distributions, _channels(order))


def _channels(order: Order) -> dict[str, CliVersion]:
    """Return the registry's channels; `latest` is the ladder's top step, and not asked for."""
    if not order.channels:
        return {}
    tags = npm.tags(resolve.MAIN_PACKAGE)
    # Somebody else's words: they must not take over what these names mean here.
    reserved = {LATEST, "base", "cache", *order.images.variants}
    return {
        name: CliVersion.parse(text)
        for name, text in tags.items()
        if name not in reserved and _CHANNEL.fullmatch(name) and is_exact(text)
    }


def _needs_base(planned: Sequence[Release], stored: Stored) -> bool:
    there = stored.held(planned)
    steps = plan.makings(planned, there)
    return any(step.action == "build" and step.subject.startswith("base ") for step in steps)


def _provide(client: DockerClient, order: Order) -> dict[Platform, Base]:
    mirror = base.Mirror.from_environment(os.environ)
    return {
        platform: base.ensure(client, order.images.base, platform, mirror=mirror)
        for platform in order.platforms
    }


def _require_builders(client: DockerClient, order: Order) -> None:
    for name in set(order.builders.values()):
        try:
            client.buildx.inspect(name)
        except DockerException as error:
            raise UsageError(
                f"there is no builder '{name}'", hint="see: docker buildx ls"
            ) from error


def _transaction(client: DockerClient, order: Order, stored: Stored) -> Transaction:
    maker = Maker(
        client=client,
        repository=order.repository,
        compression=order.compression,
        cache=order.cache,
        builders=order.builders,
        previous=_previous(),
        attesting=order.attesting,
    )
    inspector = Inspector(client, stored.registry, order.repository)
    revision = checkout.revision()
    annotations = {**({_REVISION: revision} if revision else {}), **order.annotations}
    return Transaction(stored, maker, inspector, annotations, order.attesting, order.signer)


def _previous() -> dict[CliVersion, CliVersion]:
    known = sorted(lock.load_known().entries)
    return dict(zip(known[1:], known, strict=False))


def require_variants(images: Images, names: Sequence[str]) -> list[str]:
    """Read `all`, or names of variants.

    Raises:
        UsageError: there is none of that name.
    """
    given = [name.strip() for value in names for name in value.split(",")]
    chosen = sorted(images.variants) if "all" in given else list(dict.fromkeys(given))
    for name in chosen:
        images.variant(name)
    if not chosen:
        raise UsageError("no variant is named", hint="leave --variant out for the usual one")
    return chosen
