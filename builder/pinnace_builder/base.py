"""The base image: pulled by digest, or bootstrapped from the distribution's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from python_on_whales.exceptions import DockerException

from pinnace_builder import packages
from pinnace_core import console, host, retry, signals
from pinnace_core.engine import whales
from pinnace_core.errors import (
    BaseMissingError,
    BuildFailedError,
    CannotReadError,
    ImageRegistryError,
)
from pinnace_core.locks import file_lock
from pinnace_images import contract, refs
from pinnace_images.refs import RepositoryName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from python_on_whales import DockerClient

    from pinnace_builder.images_config import BaseSpec
    from pinnace_core.engine import Engine
    from pinnace_images.platforms import Platform

MIRROR_VARIABLE: Final = "PINNACE_BASE_MIRROR"
CA_VARIABLE: Final = "PINNACE_CA_BUNDLE"
REPOSITORY_VARIABLE: Final = "PINNACE_BASE_REPOSITORY"
_KEYS: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Who reads the mirror is nobody's business in an image; later steps get their sources as a secret.
_FORGET_LOGIN: Final = (
    """--customize-hook=sed -i 's#//[^/@]*@#//#' "$1/etc/apt/sources.list" """.rstrip()
)
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
class Base:
    """A base image that is at hand.

    Attributes:
        name: what people call it.
        reference: where a build finds it.
        digest: of its content; part of the build-id.
        labels: if it was published.
    """

    name: str
    reference: str
    digest: str
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)


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


def pinned_reference(spec: BaseSpec, platform: Platform, mirror: Mirror) -> str:
    """Name the pinned base as the engine pulls it."""
    prefix = f"{mirror.images}/" if mirror.images else ""
    return f"{prefix}{spec.name}@{spec.digest_for(platform)}"


def write_secrets(
    spec: BaseSpec, mirror: Mirror, environment: Mapping[str, str], into: Path
) -> dict[str, Path]:
    """Return the files that a base's build gets beside its context; none of them is kept by it.

    Raises:
        CannotReadError: the CA bundle is not there.
    """
    secrets: dict[str, Path] = {}
    if bundle := environment.get(CA_VARIABLE, "").strip():
        if not Path(bundle).is_file():
            raise CannotReadError(
                f"{CA_VARIABLE} names '{bundle}', which is no file",
                hint="name a PEM file, or unset it",
            )
        secrets["pinnace-ca"] = Path(bundle)
    if mirror.packages:
        place = into / "sources.list"
        place.write_text(sources(spec, mirror), encoding="utf-8")
        secrets["pinnace-sources"] = place
    return secrets


def sources(spec: BaseSpec, mirror: Mirror) -> str:
    """Write a mirror as apt reads it."""
    return f"deb [signed-by={_KEYS}] {mirror.packages} {spec.suite} main\n"


def published(engine: Engine, repository: str, flavour: str, platform: Platform) -> Base:
    """Pull a base that `pinnace-build publish` put into a registry.

    Args:
        engine: which gets it.
        repository: where it is.
        flavour: which.
        platform: of the base.

    Raises:
        BaseMissingError: it is not there, or is something else.
    """
    name = f"{repository}:{refs.base_tag(flavour)}"
    client = engine.whales
    try:
        client.image.pull(name, platform=str(platform), quiet=True)
        image = client.image.inspect(name)
    except DockerException as error:
        raise BaseMissingError(
            f"the published base {name} cannot be pulled: {whales.reason(error)}",
            hint=f"check the name and your login, or unset {REPOSITORY_VARIABLE} to build all here",
        ) from error
    labels = whales.labels(client, name)
    if labels.get(contract.LABEL_CONTRACT) != str(contract.CONTRACT_VERSION):
        raise BaseMissingError(
            f"{name} is no base of contract version {contract.CONTRACT_VERSION}",
            hint="publish it with this version of Pinnace: pinnace-build publish --without-claude",
        )
    # Of the usual registry, the engine leaves out the name.
    short = RepositoryName.parse(repository).name.removeprefix("library/")
    for reference in image.repo_digests or ():
        where, _, digest = reference.partition("@")
        if where in {repository, short}:
            return Base(name, reference, digest, labels)
    raise BaseMissingError(
        f"the engine does not say which digest {name} has", hint="remove it, then run this again"
    )


def bootstrapped_tag(spec: BaseSpec, platform: Platform) -> str:
    """Name the bootstrapped base: after a refresh, that of another day does not count."""
    day = spec.refreshed.strftime("%Y%m%d")
    return f"{contract.BASE_REPOSITORY}:{spec.suite}-{day}-{platform.architecture}"


def ensure(  # noqa: PLR0913 (each a choice of its own)
    engine: Engine,
    spec: BaseSpec,
    platform: Platform,
    *,
    mirror: Mirror,
    bootstrap_only: bool = False,
    refresh: bool = False,
) -> Base:
    """Return a base for `platform`: the pinned one if it can be had, else a bootstrapped one.

    Args:
        engine: which gets it.
        spec: which base.
        platform: of the image.
        mirror: where it comes from.
        bootstrap_only: do not try to pull.
        refresh: make a bootstrapped base anew.

    Raises:
        BaseMissingError: neither can be had.
    """
    client, tag = engine.whales, bootstrapped_tag(spec, platform)
    place = host.directory("cache")
    with file_lock(place / f"base-{spec.suite}-{platform.architecture}.lock"):
        if not refresh and (found := _bootstrapped(client, tag)):
            return found
        if not bootstrap_only and _pull(client, spec, platform, mirror):
            name = f"{spec.name}:{spec.tag}"
            reference = pinned_reference(spec, platform, mirror)
            return Base(name, reference, spec.digest_for(platform))
        _bootstrap(engine, spec, platform, mirror)
        found = _bootstrapped(client, tag)
    if found is None:
        raise BaseMissingError(f"{tag} went away", hint="run this again")
    return found


def _bootstrapped(client: DockerClient, tag: str) -> Base | None:
    """Find a bootstrapped base.

    Its digest is that of its content: the image's own holds the time of its making, and would
    differ from machine to machine.
    """
    identity = whales.image_id(client, tag)
    if identity is None:
        return None
    labels = whales.labels(client, identity)
    return Base(tag, tag, labels.get(contract.LABEL_DISTRIBUTION, identity))


def identify(engine: Engine, spec: BaseSpec, platform: Platform) -> Base:
    """Return what `ensure` would give, without getting it: if it can be pulled, the pinned one."""
    if found := _bootstrapped(engine.whales, bootstrapped_tag(spec, platform)):
        return found
    mirror = Mirror.from_environment(os.environ)
    reference = pinned_reference(spec, platform, mirror)
    return Base(f"{spec.name}:{spec.tag}", reference, spec.digest_for(platform))


def _pull(client: DockerClient, spec: BaseSpec, platform: Platform, mirror: Mirror) -> bool:
    reference = pinned_reference(spec, platform, mirror)
    if whales.image_id(client, reference):
        return True
    console.say(f"pulling the base {spec.name}:{spec.tag} for {platform}")
    try:
        retry.retry(lambda: whales.pull(client, reference, str(platform)))
    except (BuildFailedError, ImageRegistryError) as error:
        console.say(f"the base cannot be pulled: {error.message}")
        return False
    return True


def _bootstrap(engine: Engine, spec: BaseSpec, platform: Platform, mirror: Mirror) -> None:
    if shutil.which("mmdebstrap") is None:
        raise BaseMissingError(
            f"the base {spec.name}:{spec.tag} cannot be pulled, and mmdebstrap is not installed",
            hint="install mmdebstrap (Debian, Ubuntu), or name a registry's mirror "
            f"in {MIRROR_VARIABLE}",
        )
    console.say(f"bootstrapping a base for {platform} from the packages of {spec.suite}")
    with signals.temporary_directory("pinnace-base-") as directory:
        archive = directory / "base.tar"
        _mmdebstrap(spec, platform, mirror, archive)
        with whales.translated("importing the base"):
            # python-on-whales' import_ has no --platform.
            target = bootstrapped_tag(spec, platform)
            label = f"LABEL {contract.LABEL_DISTRIBUTION}=sha256:{packages.sha256(archive)}"
            where = engine.import_options(str(platform))
            options = (*where, '--change=CMD ["bash"]', f"--change={label}")
            whales.run(engine.whales, "import", *options, str(archive), target)


def mmdebstrap_command(
    spec: BaseSpec, platform: Platform, mirror: Mirror, archive: Path
) -> list[str]:
    """Spell the bootstrap; without a mirror, mmdebstrap knows where the suite is."""
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--architectures={platform.architecture}",
        *(f"--dpkgopt={option}" for option in _LEFT_OUT),
        *([_FORGET_LOGIN] if "@" in mirror.packages else []),
        spec.suite,
        str(archive),
        # The sources, on standard input: a command line can be read by everybody.
        *(["-"] if mirror.packages else []),
    ]


def _mmdebstrap(spec: BaseSpec, platform: Platform, mirror: Mirror, archive: Path) -> None:
    command = mmdebstrap_command(spec, platform, mirror, archive)
    # Its report is progress: on stderr, where ours goes too.
    done = subprocess.run(
        command,
        check=False,
        input=sources(spec, mirror) if mirror.packages else "",
        text=True,
        stdout=2,
        # The same packages give the same archive.
        env={**os.environ, "SOURCE_DATE_EPOCH": str(spec.epoch)},
    )
    if done.returncode != 0:
        raise BaseMissingError(
            f"mmdebstrap could not make a base for {platform} (exit code {done.returncode})",
            hint="read its messages above; a foreign platform needs arch-test and "
            "qemu-user-static registered with binfmt_misc, a private network a mirror "
            f"in {MIRROR_VARIABLE}",
        )
