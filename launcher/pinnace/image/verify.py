"""See that an image holds what its labels say; fail closed.

The CLI is really run once per image id, which is a digest of the content; the outcome is recorded
under the id. A record that is not exactly what we would write, or that somebody else could have
written, counts as none.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pinnace.config import DEFAULTS
from pinnace.image import claims, surroundings
from pinnace_core import built, host
from pinnace_core.errors import EngineUnavailableError, VerificationFailedError
from pinnace_core.files import read_own, write_atomic
from pinnace_core.locks import file_lock
from pinnace_images import contract

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_core.container import ContainerSpec
    from pinnace_core.engine import Engine
    from pinnace_core.image import Image

_SECONDS: Final = 300.0
_SCRIPTS: Final = ("cli.js", "cli.mjs")
_SCRIPT: Final = f"{contract.CLAUDE_BINARY} --version </dev/null; true"


def directory() -> Path:
    """Return the directory of the records."""
    return host.directory("state") / "verified"


def ensure(image: Image, engine: Engine) -> None:
    """Verify an image unless that was done before; of several launches at once, one does it.

    Raises:
        PinnaceError: of `verify`.
    """
    records = directory()
    if is_verified(image, records):
        # The record's time says when the image was last used: what is used is not removed.
        with suppress(OSError):
            os.utime(_place(image, records))
        return
    with file_lock(host.directory("state") / f"verify-{image.id[-12:]}.lock"):
        if not is_verified(image, records):
            verify(image, records, engine)


def is_verified(image: Image, records: Path) -> bool:
    """Return whether the image was verified before, with the same outcome and the same locks."""
    return _read(_place(image, records)) == _record(image, _stamp())


def verify(image: Image, records: Path, engine: Engine, *, anew: bool = False) -> None:
    """Run the image's CLI and compare; record the success.

    Args:
        image: which.
        records: the directory of records.
        engine: which runs it.
        anew: run it also if that was done before.

    Raises:
        VerificationFailedError: the CLI is not the version, or not the file, that is claimed.
        ImageMissingError: it went away.
        BadLockError: a lock cannot be read.
    """
    # Before the locks are read: one that changes meanwhile is looked at again next time.
    stamp = _stamp()
    place = _place(image, records)
    if anew:
        _forget(place)
    _check_lock(image)
    if not _claims(image).items() <= _parsed(_read(place)).items():
        _check_content(image, engine)
    _forget(place, unless_file=True)
    write_atomic(place, _record(image, stamp))


def _check_lock(image: Image) -> None:
    from pinnace_images import lock

    version = claims.version_of(image)
    entry = lock.load_known().entries.get(version) if version else None
    if entry and _sha256(image) not in {p.executable_sha256 for p in entry.packages}:
        text = f"image {image.id[:19]} does not hold the Claude Code {version} that is locked"
        raise _refused(image, text)


def _check_content(image: Image, engine: Engine) -> None:
    # First, because a stranger's program may say anything: of all in the image, only the CLI's
    # file is run before it is known what that is.
    digest, files = _seen_outside(image, engine)
    if digest is None or digest != _sha256(image):
        raise _refused(
            image, f"the CLI in image {image.id[:19]} is not the file that its label names"
        )
    if not built.is_recorded(image.id):
        problem = next(surroundings.problems(image.environment, files), None)
        if problem:
            raise _refused(image, f"in image {image.id[:19]}, {problem}")
    claimed, said = claims.version_of(image), ask(image, engine)
    if claimed is None or not claimed.is_reported_by(said):
        text = f"image {image.id[:19]} claims Claude Code {claimed}, but its CLI says '{said[:60]}'"
        raise _refused(image, text)


def check_spec(image: str, script: str) -> ContainerSpec:
    """Return how a script is run in an image: alone, with the limits of a launch.

    If it never ends, `pinnace gc` finds the container by its label.
    """
    from pinnace_core import image as image_content

    owner = (contract.AGENT_UID, contract.AGENT_GID)
    return image_content.alone(image, script, home=contract.HOME, owner=owner)._replace(
        labels=((contract.LABEL_CHECK, image),), memory=DEFAULTS.memory, pids=DEFAULTS.pids
    )


def ask(image: Image, engine: Engine, *, seconds: float = _SECONDS) -> str:
    """Run the CLI for its version; return the first line of what it says."""
    from pinnace_core import image as image_content
    from pinnace_core.container import SECCOMP
    from pinnace_core.engine.facts import adapt

    wanted = check_spec(image.id, _SCRIPT)._replace(seccomp=SECCOMP)
    spec = adapt(wanted, engine.facts()).spec
    try:
        done = image_content.run(engine, spec, seconds=seconds)
    except TimeoutError as error:
        raise VerificationFailedError(
            f"the CLI in image {image.id[:19]} does not answer", hint="run it again, or remove it"
        ) from error
    if not done.started:
        raise EngineUnavailableError(
            f"the engine cannot start a container of image {image.id[:19]}: "
            f"{(done.reason or 'it does not say why')[:300]}",
            hint="see: pinnace doctor",
        )
    lines = (done.output or done.errors).strip().splitlines() or ["nothing"]
    return lines[0].strip()


def _seen_outside(image: Image, engine: Engine) -> tuple[str | None, dict[str, bool]]:
    """Look into the image, which is not run.

    Returns:
        The digest of the CLI's file, None if there is none; and which of `surroundings.FILES` hold
        anything.
    """
    from pinnace_core.image import created

    spec = check_spec(image.id, "")._replace(command=(contract.CLAUDE_BINARY,), init=False)
    with created(engine, spec) as container:
        holding = {path: _holds(engine, container, path) for path in surroundings.FILES}
        return _digest(engine, container), holding


def _digest(engine: Engine, container: str) -> str | None:
    """Hash the CLI's file: the one that is run, as what lies beside it proves nothing.

    Of a CLI that is a script, our own wrapper is run, to the letter, and the script counts.
    """
    import hashlib

    from pinnace_core.image import extract_digest

    found = extract_digest(engine, container, contract.CLAUDE_BINARY)
    for script in _SCRIPTS:
        if found == hashlib.sha256(contract.wrapper(script)).hexdigest():
            return extract_digest(engine, container, f"{contract.CLAUDE_PACKAGE}/{script}")
    return found


def _holds(engine: Engine, container: str, path: str) -> bool:
    """Return whether a file of a container holds anything; what is no plain file does not."""
    try:
        with engine.file(container, path) as stream:
            return bool(stream.read(1))
    except FileNotFoundError:
        return False


def _sha256(image: Image) -> str:
    return image.labels.get(contract.LABEL_SHA256, "")


def _refused(image: Image, text: str) -> VerificationFailedError:
    hint = f"do not use it; remove it: docker image rm {image.id[:19]}"
    return VerificationFailedError(text, hint=hint)


def _place(image: Image, records: Path) -> Path:
    return records / image.id.replace(":", "-")


def _claims(image: Image) -> dict[str, Any]:
    version = str(claims.version_of(image))
    return {"schema": 3, "id": image.id, "version": version, "sha256": _sha256(image)}


def _record(image: Image, stamp: list[list[int]]) -> bytes:
    return json.dumps(_claims(image) | {"locks": stamp}, sort_keys=True).encode()


def _stamp() -> list[list[int]]:
    """Tell one state of the locks from another without reading them: size and time, ns."""
    from pinnace_images import lock

    found = []
    for path in (lock.SHIPPED_LOCK, lock.user_lock()):
        try:
            status = path.stat()
        except OSError:
            found.append([0, 0])
        else:
            found.append([status.st_size, status.st_mtime_ns])
    return found


def _read(path: Path) -> bytes:
    try:
        return read_own(path, most=1 << 12)
    except OSError:
        return b""


def _parsed(record: bytes) -> dict[str, Any]:
    try:
        document = json.loads(record)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _forget(place: Path, *, unless_file: bool = False) -> None:
    """Make way for a record; an empty directory in its place could not be renamed over."""
    with suppress(OSError):
        if place.is_dir() and not place.is_symlink():
            place.rmdir()
        elif not unless_file:
            place.unlink()
