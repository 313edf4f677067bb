"""Look into an image: run its CLI once, alone, or take the CLI's file out unrun.

What a container says about itself is as trustworthy as the image is. What is taken out of it is
read here.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from pinnace.image.images import missing
from pinnace.plan.plan import plan_check
from pinnace_core import signals
from pinnace_core.engine.adapt import fit
from pinnace_core.engine.argv import docker_argv
from pinnace_core.engine.cli import DOCKER, client_missing
from pinnace_core.engine.facts import EngineFacts
from pinnace_core.errors import EngineUnavailableError, VerificationFailedError
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.image.images import LocalImage

TIMEOUT_SECONDS: Final = 300.0
_SCRIPT: Final = (
    f"{contract.CLAUDE_BINARY} --version </dev/null && "
    f"sha256sum {contract.CLAUDE_BINARY} {contract.CLAUDE_ROOT}/package/cli.* 2>/dev/null; true"
)
_SCRIPTS: Final = ("cli.js", "cli.mjs")
_NO_SUCH_IMAGE: Final = ("No such image", "Unable to find image", "image not known")
# Docker's and podman's own; the script's is always 0.
_NOT_STARTED: Final = frozenset({125, 126})
_PIECE: Final = 1 << 20


def ask(
    image: LocalImage,
    engine: EngineFacts = EngineFacts(),  # noqa: B008 (immutable)
    *,
    seconds: float = TIMEOUT_SECONDS,
) -> tuple[str, set[str]]:
    """Run the CLI for its version, and `sha256sum` for the digests of its files.

    Raises:
        VerificationFailedError: no answer in time.
        ImageMissingError: it went away.
        ClientMissingError: no docker client.
    """
    with _named(image, engine.kind, removes_itself=True) as name:
        labels = ((contract.LABEL_CHECK, image.id),)
        plan = plan_check(image.id, _SCRIPT)._replace(name=name, labels=labels)
        argv = docker_argv(fit(plan, engine).plan, program=engine.kind)
        try:
            done = subprocess.run(
                argv,
                check=False,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise VerificationFailedError(
                f"the CLI in image {image.id[:19]} does not answer",
                hint="run it again, or remove it",
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


def digest_outside(image: LocalImage, program: str = DOCKER) -> str | None:
    """Take the CLI's file out of the image, which is not run, and hash it here; None: no file.

    It is the one that is run: what lies beside it proves nothing. Of a CLI that is a script, our
    own wrapper is run, to the letter, and the script counts.

    Raises:
        ImageMissingError: it went away.
        EngineUnavailableError: the engine does not make a container of it.
        ClientMissingError: no docker client.
    """
    with _named(image, program) as name:
        label = f"--label={contract.LABEL_CHECK}={image.id}"
        options = [f"--name={name}", label, "--pull=never", "--network=none", "--entrypoint="]
        done = subprocess.run(
            # Never started: the command only has to be one.
            [program, "create", *options, image.id, contract.CLAUDE_BINARY],
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        errors = done.stderr.decode(errors="replace").strip()
        if done.returncode != 0 and any(text in errors for text in _NO_SUCH_IMAGE):
            raise missing(image)
        if done.returncode != 0:
            last = (errors.splitlines() or ["no answer"])[-1]
            raise EngineUnavailableError(
                f"the engine cannot look into image {image.id[:19]}: {last}",
                hint="see its log, and 'docker system df' for its disk",
            )
        found = _digest(program, f"{name}:{contract.CLAUDE_BINARY}")
        script = next((s for s in _SCRIPTS if found == _sha256(contract.wrapper(s))), None)
        if script is None:
            return found or None
        return _digest(program, f"{name}:{contract.CLAUDE_PACKAGE}/{script}") or None


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _digest(program: str, source: str) -> str:
    """Hash one file of a container; nothing if it is no plain file."""
    import hashlib
    import tarfile

    digest = hashlib.sha256()
    with subprocess.Popen(
        [program, "cp", source, "-"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            with tarfile.open(fileobj=child.stdout, mode="r|") as archive:
                member = archive.next()
                stream = archive.extractfile(member) if member and member.isreg() else None
                if stream is None:
                    return ""
                while piece := stream.read(_PIECE):
                    digest.update(piece)
        except tarfile.TarError:
            return ""
        finally:
            child.kill()
    return digest.hexdigest()


@contextmanager
def _named(image: LocalImage, program: str, *, removes_itself: bool = False) -> Iterator[str]:
    """Return a container's name; whatever becomes of its client or of us, the container goes.

    Killed outright, we leave one that `pinnace gc` finds by its label.
    """
    name = f"pinnace-check-{image.id[-12:]}-{os.urandom(4).hex()}"
    gone = False
    with signals.unwinding(on_quit=True):
        try:
            yield name
            gone = removes_itself
        except FileNotFoundError:
            raise client_missing(program) from None
        finally:
            if not gone:
                with signals.ignored():
                    _remove(program, name)


def _remove(program: str, name: str) -> None:
    with suppress(OSError):
        subprocess.run(
            [program, "rm", "--force", "--volumes", name],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
