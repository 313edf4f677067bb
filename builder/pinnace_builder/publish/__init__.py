"""Publish versions: bring together what is asked for, what is at hand and what is there.

`decide` lists the actions that are left; a dry run prints them, `publish` carries them out.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from python_on_whales.exceptions import DockerException

from pinnace_builder import base, build, check, npm
from pinnace_builder.lock import MAIN_PACKAGE
from pinnace_builder.publish import plan
from pinnace_builder.publish.build_platform import PlatformBuilder
from pinnace_builder.publish.execute import Executor, Published
from pinnace_builder.publish.provenance import is_signed
from pinnace_builder.publish.remote_state import RemoteState
from pinnace_builder.publish.scratch import sweep
from pinnace_builder.publish.verify import Verifier
from pinnace_builder.registry import Registry, lock_name
from pinnace_core.engine import of_builds
from pinnace_core.engine.buildx import Cache
from pinnace_core.errors import UsageError
from pinnace_core.locks import exclusive
from pinnace_images import lock
from pinnace_images.versions import LATEST, CliVersion, is_exact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace_builder.images_config import Images
    from pinnace_builder.publish.plan import Action, Release
    from pinnace_builder.publish.provenance import Signer
    from pinnace_builder.render import ImageRequest
    from pinnace_core.engine import Engine
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
        frozen: only what is locked already.
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
    frozen: bool = False
    attesting: bool = True
    annotations: Mapping[str, str] = field(default_factory=dict)
    signer: Signer | None = None


def publish(order: Order) -> list[Published]:
    """Publish; what is there already is neither built nor pushed again.

    Raises:
        PinnaceError: any of its kinds; no moving tag was touched unless all images are whole.
    """
    engine = of_builds()
    engine.connect()
    state = RemoteState(Registry(order.repository))
    _require_builders(engine, order)
    requests = _requests(order)
    with exclusive(lock_name(order.repository)):
        releases = _releases(engine, order, requests)
        actions = decide(order, releases, state)
        sweep(engine)
        if actions:
            state.registry.require_push()
        if any(action.image and action.image.base is None for action in actions):
            # Only now: what is there already does not need what it was made from.
            _provide(engine, order)
            releases = _releases(engine, order, requests)
            actions = decide(order, releases, state)
        return _executor(engine, order, state).run(() if order.stage_only else releases, actions)


def preview(order: Order) -> list[Action]:
    """Return what `publish` would do; nothing is fetched or written.

    Raises:
        BadLockError: a version is not locked, so that nothing is known of it.
    """
    engine = of_builds()
    engine.connect()
    releases = _releases(engine, order, _requests(replace(order, frozen=True)))
    return decide(order, releases, RemoteState(Registry(order.repository)))


def decide(order: Order, releases: Sequence[Release], state: RemoteState) -> list[Action]:
    """List what is left to do of an order.

    Raises:
        UnsafeRequestError: a tag must not be moved.
        PinnaceError: the registry does not tell what it holds.
    """
    held = state.held(releases)
    if order.stage_only:
        return plan.builds(releases, held)
    if order.signer is None:
        return plan.actions(releases, held)
    lists = [held[release.tag].digest for release in releases if release.tag in held]
    signed = {digest for digest in lists if is_signed(state.registry, digest)}
    return plan.actions(releases, held, signed=signed)


def _requests(order: Order) -> list[ImageRequest]:
    if order.frozen:
        for version in order.versions:
            build.require_locked(version, order.platforms)
    return [
        build.request_for(version, variant=variant, platforms=order.platforms, images=order.images)
        for variant in order.variants
        for version in order.versions
    ]


def _releases(
    engine: Engine, order: Order, requests: Sequence[ImageRequest]
) -> tuple[Release, ...]:
    distributions = {
        platform: base.identify(engine, order.images.base, platform) for platform in order.platforms
    }
    if order.bases_only:
        return plan.base_releases(requests, distributions)
    return plan.releases(requests, distributions, _channels(order))


def _channels(order: Order) -> dict[str, CliVersion]:
    """Return the registry's channels; `latest` is the ladder's top step, and not asked for."""
    if not order.channels:
        return {}
    tags = npm.tags(MAIN_PACKAGE)
    # Somebody else's words: they must not take over what these names mean here.
    reserved = {LATEST, "base", "cache", *order.images.variants}
    return {
        name: CliVersion.parse(text)
        for name, text in tags.items()
        if name not in reserved and _CHANNEL.fullmatch(name) and is_exact(text)
    }


def _provide(engine: Engine, order: Order) -> None:
    mirror = base.Mirror.from_environment(os.environ)
    for platform in order.platforms:
        base.ensure(engine, order.images.base, platform, mirror=mirror)


def _require_builders(engine: Engine, order: Order) -> None:
    for name in set(order.builders.values()):
        try:
            engine.whales.buildx.inspect(name)
        except DockerException as error:
            raise UsageError(
                f"there is no builder '{name}'", hint="see: docker buildx ls"
            ) from error


def _executor(engine: Engine, order: Order, state: RemoteState) -> Executor:
    builder = PlatformBuilder(
        client=engine.whales,
        repository=order.repository,
        compression=order.compression,
        cache=order.cache,
        builders=order.builders,
        previous=_previous(),
        attesting=order.attesting,
    )
    verifier = Verifier(engine, state.registry, order.repository)
    revision = check.revision()
    annotations = {**({_REVISION: revision} if revision else {}), **order.annotations}
    return Executor(state, builder, verifier, annotations, order.attesting, order.signer)


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
