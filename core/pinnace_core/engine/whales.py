"""An engine through python-on-whales, where a build can afford its import; with our errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from python_on_whales.exceptions import DockerException, NoSuchImage

from pinnace_core import console, retry
from pinnace_core.console import say
from pinnace_core.errors import (
    BuildFailedError,
    ImageRegistryError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from python_on_whales import DockerClient


def labels(client: DockerClient, reference: str) -> dict[str, str]:
    """Return the labels of a local image.

    Raises:
        BuildFailedError: the engine refuses, or it went away.
    """
    with translated(f"looking at {reference}"):
        return dict(client.image.inspect(reference).config.labels or {})


def image_id(client: DockerClient, reference: str) -> str | None:
    """Return the id of a local image, or None.

    Raises:
        BuildFailedError: the engine refuses.
    """
    with translated(f"looking for {reference}"):
        try:
            return client.image.inspect(reference).id
        except NoSuchImage:
            return None


def tag(client: DockerClient, reference: str, *names: str) -> None:
    """Give a local image more names, in this order.

    Raises:
        BuildFailedError: the engine refuses, or the image went away.
    """
    with translated(f"naming {reference}"):
        for name in names:
            client.image.tag(reference, name)


@contextmanager
def tidying(what: str) -> Iterator[None]:
    """Return what the engine does not let go, and go on: that is nobody's failure."""
    try:
        yield
    except DockerException as error:
        say(f"{what} stays in the engine: {reason(error)}")


def pull(client: DockerClient, reference: str, platform: str) -> None:
    """Pull an image.

    Raises:
        BuildFailedError: it cannot be pulled.
        TransientError: it cannot be pulled just now; of an ImageRegistryError.
    """
    try:
        client.image.pull(reference, platform=platform, quiet=True)
    except DockerException as error:
        said = reason(error)
        text = f"{reference} cannot be pulled: {said}"
        if retry.is_transient(said):
            busy = ImageRegistryError(text, hint="try again later")
            raise retry.TransientError(busy) from error
        raise BuildFailedError(text, hint="check the name, the network and your login") from error


def run(client: DockerClient, *arguments: str) -> None:
    """Run an engine command that python-on-whales lacks; its output is for people, on stderr.

    Raises:
        DockerException: it failed.
    """
    command = [*client.client_config.docker_cmd, *arguments]
    code = console.show(command)
    if code != 0:
        raise DockerException([str(part) for part in command], code)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn an engine's refusal into one sentence; the whole argv is never shown.

    Raises:
        BuildFailedError: the engine refused.
    """
    try:
        yield
    except DockerException as error:
        raise BuildFailedError(
            f"{what} failed: {reason(error)}",
            hint="the engine's own messages are above; 'docker system df' shows its disk",
        ) from error


def reason(error: DockerException) -> str:
    """Return the last line that the engine said."""
    lines = (error.stderr or error.stdout or "").strip().splitlines()
    return lines[-1].strip() if lines else f"exit code {error.return_code}"
