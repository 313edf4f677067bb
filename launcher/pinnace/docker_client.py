"""Ask the engine through the docker client: for endpoints that are no socket of this host."""

from __future__ import annotations

from typing import Final

from pinnace_images.errors import ClientMissingError, EngineUnavailableError

DOCKER: Final = "docker"


def client_missing() -> ClientMissingError:
    """Say that there is no docker client."""
    return ClientMissingError(
        "no docker client is installed", hint="install Docker Engine or Docker Desktop"
    )


def ask(*arguments: str) -> str | None:
    """Run the client; give what it prints, or None if no image of those named is there.

    Raises:
        ClientMissingError: there is none, or it may not be run.
        EngineUnavailableError: it fails.
    """
    import subprocess

    try:
        done = subprocess.run(
            [DOCKER, *arguments],
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
    except (FileNotFoundError, PermissionError):
        raise client_missing() from None
    if done.returncode == 0:
        return done.stdout
    if "No such image" in done.stderr:
        # Of several, those that are there have been described.
        return done.stdout if done.stdout.strip("[] \n") else None
    lines = done.stderr.strip().splitlines() or ["no answer"]
    raise EngineUnavailableError(
        f"the engine does not answer: {lines[-1]}", hint="start it, or check 'docker context ls'"
    )


def describe(*references: str) -> str:
    """Give the JSON of those images that are there; a list, maybe empty."""
    return (ask("image", "inspect", *references) if references else None) or "[]"


def list_ids(label: str) -> list[str]:
    """Give the ids of the images that carry `label`."""
    listed = ask("image", "ls", "--no-trunc", "--quiet", f"--filter=label={label}") or ""
    return sorted(set(listed.split()))
