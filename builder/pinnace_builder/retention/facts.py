"""What the docker client tells about images, containers and disks."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final

from python_on_whales.exceptions import DockerException

from pinnace_core.engine import whales
from pinnace_core.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from python_on_whales import DockerClient

_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)\s*([kKMGTP]?)(i?)B")
_POWERS: Final[dict[str, int]] = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_ATTEMPTS: Final = 3
# What the engine says if something goes while it describes it.
_GONE: Final = ("no such", "not found")


def ask(client: DockerClient, *arguments: str) -> str:
    """Run a command of the docker client's; return what it prints.

    Raises:
        EngineUnavailableError: it fails, and not because something went away meanwhile.
    """
    return _again(lambda: _run(client, *arguments), arguments)


def _again(act: Callable[[], str], arguments: Sequence[str], attempts: int = _ATTEMPTS) -> str:
    try:
        return act()
    except DockerException as error:
        said = str(error.stderr).lower()
        if attempts > 1 and any(gone in said for gone in _GONE):
            return _again(act, arguments, attempts - 1)
        raise _unavailable(error, arguments) from error


def _run(client: DockerClient, *arguments: str) -> str:
    command = [*map(str, client.client_config.docker_cmd), *arguments]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode != 0:
        raise DockerException(command, done.returncode, done.stdout, done.stderr)
    return done.stdout.decode(errors="replace")


def _unavailable(error: DockerException, arguments: Sequence[str]) -> EngineUnavailableError:
    return EngineUnavailableError(
        f"'docker {' '.join(arguments[:2])}' failed: {whales.reason(error)}",
        hint="check that it answers: 'docker info'; what was removed so far is said above",
    )


def describe(client: DockerClient, kind: str, listing: Sequence[str]) -> list[dict[str, Any]]:
    """Describe all that a listing names, each once.

    Args:
        client: the engine.
        kind: `image` or `container`.
        listing: a command that prints ids.

    Raises:
        EngineUnavailableError: it fails, and not because one of them went away meanwhile.
    """

    def described() -> str:
        found = list(dict.fromkeys(_run(client, *listing).split()))
        return _run(client, kind, "inspect", *found) if found else "[]"

    documents: list[dict[str, Any]] = json.loads(_again(described, (kind, "inspect")))
    return documents


def containers(client: DockerClient) -> dict[str, str]:
    """Name a container for each image that one was made from, running or not."""
    listing = ("container", "ls", "--all", "--quiet", "--no-trunc")
    found = describe(client, "container", listing)
    return {str(one["Image"]): str(one["Name"]).lstrip("/") for one in found}


def unique_sizes(client: DockerClient) -> dict[str, int]:
    """Return what each image shares with no other one, as far as the engine tells it."""
    said = ask(client, "system", "df", "--verbose", "--format", "{{json .Images}}")
    try:
        sizes = {str(one["ID"]): size_of(str(one["UniqueSize"])) for one in json.loads(said)}
    except (ValueError, KeyError, TypeError):
        return {}
    return {image: size for image, size in sizes.items() if size is not None}


def size_of(text: str) -> int | None:
    """Read a size as the docker client writes it; None for what is none."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        return None
    number, unit, binary = found.groups()
    step = 1024.0 if binary else 1000.0
    return round(float(number) * step ** _POWERS[unit])
