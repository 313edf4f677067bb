"""The content-addressed cache of CLI packages: every file in it is verified each time it is used.

A download happens in a directory of its own inside the cache and is renamed into place when its
digest is right, so an interrupted one is never used; a file that has gone bad is fetched again.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import tarfile
import time
import zlib
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final, cast

from filelock import Timeout

from pinnace_builder import npm
from pinnace_core import console, host, signals
from pinnace_core.errors import CannotWriteError, UnknownVersionError, VerificationFailedError
from pinnace_core.files import cannot_write, make_directory
from pinnace_core.locks import file_lock
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

    from pinnace_images.lock import Package
    from pinnace_images.versions import CliVersion

_ABANDONED_SECONDS: Final = 86400
# Some twenty packages: two platforms of what a publication may look at.
_MOST_CACHED: Final = 4 << 30
_PREFIX: Final = "package/"


def cache_directory() -> Path:
    """Return the directory of downloaded packages."""
    return host.directory("cache") / "packages"


def fetch(package: Package, version: CliVersion | str, *, cache: Path | None = None) -> Path:
    """Return the verified tarball of `package`, downloading it if the cache has no good one.

    Raises:
        VerificationFailedError: what npm delivers is not what the lock says.
        CannotWriteError: no space, or no permission.
        RegistryUnreachableError: no answer.
    """
    directory = make_directory(cache or cache_directory())
    place = directory / f"{package.sha256}.tgz"
    with file_lock(directory / f"{package.sha256}.lock"):
        if place.exists():
            if integrity(place) == package.integrity:
                os.utime(place)
                return place
            console.say(f"the cached {package.name} {version} is damaged: fetching it again")
        with download(package.name, str(version), directory, package.size) as tarball:
            _check(tarball, package, version)
            tarball.replace(place)
    _bound(directory)
    return place


def _bound(directory: Path) -> None:
    """Keep the cache from growing for ever: what was used longest ago goes."""
    found = sorted(directory.glob("*.tgz"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for path in found:
        total += path.stat().st_size
        if total > _MOST_CACHED:
            with suppress(OSError, Timeout), file_lock(path.with_suffix(".lock"), timeout=0):
                path.unlink()


@contextmanager
def download(name: str, version: str, directory: Path, size: int | None) -> Iterator[Path]:
    """Download a package into a directory of its own below `directory`, gone afterwards.

    Args:
        name: of the package.
        version: exact.
        directory: on the disk that it will stay on.
        size: in bytes, of one that is locked; None: it is not.
    """
    _sweep(directory)
    with ExitStack() as stack:
        try:
            into = stack.enter_context(signals.temporary_directory(".fetch-", below=directory))
        except OSError as error:
            raise cannot_write(directory, error) from error
        update = stack.enter_context(console.download(f"fetching {name} {version}", size))
        yield npm.pack(name, version, into, progress=update, locked=size is not None)


def _sweep(directory: Path) -> None:
    """Remove what processes that were killed have left, a day later."""
    for left in directory.glob(".fetch-*"):
        if time.time() - left.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def integrity(path: Path) -> str:
    """Hash a file as npm does (`sha512-BASE64`)."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha512").digest()
    return f"sha512-{base64.b64encode(digest).decode()}"


def sha256(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_inside(tarball: Path, name: str) -> str:
    """Hash one file of a package, unextracted.

    Raises:
        UnknownVersionError: the package has no such file.
        TarError: it is damaged; likewise EOFError and zlib.error.
    """
    with tarfile.open(tarball) as archive, _member(archive, name) as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _check(tarball: Path, package: Package, version: CliVersion | str) -> None:
    if integrity(tarball) != package.integrity or sha256(tarball) != package.sha256:
        raise VerificationFailedError(
            f"{package.name} {version} is not what the lock says: its digest differs",
            hint="do not use it; compare the lock with version control and the registry",
        )


def unpack(tarball: Path, package: Package, into: Path) -> None:
    """Lay out a verified package as the image holds it below /opt/claude.

    Raises:
        VerificationFailedError: the executable is not what the lock says.
        CannotWriteError: no space.
    """
    try:
        executable = _lay_out(tarball, package, into)
    except OSError as error:
        raise cannot_write(into, error) from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise VerificationFailedError(
            f"the tarball of {package.name} is damaged, or reaches out of its place: {error}",
            hint="do not use it; compare the lock with version control and the registry",
        ) from error
    if sha256(executable) != package.executable_sha256:
        raise VerificationFailedError(
            f"the executable in {package.name} is not what the lock says",
            hint="do not use it; compare the lock with version control",
        )


def _lay_out(tarball: Path, package: Package, into: Path) -> Path:
    binary = into / "bin" / "claude"
    binary.parent.mkdir(parents=True)
    if package.needs_node:
        extract(tarball, into)
        binary.write_bytes(contract.wrapper(package.executable))
        executable = into / _PREFIX / package.executable
        if not executable.is_file():
            raise _without(package.executable)
    else:
        extract_file(tarball, package.executable, binary)
        executable = binary
    _normalise(into)
    return executable


def extract(tarball: Path, into: Path) -> None:
    """Extract a package.

    Not `extractall`: its filter came with Python 3.11.4. npm packs regular files only.

    Raises:
        VerificationFailedError: a member is something else, or would leave `into`.
    """
    for name, member, source in files(tarball):
        copy(source, into / name)
        (into / name).chmod(member.mode & 0o777)


def files(tarball: Path) -> Iterator[tuple[str, tarfile.TarInfo, IO[bytes]]]:
    """Yield a package's files: name, what is known of it, and its content, to be read at once.

    Raises:
        VerificationFailedError: a member is something else, or would leave its directory.
        TarError: it is damaged; likewise EOFError and zlib.error.
    """
    with tarfile.open(tarball) as archive:
        for member in archive:
            place = PurePosixPath(member.name)
            if member.isdir():
                continue
            source = archive.extractfile(member) if member.isreg() else None
            # Nor links: they could be followed out of the directory by what is written later.
            if source is None or place.is_absolute() or ".." in place.parts:
                raise VerificationFailedError(
                    f"the package holds '{member.name}', which is no plain file of its own",
                    hint="do not use it; ask who publishes it",
                )
            yield member.name, member, source


def extract_file(tarball: Path, name: str, to: Path) -> None:
    """Extract one file of a package.

    Raises:
        UnknownVersionError: the package has no such file.
    """
    with tarfile.open(tarball) as archive, _member(archive, name) as source:
        copy(source, to)


def _member(archive: tarfile.TarFile, name: str) -> BufferedReader:
    """Open a file of a package."""
    try:
        member = archive.getmember(_PREFIX + str(PurePosixPath(name)))
    except KeyError:
        raise _without(name) from None
    source = archive.extractfile(member) if member.isreg() else None
    if source is None:
        raise _without(name)
    return cast("BufferedReader", source)  # which is what it is, says its documentation


def copy(source: IO[bytes], to: Path) -> None:
    """Write what is left of a stream to a file; its directory is made."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with to.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _without(name: str) -> UnknownVersionError:
    return UnknownVersionError(
        f"the package holds no '{name}'", hint="compare the lock with version control"
    )


def _normalise(root: Path) -> None:
    """Readable by all, writable by root: the same whatever the tarball or our umask says."""
    for path in sorted(root.rglob("*")):
        executable = path.is_dir() or path.parent.name == "bin" or bool(path.stat().st_mode & 0o100)
        path.chmod(0o755 if executable else 0o644)
    root.chmod(0o755)


def require_space(path: Path, needed: int) -> None:
    """Say early that a disk is too small.

    Raises:
        CannotWriteError: less than `needed` bytes are free.
    """
    free = shutil.disk_usage(path).free
    if free < needed:
        raise CannotWriteError(
            f"'{path}' has {free >> 20} MiB free, {needed >> 20} MiB are needed",
            hint="free some space, or point TMPDIR or XDG_CACHE_HOME to a larger disk",
        )
