"""Ask the engine through its client: podman, and endpoints that are no socket of this host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pinnace_core.errors import ClientMissingError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCKER: Final = "docker"
PODMAN: Final = "podman"
PROGRAMS: Final = (DOCKER, PODMAN)
_ABSENT: Final = ("No such image", "image not known")


def which(program: str, environment: Mapping[str, str]) -> str | None:
    """Find a program on PATH: shutil's costs every launch 5 ms."""
    for place in environment.get("PATH", "").split(os.pathsep):
        for suffix in ("", ".exe") if os.name == "nt" else ("",):
            path = f"{place}{os.sep}{program}{suffix}"
            if place and os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113 (hot)
                return path
    return None


def client_missing(program: str = DOCKER) -> ClientMissingError:
    """Say that the client is not there."""
    if program == PODMAN:
        return ClientMissingError("no podman client is installed", hint="install podman")
    return ClientMissingError(
        "no docker client is installed", hint="install Docker Engine or Docker Desktop, or podman"
    )


def ask(*arguments: str, program: str = DOCKER) -> str | None:
    """Run the client; return what it prints, or None if no image of those named is there.

    Raises:
        ClientMissingError: there is none, or it may not be run.
        EngineUnavailableError: it fails.
    """
    import subprocess

    try:
        done = subprocess.run(
            [program, *arguments],
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
    except (FileNotFoundError, PermissionError):
        raise client_missing(program) from None
    if done.returncode == 0:
        return done.stdout
    if any(text in done.stderr for text in _ABSENT):
        # Of several, those that are there have been described.
        return done.stdout if done.stdout.strip("[] \n") else None
    lines = done.stderr.strip().splitlines() or ["no answer"]
    hints = {DOCKER: "start it, or check 'docker context ls'", PODMAN: "see: podman info"}
    raise EngineUnavailableError(
        f"the engine does not answer: {lines[-1]}", hint=hints.get(program, "")
    )


def describe(*references: str, program: str = DOCKER) -> str:
    """Return the JSON of those images that are there; a list, maybe empty."""
    found = ask("image", "inspect", *references, program=program) if references else None
    return found or "[]"


def list_ids(label: str, *, program: str = DOCKER) -> list[str]:
    """Return the ids of the images that carry `label`."""
    filtered = ("image", "ls", "--no-trunc", "--quiet", f"--filter=label={label}")
    listed = ask(*filtered, program=program) or ""
    return sorted(set(listed.split()))
