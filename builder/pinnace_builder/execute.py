"""Build one image for the local engine: base, package, context, buildx, smoke test."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace_builder import base, engine, fetch, locking, progress, resolve, spec
from pinnace_builder.render import BuildContext, ImageRequest, render, tags
from pinnace_builder.smoke import smoke
from pinnace_builder.turns import turn
from pinnace_images import contract, lock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from python_on_whales import DockerClient

    from pinnace_images.lock import LockEntry
    from pinnace_images.platforms import Platform
    from pinnace_images.versions import CliVersion

# The executable, its tarball, and the engine's copy while it builds.
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


def locked(version: CliVersion, *, platform: Platform) -> LockEntry:
    """Give the lock's entry of `version`; resolve it into the user's lock if there is none."""
    known = lock.load_known().entries.get(version)
    packages = known.packages if known else ()
    if known and any(p.platform in {str(platform), lock.ANY} for p in packages):
        return known
    progress.say(f"{version} is not locked yet: asking the registry")
    found = resolve.resolve(version, only=(str(platform), lock.GLIBC))
    entry = found._replace(packages=(*packages, *found.packages))
    locking.save(lock.user_lock_path(), [entry])
    return entry


def request_for(
    client: DockerClient, version: CliVersion, *, variant: str, platform: Platform | None = None
) -> ImageRequest:
    """Bring together what decides an image's content."""
    images = spec.load()
    chosen = images.variant(variant)
    platform = platform or engine.native_platform(client)
    package = locked(version, platform=platform).package_for(platform)
    mirror = base.Mirror.from_environment(os.environ)
    at_hand = base.ensure(client, images.base, platform, mirror=mirror)
    return ImageRequest(version, chosen, platform, package, at_hand)


def build(version: CliVersion, *, variant: str = contract.DEFAULT_VARIANT) -> BuiltImage:
    """Build and check the image of `version` for the engine's platform, unless it is there.

    Of several processes that want the same image at once, one builds and the others wait.

    Raises:
        PinnaceError: any of its kinds; nothing is left half-built.
    """
    client = engine.connect()
    with turn(f"build-{version}-{variant}"):
        request = request_for(client, version, variant=variant)
        context = render(request)
        names = tags(request, context)
        # Only an image that passed its smoke test carries the immutable tag.
        existing = engine.image_id(client, names[0])
        if existing:
            return BuiltImage(existing, tuple(names), context.build_id, built=False)
        image = _build(client, request, context)
    return BuiltImage(image, tuple(names), context.build_id, built=True)


def stage(request: ImageRequest, context: BuildContext, directory: Path) -> None:
    """Write the build context into `directory`."""
    tarball = fetch.fetch(request.package, request.version)
    fetch.require_space(directory, _SPACE_NEEDED)
    fetch.unpack(tarball, request.package, directory / context.claude_directory)
    (directory / "Dockerfile").write_text(context.dockerfile, encoding="utf-8")


def _build(client: DockerClient, request: ImageRequest, context: BuildContext) -> str:
    """Build under a name that nobody knows; rename the image if it passes, remove it if not."""
    temporary = f"{contract.LOCAL_REPOSITORY}:building-{os.urandom(6).hex()}"
    try:
        image = _buildx(client, request, context, temporary)
        smoke(client, image, request.version)
        for name in tags(request, context):
            client.image.tag(image, name)
    finally:
        # Interrupted, the engine may finish and name it all the same, a moment later.
        if engine.image_id(client, temporary):
            client.image.remove(temporary, prune=False)
    return image


def _buildx(client: DockerClient, request: ImageRequest, context: BuildContext, tag: str) -> str:
    with tempfile.TemporaryDirectory(prefix="pinnace-build-") as directory:
        stage(request, context, Path(directory))
        progress.say(f"building {request.version} ({request.variant.name}, {request.platform})")
        with engine.translated("the build"):
            return engine.build_and_load(
                client,
                Path(directory),
                tag=tag,
                platform=request.platform,
                labels={"org.opencontainers.image.created": _created(os.environ)},
                progress="auto" if sys.stderr.isatty() else "plain",
            )


def _created(environment: Mapping[str, str]) -> str:
    epoch = environment.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return moment.isoformat(timespec="seconds")
