"""Build images of this machine's: what is locked, what they stand on, what a Dockerfile copies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pinnace_builder import base, images_config, local, packages, smoke
from pinnace_builder.local import LocalBuild, Standing
from pinnace_builder.lock import resolve, save
from pinnace_builder.render import (
    BASE_DIGEST,
    ImageRequest,
    base_id,
    build_id,
    identity_labels,
    render,
    tags,
)
from pinnace_core import console
from pinnace_core.engine import whales
from pinnace_core.errors import BadLockError, BaseMissingError, UnknownVersionError
from pinnace_core.files import make_directory
from pinnace_core.locks import exclusive
from pinnace_images import contract, lock
from pinnace_images.contract import CLAUDE_ROOT
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_builder.local import BuiltImage
    from pinnace_builder.render import BuildContext
    from pinnace_core.engine import Engine
    from pinnace_images.lock import LockEntry
    from pinnace_images.versions import CliVersion


# The executable, its tarball, and the engine's copy while it builds.
_SPACE_NEEDED: Final = 600 << 20


def locked(version: CliVersion, *, platforms: tuple[Platform, ...]) -> LockEntry:
    """Return the lock's entry of `version`; resolve it into the user's lock if there is none.

    Raises:
        UnknownVersionError: it was not published for any of `platforms`.
    """
    known = lock.load_known().entries.get(version)
    packages = known.packages if known else ()
    missing = [p for p in platforms if known is None or not known.is_for(p)]
    if known and not missing:
        return known
    console.say(f"{version} is not locked for {', '.join(map(str, missing))}: asking the registry")
    try:
        found = resolve(version, only={(str(p), lock.GLIBC) for p in missing})
    except UnknownVersionError:
        if known is None or len(missing) == len(platforms):
            raise
        return known
    entry = found._replace(packages=(*packages, *found.packages))
    save(lock.user_lock(), [entry])
    return entry


def require_locked(version: CliVersion, platforms: tuple[Platform, ...]) -> None:
    """See that a version is locked for one of `platforms`: then nothing has to be resolved.

    Raises:
        BadLockError: it is not.
    """
    known = lock.load_known().entries.get(version)
    if known is None or not any(map(known.is_for, platforms)):
        raise BadLockError(
            f"{version} is not locked",
            hint=f"lock it, and review what that adds: pinnace-build lock {version}",
        )


def request_for(
    version: CliVersion,
    *,
    variant: str,
    platforms: tuple[Platform, ...],
    images: images_config.Images,
) -> ImageRequest:
    """Bring together what decides the images' content, for those platforms that there is a CLI for.

    Raises:
        UnknownVersionError: there is none for any of them.
    """
    chosen = images.variant(variant)
    entry = locked(version, platforms=platforms)
    there = tuple(platform for platform in platforms if entry.is_for(platform))
    return ImageRequest(entry, chosen, there, images.base)


def build(
    engine: Engine,
    version: CliVersion,
    *,
    variant: str = contract.DEFAULT_VARIANT,
    images: images_config.Images | None = None,
    base_repository: str = "",
) -> BuiltImage:
    """Build and check the image of `version` for the engine's platform, unless it is there.

    Of several processes that want the same image at once, one builds and the others wait.

    Args:
        engine: which keeps it.
        version: exact.
        variant: which.
        images: the declaration; by default the chosen one.
        base_repository: where its base is published; by default what the environment says. Only
            BuildKit builds on one.

    Raises:
        BaseMissingError: there is no base of this declaration.
        PinnaceError: any of its kinds; nothing is left half-built.
    """
    engine.connect()
    platform = Platform.of_machine(engine.machine())
    declared = images or images_config.chosen(os.environ)
    with exclusive(f"build-{version}-{declared.variant(variant).name}"):
        request = request_for(version, variant=variant, platforms=(platform,), images=declared)
        standing = _standing(engine, request, platform, base_repository)
        return local.ensure(engine, _order(engine, request, standing))


def _order(engine: Engine, request: ImageRequest, standing: Standing) -> LocalBuild:
    """Say what it takes to make the image of the request's only platform."""
    (platform,) = request.platforms
    return LocalBuild(
        title=f"{request.entry.version} ({request.variant.name}, {platform})",
        names=tuple(map(engine.local_name, tags(request, standing.build_id))),
        platform=platform,
        base=request.base,
        epoch=request.epoch,
        standing=standing,
        stage=lambda directory: stage(request, render(request), platform, directory),
        check=lambda image: _check(engine, image, request),
    )


def _check(engine: Engine, image: str, request: ImageRequest) -> None:
    platform = request.platforms[0]
    found = whales.labels(engine.whales, image)
    smoke.check_labels(found, smoke.expected_labels(request, platform))
    smoke.smoke(engine, image, version=request.entry.version, platform=platform)


def _standing(
    engine: Engine, request: ImageRequest, platform: Platform, repository: str
) -> Standing:
    """Find what the image is built on: a published base, or the distribution's image."""
    repository = repository or os.environ.get(base.REPOSITORY_VARIABLE, "").strip()
    if repository and engine.buildkit:
        found = base.published(engine, repository, request.flavour, platform)
        expected = base_id(request, platform, found.labels.get(BASE_DIGEST, ""))
        if found.labels.get(contract.LABEL_BASE_ID) != expected:
            raise BaseMissingError(
                f"{found.name} was made from another declaration than the one here",
                hint="use the Pinnace and the images.toml that it was published with, "
                f"or unset {base.REPOSITORY_VARIABLE}",
            )
        # BuildKit looks up what every stage is made from, also of one that is replaced.
        identity = {contract.LABEL_BUILD_ID: build_id(request, platform, found.digest)}
        return Standing.on(found, "base", "distribution", labels=identity)
    found = local.distribution(engine, request.base, platform)
    labels = identity_labels(request, platform, name=found.name, digest=found.digest)
    return Standing.on(found, "distribution", labels=labels)


def stage(
    request: ImageRequest, context: BuildContext, platform: Platform, directory: Path
) -> None:
    """Write the context of one platform into `directory`.

    Raises:
        PinnaceError: of `fetch`.
    """
    make_directory(directory)
    chosen = context.directories[platform]
    tarball = packages.fetch(chosen.package, request.entry.version)
    packages.require_space(directory, _SPACE_NEEDED)
    root = directory / chosen.name
    packages.unpack(tarball, chosen.package, root / CLAUDE_ROOT.lstrip("/"))
    _set_times(root, request.cli_epoch)
    local.write_dockerfile(context.dockerfile, directory)


def _set_times(root: Path, epoch: int) -> None:
    """Give every file the same time, so that the layer is the same wherever it is made."""
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, (epoch, epoch))
    for path in (root, *root.iterdir()):
        path.chmod(0o755)
        os.utime(path, (epoch, epoch))
