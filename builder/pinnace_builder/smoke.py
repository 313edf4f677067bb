"""Run a built image once and see that it is what its labels say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace_core import image as image_content
from pinnace_core.errors import BuildFailedError, VerificationFailedError
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace_builder.render import ImageRequest
    from pinnace_core.engine import Engine
    from pinnace_images.platforms import Platform
    from pinnace_images.versions import CliVersion

_VERSION: Final = f'echo "version=$({contract.CLAUDE_BINARY} --version 2>/dev/null </dev/null)"'
_FILES: Final = """
echo "user=$(id -u):$(id -g)"
echo "found=$(find /etc/passwd)"
echo "setuid=$(find / -xdev -perm /6000 -type f 2>/dev/null | head -n 5 | tr '\\n' ' ')"
echo "writable=$(find {where} ! -type l \\( -perm -o=w -o -user {uid} \
    -o -group {gid} -perm -g=w \\) -print 2>/dev/null | head -n 5 | tr '\\n' ' ')"
"""
SOUND: Final = {"user": contract.AGENT_IDS, "found": "/etc/passwd", "setuid": "", "writable": ""}
"""What `files_script` prints of every image that is as it should be."""
_HINT: Final = "do not use it; report this with the output of 'pinnace-build render'"
_OWNER: Final = (contract.AGENT_UID, contract.AGENT_GID)
_FOREIGN: Final = "exec format error"


class CannotRunError(BuildFailedError):
    """The engine cannot run images of this platform."""


def smoke(engine: Engine, image: str, *, version: CliVersion | None, platform: Platform) -> None:
    """Check the CLI's version, the user, and that nothing is setuid or the agent's to change.

    Args:
        engine: which holds the image.
        image: its name or id.
        version: of its CLI; None for a base, which has none.
        platform: of the image.

    Raises:
        VerificationFailedError: something is off.
        CannotRunError: it is of a foreign platform, and there is no emulation.
        BuildFailedError: the image does not run.
    """
    # A base has no user of its own yet: it is the last thing that an image gets.
    user = None if version else _OWNER
    script = f"{_VERSION}{files_script(contract.CLAUDE_ROOT)}"
    # The CLI of some versions makes its directory before it tells its version.
    found = ask(engine, image, script, platform=platform, user=user, home=contract.HOME)
    said = found.pop("version", "")
    if not (version.is_reported_by(said) if version else said == ""):
        raise VerificationFailedError(
            f"the CLI in the built image says '{said[:60]}', expected {version}", hint=_HINT
        )
    compare(found, SOUND)


def files_script(where: str) -> str:
    """Spell what looks at an image's user and files.

    Args:
        where: nothing is the user's to change, as `find` reads it.
    """
    return _FILES.format(where=where, uid=contract.AGENT_UID, gid=contract.AGENT_GID)


def compare(found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Compare what an image answers.

    Raises:
        VerificationFailedError: an answer is missing, or another one.
    """
    for name, value in expected.items():
        if found.get(name, "missing").strip() != value:
            raise VerificationFailedError(
                f"the built image has {name} '{found.get(name)}', expected '{value}'", hint=_HINT
            )


def ask(  # noqa: PLR0913 (each a choice of its own)
    engine: Engine,
    image: str,
    script: str,
    *,
    platform: Platform,
    user: tuple[int, int] | None = None,
    home: str = "",
) -> dict[str, str]:
    """Run a script in an image, which can reach nothing; return the lines that say NAME=VALUE.

    Args:
        engine: which holds the image.
        image: its name or id.
        script: of the shell.
        platform: of the image.
        user: who runs it; by default the image's own.
        home: a directory that can be written to, besides /tmp.

    Raises:
        CannotRunError: the image is of a foreign platform, and there is no emulation.
        BuildFailedError: it does not run.
    """
    spec = image_content.alone(image, script, home=home, owner=_OWNER)
    spec = spec._replace(user=user, platform=str(platform), workdir="/", init=False)
    done = image_content.run(engine, spec)
    if _FOREIGN in done.errors:
        raise CannotRunError(f"this engine cannot run {platform}")
    if done.code != 0:
        raise BuildFailedError(
            f"running the built image failed: {done.reason or f'exit code {done.code}'}",
            hint="the engine's own messages are above; 'docker system df' shows its disk",
        )
    return dict(line.split("=", 1) for line in done.output.splitlines() if "=" in line)


def expected_labels(request: ImageRequest, platform: Platform) -> dict[str, str]:
    """Return what the launcher goes by: the labels that every image must have."""
    return {
        contract.LABEL_CONTRACT: str(contract.CONTRACT_VERSION),
        contract.LABEL_VERSION: str(request.entry.version),
        contract.LABEL_VARIANT: request.variant.name,
        contract.LABEL_PLATFORM: str(platform),
        contract.LABEL_USER: f"{contract.AGENT_UID}:{contract.AGENT_GID}",
        contract.LABEL_SHA256: request.entry.package_for(platform).executable_sha256,
    }


def check_labels(found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Compare labels.

    Raises:
        VerificationFailedError: one is missing, or says something else.
    """
    for key, value in expected.items():
        if found.get(key) != value:
            raise VerificationFailedError(
                f"the image's label {key} is '{found.get(key)}', expected '{value}'", hint=_HINT
            )
