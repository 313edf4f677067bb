"""Resolve a CLI version through npm to a lock entry."""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder import npm
from pinnace_builder import packages as fetch
from pinnace_core.console import say
from pinnace_core.errors import BadLockError, UnknownVersionError, VerificationFailedError
from pinnace_core.files import cannot_write, make_directory
from pinnace_images.lock import ANY, GLIBC, MUSL, LockEntry, Package, is_below
from pinnace_images.platforms import SUPPORTED
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from pinnace_images.versions import Specifier

MAIN_PACKAGE: Final = "@anthropic-ai/claude-code"
# From here on the CLI is a native executable, in one package per platform.
FIRST_NATIVE: Final = CliVersion(2, 1, 110)
_SETTLING: Final = timedelta(days=1)


def published() -> list[CliVersion]:
    """List all published versions, oldest first; prereleases are no releases."""
    return sorted(CliVersion.parse(t) for t in npm.versions(MAIN_PACKAGE) if "-" not in t)


def newest(specifier: Specifier) -> CliVersion:
    """Return the newest published version that fits; of a channel, the one that it points to.

    Raises:
        UnknownVersionError: none does.
    """
    if specifier.exact is not None:
        return specifier.exact
    if specifier.is_channel:
        return _channel(str(specifier))
    versions = published()
    found = specifier.best(versions)
    if found is None:
        raise UnknownVersionError(
            f"no published version fits '{specifier}'",
            hint=f"the newest is {versions[-1]}",
        )
    return found


def _channel(name: str) -> CliVersion:
    tags = npm.tags(MAIN_PACKAGE)
    if name not in tags:
        known = ", ".join(sorted(tags))
        raise UnknownVersionError(f"the registry has no channel '{name}'", hint=f"it has: {known}")
    return CliVersion.parse(tags[name])


def require_published(version: CliVersion) -> None:
    """See that a version exists.

    Raises:
        UnknownVersionError: it does not.
    """
    npm.view(MAIN_PACKAGE, str(version))


def targets(version: CliVersion) -> list[tuple[str, str, str]]:
    """List what a version is published for: package, platform, libc."""
    if version < FIRST_NATIVE:
        return [(MAIN_PACKAGE, ANY, ANY)]
    return [
        (f"{MAIN_PACKAGE}-{platform.npm}{suffix}", str(platform), libc)
        for platform in SUPPORTED
        for suffix, libc in (("", GLIBC), ("-musl", MUSL))
    ]


def resolve(version: CliVersion, *, only: Container[tuple[str, str]] | None = None) -> LockEntry:
    """Look up, download and hash the packages of `version`.

    Args:
        version: exact.
        only: these platforms (`linux/amd64`) and libcs; all by default.

    Raises:
        UnknownVersionError: not published.
        RegistryUnreachableError: no answer.
        VerificationFailedError: a download does not match the registry's digest.
    """
    found = npm.view(MAIN_PACKAGE, str(version), "time", "bin")
    time = found.get("time")
    moment = str(time.get(str(version), "")) if isinstance(time, dict) else ""
    executable = _executable(found, version)
    packages = []
    for name, platform, libc in targets(version):
        if only is not None and platform != ANY and (platform, libc) not in only:
            continue
        try:
            packages.append(_package(name, version, (platform, libc), executable))
        except UnknownVersionError:
            # 2.1.120 never came for linux/arm64. Of a new version, that may still come.
            if not _is_settled(moment):
                raise
            say(f"{version} was never published for {platform} ({libc})")
    if not packages:
        raise UnknownVersionError(
            f"{version} was never published for this platform", hint="use another version"
        )
    return LockEntry(version, tuple(packages), moment)


def _is_settled(published: str) -> bool:
    """Return whether a version is old enough for all of its packages to be there."""
    if not published:
        return False
    return datetime.now(UTC) - datetime.fromisoformat(published) > _SETTLING


def _executable(found: Mapping[str, Any], version: CliVersion) -> str:
    """Return the path of the CLI in its package: a platform package's is always the same."""
    if version >= FIRST_NATIVE:
        return "claude"
    binary = found.get("bin")
    executable = binary.get("claude") if isinstance(binary, dict) else binary
    if not isinstance(executable, str) or not is_below(executable.removeprefix("./")):
        raise UnknownVersionError(
            f"{MAIN_PACKAGE} {version} has no 'claude'", hint="use another version"
        )
    return executable


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
