"""Resolve a CLI version through npm to a lock entry."""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace_builder import fetch, npm
from pinnace_images.errors import BadLockError, UnknownVersionError, VerificationFailedError
from pinnace_images.files import cannot_write, make_directory
from pinnace_images.lock import ANY, GLIBC, LockEntry, Package
from pinnace_images.platforms import SUPPORTED
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from pinnace_images.versions import Specifier

MAIN_PACKAGE: Final = "@anthropic-ai/claude-code"
# From here on the CLI is a native executable, in one package per platform.
FIRST_NATIVE: Final = CliVersion(2, 1, 110)


def newest(specifier: Specifier) -> CliVersion:
    """Give the newest published version that fits.

    Raises:
        UnknownVersionError: none does.
    """
    if specifier.exact is not None:
        return specifier.exact
    published = [CliVersion.parse(text) for text in npm.versions(MAIN_PACKAGE) if "-" not in text]
    found = specifier.best(published)
    if found is None:
        raise UnknownVersionError(
            f"no published version fits '{specifier}'",
            hint=f"the newest is {max(published)}",
        )
    return found


def require_published(version: CliVersion) -> None:
    """See that a version exists.

    Raises:
        UnknownVersionError: it does not.
    """
    npm.view(MAIN_PACKAGE, str(version))


def resolve(version: CliVersion, *, platforms: tuple[str, ...] | None = None) -> LockEntry:
    """Look up, download and hash the packages of `version`.

    Args:
        version: exact.
        platforms: only these (`linux/amd64`); all by default.

    Raises:
        UnknownVersionError: not published.
        RegistryUnreachableError: no answer.
        VerificationFailedError: a download does not match the registry's digest.
    """
    wanted = [p for p in SUPPORTED if platforms is None or str(p) in platforms]
    if version < FIRST_NATIVE:
        return LockEntry(version, (_script(version),))
    packages = [
        _package(f"{MAIN_PACKAGE}-{p.npm}", version, (str(p), GLIBC), "claude") for p in wanted
    ]
    return LockEntry(version, tuple(packages))


def _script(version: CliVersion) -> Package:
    binary = npm.view(MAIN_PACKAGE, str(version), "bin").get("bin")
    executable = binary.get("claude") if isinstance(binary, dict) else binary
    if not isinstance(executable, str):
        raise UnknownVersionError(
            f"{MAIN_PACKAGE} {version} has no 'claude'", hint="use another version"
        )
    return _package(MAIN_PACKAGE, version, (ANY, ANY), executable)


def _package(name: str, version: CliVersion, target: tuple[str, str], executable: str) -> Package:
    stated = npm.view(name, str(version), "dist.integrity").get("dist.integrity")
    cache = make_directory(fetch.cache_directory())
    with fetch.download(name, str(version), cache, None) as tarball:
        integrity, digest = fetch.integrity(tarball), fetch.sha256(tarball)
        if stated != integrity:
            raise BadLockError(
                f"{name} {version}: the registry states another digest", hint="try again"
            )
        package = Package(
            platform=target[0],
            libc=target[1],
            name=name,
            integrity=integrity,
            sha256=digest,
            size=tarball.stat().st_size,
            executable=executable.removeprefix("./"),
            executable_sha256=_hash_member(tarball, executable),
        )
        tarball.replace(cache / f"{digest}.tgz")
    return package


def _hash_member(tarball: Path, name: str) -> str:
    try:
        with tempfile.TemporaryDirectory(dir=tarball.parent) as directory:
            extracted = Path(directory) / "executable"
            fetch.extract_file(tarball, name, extracted)
            return fetch.sha256(extracted)
    except OSError as error:
        raise cannot_write(tarball.parent, error) from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise VerificationFailedError(
            f"the tarball with '{name}' is damaged: {error}", hint="try again"
        ) from error
