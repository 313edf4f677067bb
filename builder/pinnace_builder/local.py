"""Build an image for the local engine, under a name that nobody knows until it was checked."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from python_on_whales.exceptions import NoSuchImage

from pinnace_builder import base, packages
from pinnace_core import built, console, signals
from pinnace_core.engine import whales
from pinnace_core.engine.buildx import Build
from pinnace_core.files import make_directory
from pinnace_core.image import BUILDING
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from python_on_whales import DockerClient

    from pinnace_builder.base import Base
    from pinnace_builder.images_config import BaseSpec
    from pinnace_core.engine import Engine
    from pinnace_images.platforms import Platform

# An image, its layers, and the build cache of both.
_SPACE_NEEDED: Final = 2 << 30


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

    @property
    def build_id(self) -> str:
        """What decides the image's content."""
        return self.labels[contract.LABEL_BUILD_ID]

    @classmethod
    def on(cls, found: Base, *stages: str, labels: Mapping[str, str]) -> Standing:
        """Let a base take the place of stages."""
        return cls(dict.fromkeys(stages, f"docker-image://{found.reference}"), labels)


@dataclass(frozen=True)
class LocalBuild:
    """All that it takes to make an image.

    Attributes:
        title: for people.
        names: that it gets, the immutable one first.
        platform: the engine's own.
        base: the declared one, whose suite a mirror of the distribution is asked for.
        epoch: of the image's configuration and history, seconds since 1970.
        standing: what it is built on.
        stage: writes the context into a directory.
        check: looks at the outcome, by its id, and raises an error if something is off.
    """

    title: str
    names: tuple[str, ...]
    platform: Platform
    base: BaseSpec
    epoch: int
    standing: Standing
    stage: Callable[[Path], None]
    check: Callable[[str], None]


def distribution(engine: Engine, spec: BaseSpec, platform: Platform) -> Base:
    """Return the distribution's image; it is pulled or bootstrapped if it is not there.

    Raises:
        BaseMissingError: it cannot be had.
    """
    mirror = base.Mirror.from_environment(os.environ)
    return base.ensure(engine, spec, platform, mirror=mirror)


def existing(engine: Engine, names: tuple[str, ...], identity: str) -> BuiltImage | None:
    """Return an image that is there; names that move may have gone to another build by now."""
    # Only an image that passed its check here carries the immutable name, unless somebody gave it
    # to another one.
    image = whales.image_id(engine.whales, names[0])
    if image is None or not built.is_recorded(image):
        return None
    whales.tag(engine.whales, image, *names[1:])
    return BuiltImage(image, names, identity, built=False)


def ensure(engine: Engine, wanted: LocalBuild) -> BuiltImage:
    """Return an image; it is built, checked and named if it is not there.

    Raises:
        PinnaceError: any of its kinds; nothing is left half-built.
    """
    if found := existing(engine, wanted.names, wanted.standing.build_id):
        return found
    _require_space(engine.whales)
    image = _make(engine, wanted)
    return BuiltImage(image, wanted.names, wanted.standing.build_id, built=True)


def _require_space(client: DockerClient) -> None:
    """See that the engine has room for an image, where its disk is one of this machine's.

    Raises:
        CannotWriteError: it has not.
    """
    with whales.translated("asking the engine for its disk"):
        place = client.info().docker_root_dir
    if place and place.is_dir():
        packages.require_space(place, _SPACE_NEEDED)


def _make(engine: Engine, wanted: LocalBuild) -> str:
    """Build under a name that nobody knows; rename the image if it passes, remove it if not."""
    repository = wanted.names[0].rpartition(":")[0]
    temporary = f"{repository}:{BUILDING}{os.urandom(6).hex()}"
    client = engine.whales
    try:
        _run(engine, wanted, temporary)
        with whales.translated("looking at the built image"):
            image = client.image.inspect(temporary).id
        wanted.check(image)
        built.record(image)
        whales.tag(client, image, *wanted.names)
    finally:
        # Interrupted, the engine may finish and name it all the same, a moment later.
        with whales.tidying(temporary), contextlib.suppress(NoSuchImage):
            client.image.remove(temporary, prune=False)
    return image


def _run(engine: Engine, wanted: LocalBuild, name: str) -> None:
    with signals.temporary_directory("pinnace-build-") as directory:
        wanted.stage(directory / "context")
        mirror = base.Mirror.from_environment(os.environ)
        secrets = base.write_secrets(wanted.base, mirror, os.environ, directory)
        console.say(f"building {wanted.title}")
        build = Build(
            context=directory / "context",
            platform=str(wanted.platform),
            name=name,
            epoch=wanted.epoch,
            contexts=wanted.standing.contexts,
            labels=wanted.standing.labels,
            secrets=secrets,
        )
        engine.build(build)


def write_dockerfile(text: str, directory: Path) -> None:
    """Write the Dockerfile alone: enough for what copies nothing."""
    make_directory(directory)
    (directory / "Dockerfile").write_bytes(text.encode())
