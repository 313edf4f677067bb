"""Build images of this machine's: stage what a Dockerfile copies, build, check and name."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from python_on_whales.exceptions import NoSuchImage

from pinnace_builder import base, images_config, packages, smoke
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
from pinnace_core import console, signals
from pinnace_core.engine import whales
from pinnace_core.engine.buildx import Build
from pinnace_core.errors import BadLockError, BaseMissingError, UnknownVersionError
from pinnace_core.files import exclusive, make_directory
from pinnace_images import contract, lock
from pinnace_images.contract import CLAUDE_ROOT
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from python_on_whales import DockerClient

    from pinnace_builder.base import Base
    from pinnace_builder.render import BuildContext
    from pinnace_core.engine import Engine
    from pinnace_images.lock import LockEntry
    from pinnace_images.versions import CliVersion


# The executable, its tarball, and the engine's copy while it builds.
# An image, its layers, and the build cache of both.
_ENGINE_SPACE_NEEDED: Final = 2 << 30
_SPACE_NEEDED: Final = 600 << 20


@dataclass(frozen=True)
class BuiltImage:
    """A local image.

    Attributes:
        id: the engine's.
        tags: its names, the immutable one first.
        build_id: what decided its content.
        built: False if it was there already.
    """

    id: str
    tags: tuple[str, ...]
    build_id: str
    built: bool


@dataclass(frozen=True)
class Standing:
    """What an image is built on.

    Attributes:
        contexts: the stages that it takes the place of.
        labels: that the image gets from it, its build-id among them.
    """

    contexts: Mapping[str, str]
    labels: Mapping[str, str]


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
    client = engine.connect()
    platform = Platform.of_machine(engine.machine())
    declared = images or images_config.chosen(os.environ)
    with exclusive(f"build-{version}-{declared.variant(variant).name}"):
        request = request_for(version, variant=variant, platforms=(platform,), images=declared)
        standing = _standing(engine, request, platform, base_repository)
        identity = standing.labels[contract.LABEL_BUILD_ID]
        names = list(map(engine.local_name, tags(request, identity)))
        # Only an image that passed its smoke test carries the immutable tag.
        existing = whales.image_id(client, names[0])
        if existing:
            # The one that moves may name another build by now.
            whales.tag(client, existing, *names[1:])
            return BuiltImage(existing, tuple(names), identity, built=False)
        image = _build(engine, request, standing, names)
    return BuiltImage(image, tuple(names), identity, built=True)


def _require_engine_space(client: DockerClient) -> None:
    """See that the engine has room for an image, where its disk is one of this machine's.

    Raises:
        CannotWriteError: it has not.
    """
    with whales.translated("asking the engine for its disk"):
        place = client.info().docker_root_dir
    if place and place.is_dir():
        packages.require_space(place, _ENGINE_SPACE_NEEDED)


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
        contexts = dict.fromkeys(("base", "distribution"), context_of(found))
        return Standing(
            contexts, {contract.LABEL_BUILD_ID: build_id(request, platform, found.digest)}
        )
    mirror = base.Mirror.from_environment(os.environ)
    found = base.ensure(engine, request.base, platform, mirror=mirror)
    labels = identity_labels(request, platform, name=found.name, digest=found.digest)
    return Standing({"distribution": context_of(found)}, labels)


def context_of(found: Base) -> str:
    """Spell a base as what takes the place of a stage."""
    return f"docker-image://{found.reference}"


def _build(engine: Engine, request: ImageRequest, standing: Standing, names: list[str]) -> str:
    platform = request.platforms[0]

    def check(image: str) -> None:
        expected = smoke.expected_labels(request, platform)
        smoke.check_labels(whales.labels(engine.whales, image), expected)
        smoke.smoke(engine, image, version=request.entry.version, platform=platform)

    return checked(
        engine,
        contract.LOCAL_REPOSITORY,
        lambda tag: _run(engine, request, standing, tag),
        check,
        names,
    )


def checked(
    engine: Engine,
    repository: str,
    build: Callable[[str], None],
    check: Callable[[str], None],
    names: Sequence[str],
) -> str:
    """Build under a name that nobody knows; rename the image if it passes, remove it if not.

    Args:
        engine: which keeps it.
        repository: that the name is in.
        build: makes an image of a name.
        check: looks into the image of an id, and raises an error if it is not as it should be.
        names: that it gets, in this order.

    Returns:
        Its id.
    """
    _require_engine_space(engine.whales)
    temporary = engine.local_name(f"{repository}:building-{os.urandom(6).hex()}")
    client = engine.whales
    try:
        build(temporary)
        with whales.translated("looking at the built image"):
            image = client.image.inspect(temporary).id
        check(image)
        whales.tag(client, image, *names)
    finally:
        # Interrupted, the engine may finish and name it all the same, a moment later.
        with whales.tidying(temporary), contextlib.suppress(NoSuchImage):
            client.image.remove(temporary, prune=False)
    return image


def _run(engine: Engine, request: ImageRequest, standing: Standing, tag: str) -> None:
    platform = request.platforms[0]
    context = render(request)
    with signals.temporary_directory("pinnace-build-") as directory:
        stage(request, context, platform, directory / "context")
        secrets = base.write_secrets(
            request.base, base.Mirror.from_environment(os.environ), os.environ, directory
        )
        console.say(f"building {request.entry.version} ({request.variant.name}, {platform})")
        build = Build(
            context=directory / "context",
            platform=str(platform),
            name=tag,
            epoch=request.epoch,
            contexts=standing.contexts,
            labels=standing.labels,
            secrets=secrets,
        )
        engine.build(build)


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
    write_dockerfile(context.dockerfile, directory)


def write_dockerfile(text: str, directory: Path) -> None:
    """Write the Dockerfile alone: enough for what copies nothing."""
    make_directory(directory)
    (directory / "Dockerfile").write_bytes(text.encode())


def _set_times(root: Path, epoch: int) -> None:
    """Give every file the same time, so that the layer is the same wherever it is made."""
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, (epoch, epoch))
    for path in (root, *root.iterdir()):
        path.chmod(0o755)
        os.utime(path, (epoch, epoch))
