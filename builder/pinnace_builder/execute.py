"""Build one image for the local engine: base, package, context, buildx, smoke test."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from pinnace_builder import base, engine, fetch, progress, resolve, spec
from pinnace_builder.render import BuildContext, ImageRequest, render, tags
from pinnace_builder.smoke import smoke
from pinnace_images import contract, lock, places
from pinnace_images.errors import BusyError
from pinnace_images.files import make_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from python_on_whales import DockerClient

    from pinnace_images.lock import LockEntry
    from pinnace_images.platforms import Platform
    from pinnace_images.versions import CliVersion

_PATIENCE_SECONDS: Final = 1800
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
    entry = lock.load_known().entries.get(version)
    if entry is not None and any(p.platform in {str(platform), lock.ANY} for p in entry.packages):
        return entry
    progress.say(f"{version} is not locked yet: asking the registry")
    entry = resolve.resolve(version, platforms=(str(platform),))
    add_to_lock(lock.user_lock_path(), [entry])
    return entry


def add_to_lock(path: Path, entries: list[LockEntry]) -> None:
    """Add entries to the lock at `path`, safe against others doing the same."""
    with FileLock(make_directory(places.directory("cache")) / "lock.lock"):
        known = lock.load(path)
        lock.save(path, known.merged(lock.Lock({entry.version: entry for entry in entries})))


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
        with tempfile.TemporaryDirectory(prefix="pinnace-build-") as directory:
            stage(request, context, Path(directory))
            image = _buildx(client, context, Path(directory), request)
        _accept(client, image, request, context)
    return BuiltImage(image, tuple(names), context.build_id, built=True)


def stage(request: ImageRequest, context: BuildContext, directory: Path) -> None:
    """Write the build context into `directory`."""
    tarball = fetch.fetch(request.package, request.version)
    fetch.require_space(directory, _SPACE_NEEDED)
    fetch.unpack(tarball, request.package, directory / context.claude_directory)
    (directory / "Dockerfile").write_text(context.dockerfile, encoding="utf-8")


def _temporary_tag(context: BuildContext) -> str:
    return f"{contract.LOCAL_REPOSITORY}:building-{context.immutable_suffix}"


def _buildx(
    client: DockerClient, context: BuildContext, directory: Path, request: ImageRequest
) -> str:
    """Build under a name that nobody selects, and give the image's id."""
    progress.say(f"building {request.version} ({request.variant.name}, {request.platform})")
    created = {"org.opencontainers.image.created": _created(os.environ)}
    with engine.translated("the build"):
        return engine.build_and_load(
            client,
            directory,
            tag=_temporary_tag(context),
            platform=request.platform,
            labels=created,
            progress="auto" if sys.stderr.isatty() else "plain",
        )


def _accept(client: DockerClient, image: str, request: ImageRequest, context: BuildContext) -> None:
    """Name the image if it passes; remove it if not."""
    try:
        smoke(client, image, request.version)
        for name in tags(request, context):
            client.image.tag(image, name)
    finally:
        client.image.remove(_temporary_tag(context), prune=False)


def _created(environment: Mapping[str, str]) -> str:
    epoch = environment.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return moment.isoformat(timespec="seconds")


@contextmanager
def turn(name: str) -> Iterator[None]:
    """Wait for our turn among processes, saying so if it takes a while.

    Raises:
        BusyError: it takes too long.
    """
    directory = make_directory(places.directory("cache"))
    lock_file = FileLock(directory / f"{name}.lock")
    try:
        lock_file.acquire(timeout=0.5)
    except Timeout:
        progress.say("another process is building this image: waiting for it")
        _wait(lock_file)
    with lock_file:
        lock_file.release()
        yield


def _wait(lock_file: FileLock) -> None:
    try:
        lock_file.acquire(timeout=_PATIENCE_SECONDS)
    except Timeout as error:
        raise BusyError(
            "another process has been building this image for too long",
            hint="see what it does, then run this again",
        ) from error
