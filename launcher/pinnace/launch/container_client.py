"""Ask the engine about containers of launches, through its client: verbs can afford it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Final, NamedTuple

from pinnace.launch.containers import Container
from pinnace_core.engine import cli
from pinnace_core.errors import EngineUnavailableError
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Sequence

_GONE: Final = ("no such container", "no such object", "is already in progress")
_SILENT: Final = "cannot connect to"
_ATTEMPTS: Final = 3


class ContainerClient(NamedTuple):
    """A client.

    Attributes:
        program: `docker` or `podman`.
    """

    program: str = cli.DOCKER

    def containers(self, label: str = contract.LABEL_RUN_WORKSPACE) -> list[Container]:
        """Describe all containers with a label, running or not, the oldest first.

        Args:
            label: its key; that of launches, if nothing else is said.

        Raises:
            EngineUnavailableError: no answer, or none that makes sense.
            ClientMissingError: no client.
        """
        listing = ["container", "ls", "--all", "--quiet", "--no-trunc"]
        for _ in range(_ATTEMPTS):
            ids = (self._ask(*listing, f"--filter=label={label}") or "").split()
            # None: one of them went away meanwhile.
            described = self._ask("container", "inspect", *ids) if ids else "[]"
            if described is not None:
                return sorted(_understood(described), key=lambda one: (one.created, one.name))
        return []

    def find(self, name: str) -> Container | None:
        """Describe one container of a launch by its whole name or id; None if it is not there.

        Raises:
            EngineUnavailableError: no answer, or none that makes sense.
            ClientMissingError: no client.
        """
        found = _understood(self._ask("container", "inspect", name) or "[]")
        return next((one for one in found if name in {one.name, one.id}), None)

    def stop(self, ids: Sequence[str], *, grace: int) -> None:
        """End containers: SIGTERM, and after `grace` seconds SIGKILL; those that are gone are done.

        Raises:
            EngineUnavailableError: no answer, or it refuses.
            ClientMissingError: no client.
        """
        self._ask("container", "stop", "-t", str(grace), *ids)

    def remove(self, container: str) -> None:
        """Remove a container by its id, running or not, with its anonymous volumes.

        Raises:
            EngineUnavailableError: no answer, or it refuses.
            ClientMissingError: no client.
        """
        self._ask("container", "rm", "--force", "--volumes", container)

    def image_ids(self) -> set[str]:
        """Return the ids of all local images.

        Raises:
            EngineUnavailableError: no answer.
            ClientMissingError: no client.
        """
        return set((self._ask("image", "ls", "--all", "--quiet", "--no-trunc") or "").split())

    def logs_argv(self, container: str, *, follow: bool) -> list[str]:
        """Spell the command that prints what a container printed."""
        follows = ["--follow"] if follow else []
        return [self.program, "container", "logs", *follows, container]

    def _ask(self, *arguments: str) -> str | None:
        """Run the client; return what it prints, or None if a container that was named is gone."""
        try:
            done = subprocess.run(
                [self.program, *arguments],
                check=False,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                stdin=subprocess.DEVNULL,
            )
        except (FileNotFoundError, PermissionError):
            raise cli.client_missing(self.program) from None
        if done.returncode == 0:
            return done.stdout
        lines = done.stderr.strip().splitlines() or ["no answer"]
        if all(any(text in line.lower() for text in _GONE) for line in lines):
            return None
        what = "does not answer" if _SILENT in lines[-1].lower() else "refuses"
        raise EngineUnavailableError(
            f"the engine {what}: {lines[-1]}", hint="see what is wrong: pinnace doctor"
        )


def _understood(described: str) -> list[Container]:
    try:
        documents = json.loads(described)
        if isinstance(documents, dict):
            raise TypeError("one document instead of a list")  # noqa: TRY301 (one error for both)
        return list(map(Container.from_engine, documents))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineUnavailableError(
            "the engine gives an answer that makes no sense",
            hint="restart it, or check that it is an engine: docker context ls",
        ) from error
