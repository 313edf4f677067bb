"""See that an image holds what its labels say; fail closed.

The CLI is really run once per image id, which is a digest of the content; the outcome is recorded
under the id. A record that is not exactly what we would write counts as none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pinnace.argv import docker_argv
from pinnace.docker_client import client_missing
from pinnace.engine_facts import EngineFacts
from pinnace.fit import fit
from pinnace.plan import plan_check
from pinnace_images import contract
from pinnace_images.errors import (
    EngineUnavailableError,
    ImageMissingError,
    VerificationFailedError,
)
from pinnace_images.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.images import LocalImage
    from pinnace_images.lock import Lock

_SCRIPT: Final = (
    f"{contract.CLAUDE_BINARY} --version </dev/null && "
    f"sha256sum {contract.CLAUDE_BINARY} {contract.CLAUDE_ROOT}/package/cli.* 2>/dev/null; true"
)
# Docker's and podman's own; the script's is always 0.
_NOT_STARTED: Final = frozenset({125, 126})
_NO_SUCH_IMAGE: Final = ("No such image", "Unable to find image", "image not known")


def is_verified(image: LocalImage, records: Path) -> bool:
    """Tell whether the image was verified before, with the same outcome."""
    try:
        return _place(image, records).read_bytes() == _record(image)
    except OSError:
        return False


def verify(
    image: LocalImage,
    records: Path,
    *,
    lock: Lock,
    engine: EngineFacts = EngineFacts(),  # noqa: B008 (immutable)
) -> None:
    """Run the image's CLI and compare; record the success.

    Args:
        image: which.
        records: the directory of records.
        lock: what the version's executable must be, if it is locked.
        engine: which runs it.

    Raises:
        VerificationFailedError: the CLI is not the version, or not the file, that is claimed.
        ImageMissingError: it went away.
    """
    _check_lock(image, lock)
    version, digests = _ask(image, engine)
    if image.version is None or not image.version.is_reported_by(version):
        raise VerificationFailedError(
            f"image {image.id[:19]} claims Claude Code {image.version}, "
            f"but its CLI says '{version[:60]}'",
            hint=f"do not use it; remove it: docker image rm {image.id[:19]}",
        )
    if image.sha256 not in digests:
        raise VerificationFailedError(
            f"the CLI in image {image.id[:19]} is not the file that its label names",
            hint=f"do not use it; remove it: docker image rm {image.id[:19]}",
        )
    write_atomic(_place(image, records), _record(image))


def _check_lock(image: LocalImage, lock: Lock) -> None:
    entry = lock.entries.get(image.version) if image.version else None
    if entry and image.sha256 not in {p.executable_sha256 for p in entry.packages}:
        raise VerificationFailedError(
            f"image {image.id[:19]} does not hold the Claude Code {image.version} that is locked",
            hint=f"do not use it; remove it: docker image rm {image.id[:19]}",
        )


def _ask(image: LocalImage, engine: EngineFacts) -> tuple[str, set[str]]:
    import subprocess

    plan = fit(plan_check(image.id, _SCRIPT), engine).plan
    argv = docker_argv(plan, program=engine.kind)
    try:
        done = subprocess.run(
            argv, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=300
        )
    except FileNotFoundError:
        raise client_missing(engine.kind) from None
    except subprocess.TimeoutExpired as error:
        raise VerificationFailedError(
            f"the CLI in image {image.id[:19]} does not answer", hint="run it again, or remove it"
        ) from error
    errors = done.stderr.decode(errors="replace")
    if done.returncode != 0 and any(text in errors for text in _NO_SUCH_IMAGE):
        raise missing(image)
    if done.returncode in _NOT_STARTED:
        reason = (errors.strip().splitlines() or ["it does not say why"])[-1]
        raise EngineUnavailableError(
            f"the engine cannot start a container of image {image.id[:19]}: {reason[:300]}",
            hint="see: pinnace doctor",
        )
    lines = (done.stdout.decode(errors="replace") or errors).strip().splitlines() or ["nothing"]
    return lines[0].strip(), {line.split()[0] for line in lines[1:] if line.strip()}


def missing(image: LocalImage) -> ImageMissingError:
    """Say that an image that was just there is gone."""
    return ImageMissingError(
        f"image {image.id[:19]} went away while it was being started",
        hint="run the same command again: it is built anew",
    )


def _place(image: LocalImage, records: Path) -> Path:
    return records / image.id.replace(":", "-")


def _record(image: LocalImage) -> bytes:
    claims = {"schema": 1, "id": image.id, "version": str(image.version), "sha256": image.sha256}
    return json.dumps(claims, sort_keys=True).encode()
