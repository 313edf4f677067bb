"""Pull an image with the engine's own client, so that its logins, mirrors and proxies count."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Final

from pinnace_core.engine.cli import DOCKER, client_missing
from pinnace_core.errors import (
    BadProjectImageError,
    EngineUnavailableError,
    ImageMissingError,
    ImageRegistryError,
    PinnaceError,
    RegistryDeniedError,
)
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Sequence

_REFERENCE: Final = re.compile(
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_ID: Final = re.compile(r"sha256:[0-9a-f]{64}")
# How clients may write a name without a registry's; `localhost` is podman's for what is local.
_DEFAULTS: Final = ("docker.io/", "index.docker.io/", "registry-1.docker.io/", "localhost/")
# What docker says, in lower case. A repository that must not be seen is told as one that is not
# there, and the other way round.
_MISSING: Final = ("manifest unknown", "not found", "name unknown", "no matching manifest")
_DENIED: Final = ("denied", "unauthorized", "authentication required", "no basic auth")
_NO_ENGINE: Final = ("cannot connect to the docker daemon", "is the docker daemon running")


def require_reference(text: str, *, source: str) -> str:
    """Return an image's name or id, if it is one: nothing that a client would take for an option.

    Raises:
        BadProjectImageError: it is none.
    """
    if not (_REFERENCE.fullmatch(text) or _ID.fullmatch(text)):
        raise BadProjectImageError(
            f"{source} names '{text[:80]}', which is no image's name",
            hint="write it as registry.example/team/name:tag, in lower case",
        )
    return text


def pull(reference: str, platform: str, *, program: str = DOCKER) -> None:
    """Pull; docker's progress goes to stderr.

    Raises:
        BadProjectImageError: the name is one of those that only images made here have.
        ImageMissingError: the registry has no such image.
        RegistryDeniedError: it does not let us see it.
        ImageRegistryError: it does not answer, or breaks off.
        EngineUnavailableError: the engine does not.
        ClientMissingError: no docker client.
    """
    _require_foreign(reference)
    command = [program, "pull", f"--platform={platform}", reference]
    lines: list[str] = []
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=2,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        ) as child:
            lines.extend(child.stderr or ())
    except (FileNotFoundError, PermissionError):
        raise client_missing(program) from None
    if child.returncode != 0:
        raise _failure(reference, lines)


def _require_foreign(reference: str) -> None:
    """See that no stranger's image gets a name that says that it was made, and checked, here."""
    default = next((name for name in _DEFAULTS if reference.startswith(name)), "")
    repository = reference.removeprefix(default).partition("@")[0].partition(":")[0]
    if repository == contract.LOCAL_REPOSITORY:
        raise BadProjectImageError(
            f"'{reference}' is never pulled: only images that were made here have such names",
            hint="build it: pinnace-build build VERSION; or name another repository",
        )


def _failure(reference: str, lines: Sequence[str]) -> PinnaceError:
    said = next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")
    text = f"'{reference}' cannot be pulled: {said.removeprefix('Error response from daemon: ')}"
    lowered = said.lower()
    if any(words in lowered for words in _NO_ENGINE):
        return EngineUnavailableError(text, hint="start the engine, or check DOCKER_HOST")
    if any(words in lowered for words in _DENIED):
        return RegistryDeniedError(text, hint="check the name, and log in: docker login")
    if any(words in lowered for words in _MISSING):
        return ImageMissingError(text, hint="see which versions are published there")
    return ImageRegistryError(text, hint="check the network, or try again later")


def tag(image: str, name: str, *, program: str = DOCKER) -> None:
    """Return an image a name.

    Raises:
        EngineUnavailableError: the engine refuses.
    """
    _tell(program, "tag", image, name)


def untag(name: str, *, program: str = DOCKER) -> None:
    """Take a name away; an image without any other goes with it, unless it is in use.

    Raises:
        EngineUnavailableError: the engine refuses.
    """
    _tell(program, "image", "rm", name)


def _tell(program: str, *arguments: str) -> None:
    try:
        done = subprocess.run(
            [program, *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
    except (FileNotFoundError, PermissionError):
        raise client_missing(program) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EngineUnavailableError(
            f"the engine refuses '{' '.join(arguments[:2])}': {last}", hint="see its log"
        )
