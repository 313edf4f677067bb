"""Build one image by podman alone: the same Dockerfile and checks, but `podman build`.

The layers differ from those that buildx makes, so this is for the local engine only.
"""

from __future__ import annotations

import os
import platform as host
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from python_on_whales import DockerClient
from python_on_whales.exceptions import DockerException

from pinnace_builder import base, buildx, images_config, smoke
from pinnace_builder import build as execute
from pinnace_builder.context import stage
from pinnace_builder.render import build_id, identity_labels, render, tags
from pinnace_core import console
from pinnace_core.engine import whales
from pinnace_core.errors import BuildFailedError, ClientMissingError
from pinnace_core.locks import exclusive
from pinnace_images import contract
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace_builder.render import ImageRequest
    from pinnace_images.versions import CliVersion

PROGRAM: Final = "podman"
LOCALHOST: Final = "localhost/"
"""What podman puts before names that have no host."""
# What podman 4.3 refuses, and what takes its place: nothing is shared or foreign here.
_LINK: Final = "\nCOPY --link "
_DISTRIBUTION: Final = "distribution"
_ARCHITECTURE: Final = "${TARGETARCH}"


def build(version: CliVersion, *, variant: str = contract.DEFAULT_VARIANT) -> execute.BuiltImage:
    """Build and check the image of `version` for podman, unless it is there.

    Raises:
        PinnaceError: any of its kinds; nothing is left half-built.
    """
    client = connect()
    platform = Platform.of_machine(host.machine())
    images = images_config.chosen(os.environ)
    with exclusive(f"podman-{version}-{images.variant(variant).name}"):
        request = execute.request_for(
            version, variant=variant, platforms=(platform,), images=images
        )
        mirror = base.Mirror.from_environment(os.environ)
        found = base.ensure(client, request.base, platform, mirror=mirror)
        identity = build_id(request, platform, found.digest)
        names = [f"{LOCALHOST}{name}" for name in tags(request, identity)]
        existing = whales.image_id(client, names[0])
        image = existing or _build(client, request, found, names[0])
        for name in names:
            client.image.tag(image, name)
    return execute.BuiltImage(image, tuple(names), identity, built=existing is None)


def connect() -> DockerClient:
    """Return podman's client.

    Raises:
        BuildFailedError: podman does not work.
        ClientMissingError: it is not installed.
    """
    client = DockerClient(client_call=[PROGRAM])
    try:
        whales.image_id(client, contract.LOCAL_REPOSITORY)
    except DockerException as error:
        raise BuildFailedError(
            f"podman does not work: {whales.reason(error)}", hint="see: podman info"
        ) from error
    except FileNotFoundError as error:
        raise ClientMissingError("no podman client is installed", hint="install podman") from error
    return client


def _build(client: DockerClient, request: ImageRequest, found: base.Base, name: str) -> str:
    """Build under a name that nobody knows; it gets its own one after it passed."""
    platform = request.platforms[0]
    temporary = f"{LOCALHOST}{contract.LOCAL_REPOSITORY}:building-{os.urandom(6).hex()}"
    what = f"{request.entry.version} ({request.variant.name}, {platform})"
    console.say(f"building {what}; what follows is podman's own output")
    try:
        _podman_build(request, found, temporary)
        image = client.image.inspect(temporary).id
        smoke.check_labels(whales.labels(client, image), smoke.expected_labels(request, platform))
        smoke.smoke(client, image, version=request.entry.version, platform=platform, podman=True)
        client.image.tag(image, name)
    finally:
        if whales.image_id(client, temporary):
            subprocess.run([PROGRAM, "untag", temporary], check=False, stdout=2)
    return image


def _podman_build(request: ImageRequest, found: base.Base, tag: str) -> None:
    platform = request.platforms[0]
    with tempfile.TemporaryDirectory(prefix="pinnace-build-") as name:
        directory = Path(name)
        context = directory / "context"
        stage(request, render(request), platform, context)
        dockerfile = context / "Dockerfile"
        plain = spelled(dockerfile.read_text(encoding="utf-8"), platform)
        dockerfile.write_text(plain, encoding="utf-8")
        secrets = base.write_secrets(
            request.base, base.Mirror.from_environment(os.environ), os.environ, directory
        )
        labels = identity_labels(request, platform, name=found.name, digest=found.digest)
        build_argv = command(
            context,
            tag=tag,
            images={_DISTRIBUTION: found.reference},
            labels=labels,
            secrets=secrets,
        )
        run(build_argv)


def run(argv: Sequence[str]) -> None:
    """Build; all that podman says goes to stderr.

    Raises:
        BuildFailedError: it fails.
    """
    done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, stdout=2)
    if done.returncode != 0:
        raise BuildFailedError(
            f"the build failed: exit code {done.returncode}",
            hint="podman's own messages are above; 'podman system df' shows its disk",
        )


def spelled(dockerfile: str, platform: Platform) -> str:
    """Return a Dockerfile as podman reads it."""
    plain = dockerfile.replace(_LINK, "\nCOPY ")
    return plain.replace(_ARCHITECTURE, platform.architecture)


def command(
    context: Path,
    *options: str,
    tag: str,
    images: Mapping[str, str],
    labels: Mapping[str, str],
    secrets: Mapping[str, Path],
) -> list[str]:
    """Spell the build.

    Args:
        context: a directory.
        options: more of them.
        tag: the outcome's name.
        images: local ones, by the names that the Dockerfile has for them.
        labels: of the outcome.
        secrets: files, by their ids.
    """
    return [
        PROGRAM,
        "build",
        f"--tag={tag}",
        *(f"--build-context={name}=container-image://{image}" for name, image in images.items()),
        *(f"--label={key}={value}" for key, value in labels.items()),
        *(f"--secret={buildx.fields(f'id={n}', f'src={p}')}" for n, p in secrets.items()),
        *options,
        str(context),
    ]
