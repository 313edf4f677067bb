"""The base image: pulled by digest, or bootstrapped from the distribution's packages."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock
from python_on_whales.exceptions import DockerException

from pinnace_builder import engine, progress
from pinnace_builder.render import Base
from pinnace_images import places
from pinnace_images.contract import BASE_REPOSITORY
from pinnace_images.errors import BaseMissingError
from pinnace_images.files import make_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from python_on_whales import DockerClient

    from pinnace_builder.spec import BaseSpec
    from pinnace_images.platforms import Platform

MIRROR_VARIABLE: Final = "PINNACE_BASE_MIRROR"
# What the distribution's own slim images leave out; kept in the image for packages added later.
_LEFT_OUT: Final = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
)


@dataclass(frozen=True)
class Mirror:
    """Where bases come from; both empty: the places that the tools know themselves.

    Attributes:
        images: a registry's prefix (`registry.example/dockerhub`).
        packages: the address of a mirror of the distribution (`https://mirror.example/debian`).
    """

    images: str = ""
    packages: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Mirror:
        """Read PINNACE_BASE_MIRROR: with a scheme it is a package mirror, else a registry."""
        value = environment.get(MIRROR_VARIABLE, "").strip().rstrip("/")
        return cls(packages=value) if "://" in value else cls(images=value)


def pinned_reference(spec: BaseSpec, mirror: Mirror) -> str:
    """Name the pinned base as the engine pulls it."""
    prefix = f"{mirror.images}/" if mirror.images else ""
    return f"{prefix}{spec.name}@{spec.digest}"


def bootstrapped_tag(spec: BaseSpec, platform: Platform) -> str:
    """Name the bootstrapped base."""
    return f"{BASE_REPOSITORY}:{spec.suite}-{platform.architecture}"


def ensure(  # noqa: PLR0913 (each a choice of its own)
    client: DockerClient,
    spec: BaseSpec,
    platform: Platform,
    *,
    mirror: Mirror,
    bootstrap_only: bool = False,
    refresh: bool = False,
) -> Base:
    """Give a base for `platform`: the pinned one if it can be had, else a bootstrapped one.

    Args:
        client: the engine.
        spec: which base.
        platform: of the image.
        mirror: where it comes from.
        bootstrap_only: do not try to pull.
        refresh: make a bootstrapped base anew.

    Raises:
        BaseMissingError: neither can be had.
    """
    tag = bootstrapped_tag(spec, platform)
    place = make_directory(places.directory("cache"))
    with FileLock(place / f"base-{spec.suite}-{platform.architecture}.lock"):
        if not refresh:
            digest = engine.image_id(client, tag)
            if digest:
                return Base(tag, tag, digest)
        if not bootstrap_only and _pull(client, spec, platform, mirror):
            name = f"{spec.name}:{spec.tag}"
            return Base(name, pinned_reference(spec, mirror), spec.digest)
        _bootstrap(client, spec, platform, mirror)
        return Base(tag, tag, engine.image_id(client, tag) or "")


def _pull(client: DockerClient, spec: BaseSpec, platform: Platform, mirror: Mirror) -> bool:
    reference = pinned_reference(spec, mirror)
    if engine.image_id(client, reference):
        return True
    progress.say(f"pulling the base {spec.name}:{spec.tag} for {platform}")
    try:
        client.image.pull(reference, platform=str(platform), quiet=True)
    except DockerException as error:
        progress.say(f"the base cannot be pulled: {engine.reason(error)}")
        return False
    return True


def _bootstrap(client: DockerClient, spec: BaseSpec, platform: Platform, mirror: Mirror) -> None:
    if shutil.which("mmdebstrap") is None:
        raise BaseMissingError(
            f"the base {spec.name}:{spec.tag} cannot be pulled, and mmdebstrap is not installed",
            hint="install mmdebstrap (Debian, Ubuntu), or name a registry's mirror "
            f"in {MIRROR_VARIABLE}",
        )
    progress.say(f"bootstrapping a base for {platform} from the packages of {spec.suite}")
    with tempfile.TemporaryDirectory(prefix="pinnace-base-") as directory:
        archive = Path(directory) / "base.tar"
        _mmdebstrap(spec, platform, mirror, archive)
        with engine.translated("importing the base"):
            # python-on-whales' import_ has no --platform.
            target = bootstrapped_tag(spec, platform)
            options = (f"--platform={platform}", '--change=CMD ["bash"]')
            engine.run(client, "import", *options, str(archive), target)


def mmdebstrap_command(
    spec: BaseSpec, platform: Platform, mirror: Mirror, archive: Path
) -> list[str]:
    """Spell the bootstrap; without a mirror, mmdebstrap knows where the suite is."""
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--architectures={platform.architecture}",
        *(f"--dpkgopt={option}" for option in _LEFT_OUT),
        spec.suite,
        str(archive),
        *([mirror.packages] if mirror.packages else []),
    ]


def _mmdebstrap(spec: BaseSpec, platform: Platform, mirror: Mirror, archive: Path) -> None:
    command = mmdebstrap_command(spec, platform, mirror, archive)
    # Its report is progress: on stderr, where ours goes too.
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=2)
    if done.returncode != 0:
        raise BaseMissingError(
            f"mmdebstrap could not make a base for {platform} (exit code {done.returncode})",
            hint="read its messages above; a foreign platform needs arch-test and "
            "qemu-user-static registered with binfmt_misc, a private network a mirror "
            f"in {MIRROR_VARIABLE}",
        )
