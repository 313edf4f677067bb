"""The lock: resolve versions through npm, add them, and see that npm still says what was locked."""

from __future__ import annotations

import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder import npm, packages
from pinnace_core import host
from pinnace_core.console import say
from pinnace_core.errors import (
    BadLockError,
    PinnaceError,
    TooNewError,
    UnknownVersionError,
    VerificationFailedError,
)
from pinnace_core.files import make_directory
from pinnace_core.locks import file_lock
from pinnace_images import lock as locks
from pinnace_images.lock import ANY, GLIBC, MUSL, Lock, LockEntry, Package, is_below
from pinnace_images.platforms import SUPPORTED
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping
    from pathlib import Path

    from pinnace_images.platforms import Platform
    from pinnace_images.versions import Specifier

MAIN_PACKAGE: Final = "@anthropic-ai/claude-code"
# From here on the CLI is a native executable, in one package per platform.
FIRST_NATIVE: Final = CliVersion(2, 1, 110)
_SETTLING: Final = timedelta(days=1)
_AT_ONCE: Final = 4


def published() -> list[CliVersion]:
    """List all published versions, oldest first; prereleases are no releases."""
    return sorted(CliVersion.parse(t) for t in npm.versions(MAIN_PACKAGE) if "-" not in t)


def newest(specifier: Specifier, platform: Platform | None = None) -> CliVersion:
    """Return the newest published version that fits; of a channel, the one that it points to.

    Args:
        specifier: what is wanted.
        platform: the version has to be there for; a channel may be ahead of it.

    Raises:
        UnknownVersionError: none does.
    """
    if specifier.exact is not None:
        return specifier.exact
    there = _for(platform)
    if specifier.is_channel:
        tagged = _channel(str(specifier))
        if there(tagged):
            return tagged
        before = (version for version in published() if version <= tagged)
        found = max(filter(there, before), default=None)
    else:
        found = specifier.best(version for version in published() if there(version))
    if found is None:
        where = f" for {platform}" if platform else ""
        raise UnknownVersionError(
            f"no published version{where} fits '{specifier}'",
            hint=f"the newest is {published()[-1]}",
        )
    return found


def _for(platform: Platform | None) -> Callable[[CliVersion], bool]:
    """Return what says whether a version is published for a platform."""
    if platform is None:
        return lambda _: True
    known = set(npm.versions(f"{MAIN_PACKAGE}-{platform.npm}"))
    return lambda version: version < FIRST_NATIVE or str(version) in known


def _channel(name: str) -> CliVersion:
    tags = npm.tags(MAIN_PACKAGE)
    if name not in tags:
        known = ", ".join(sorted(tags))
        raise UnknownVersionError(f"the registry has no channel '{name}'", hint=f"it has: {known}")
    return CliVersion.parse(tags[name])


def require_published(version: CliVersion, platform: Platform | None = None) -> None:
    """See that a version exists, for a platform if one is given.

    Raises:
        UnknownVersionError: it does not.
    """
    native = platform if version >= FIRST_NATIVE else None
    npm.view(f"{MAIN_PACKAGE}-{native.npm}" if native else MAIN_PACKAGE, str(version))


def choose(
    specifiers: Iterable[Specifier], *, since: CliVersion | None, newer_than: CliVersion | None
) -> list[CliVersion]:
    """Return the published versions that are meant, oldest first.

    Args:
        specifiers: each means its newest published version.
        since: all from this one on.
        newer_than: all after this one.

    Raises:
        UnknownVersionError: a specifier that no published version fits.
    """
    chosen = {newest(specifier) for specifier in specifiers}
    if since is not None or newer_than is not None:
        for version in published():
            if (since and version >= since) or (newer_than and version > newer_than):
                chosen.add(version)
    return sorted(chosen)


def add(path: Path, versions: Iterable[CliVersion], *, replace: bool = False) -> None:
    """Resolve versions into the lock at `path`, each one kept as soon as it is complete.

    Raises:
        VerificationFailedError: as `save`.
    """
    locks.load(path)
    for version in versions:
        save(path, [resolve(version)], replace=replace)
        say(f"locked {version} in '{path}'")


def save(path: Path, entries: Iterable[LockEntry], *, replace: bool = False) -> None:
    """Add entries to the lock at `path`, safe against others doing the same.

    Args:
        path: of the lock.
        entries: new ones, or packages that are missing of old ones.
        replace: what is locked already may change; what does is said.

    Raises:
        VerificationFailedError: what is locked already would change: a lock never does by itself.
    """
    with file_lock(host.directory("cache") / "lock.lock"):
        known = locks.load(path)
        changes = [text for entry in entries for text in differences(known, entry)]
        for text in changes:
            say(text)
        if changes and not replace:
            raise VerificationFailedError(
                f"'{path}' holds other digests than those that the registry states now",
                hint="ask who publishes it; if you are sure: pinnace-build lock VERSION --replace",
            )
        locks.save(path, known.merged(locks.Lock({entry.version: entry for entry in entries})))


def differences(known: Lock, entry: LockEntry) -> list[str]:
    """Return what of a locked version would change, a line for each field."""
    before = known.entries.get(entry.version)
    if before is None:
        return []
    locked = {package.name: package for package in before.packages}
    return [
        f"{package.name} {entry.version}: {field} is locked as {old}, and would become {new}"
        for package in entry.packages
        if package.name in locked
        for field, old, new in zip(Package._fields, locked[package.name], package, strict=True)
        if old != new
    ]


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
    stated = npm.view(MAIN_PACKAGE, str(version), "time", "bin")
    time = stated.get("time")
    moment = str(time.get(str(version), "")) if isinstance(time, dict) else ""
    executable = _executable(stated, version)
    found = []
    for name, platform, libc in targets(version):
        if only is not None and platform != ANY and (platform, libc) not in only:
            continue
        try:
            found.append(_package(name, version, (platform, libc), executable))
        except TooNewError:
            raise
        except UnknownVersionError:
            # 2.1.120 never came for linux/arm64. Of a new version, that may still come.
            if not _is_settled(moment):
                raise
            say(f"{version} was never published for {platform} ({libc})")
    if not found:
        raise UnknownVersionError(
            f"{version} was never published for this platform", hint="use another version"
        )
    return LockEntry(version, tuple(found), moment)


def _is_settled(published: str) -> bool:
    """Return whether a version is old enough for all of its packages to be there."""
    if not published:
        return False
    return datetime.now(UTC) - datetime.fromisoformat(published) > _SETTLING


def _executable(stated: Mapping[str, Any], version: CliVersion) -> str:
    """Return the path of the CLI in its package: a platform package's is always the same."""
    if version >= FIRST_NATIVE:
        return "claude"
    binary = stated.get("bin")
    executable = binary.get("claude") if isinstance(binary, dict) else binary
    if not isinstance(executable, str) or not is_below(executable.removeprefix("./")):
        raise UnknownVersionError(
            f"{MAIN_PACKAGE} {version} has no 'claude'", hint="use another version"
        )
    return executable


def _package(name: str, version: CliVersion, target: tuple[str, str], executable: str) -> Package:
    stated = npm.view(name, str(version), "dist.integrity").get("dist.integrity")
    cache = make_directory(packages.cache_directory())
    with packages.download(name, str(version), cache, None) as tarball:
        integrity, digest = packages.integrity(tarball), packages.sha256(tarball)
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
            executable_sha256=_hash(tarball, executable),
        )
        tarball.replace(cache / f"{digest}.tgz")
    return package


def _hash(tarball: Path, name: str) -> str:
    try:
        return packages.sha256_inside(tarball, name)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise VerificationFailedError(
            f"the tarball with '{name}' is damaged: {error}", hint="try again"
        ) from error


def check_published(entries: Iterable[LockEntry]) -> int:
    """Compare locked packages with the registry; return their number.

    Raises:
        UnknownVersionError: some are no longer published.
        VerificationFailedError: the registry states other digests.
        RegistryUnreachableError: no answer.
    """
    asked = [(entry, package) for entry in entries for package in entry.packages]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        problems = [p for p in pool.map(lambda pair: _problem(*pair), asked) if p is not None]
    # The gravest last: what was tampered with counts for more than what is gone.
    problems.sort(key=lambda problem: problem.exit_code)
    for problem in problems[:-1]:
        say(problem.message)
    if problems:
        raise problems[-1]
    return len(asked)


def _problem(entry: LockEntry, package: Package) -> PinnaceError | None:
    subject = f"{package.name} {entry.version}"
    try:
        found = npm.view(package.name, str(entry.version), "dist.integrity", "deprecated")
    except UnknownVersionError as error:
        return error
    if found.get("deprecated"):
        say(f"{subject} is deprecated: {found['deprecated']}")
    if found.get("dist.integrity") != package.integrity:
        return VerificationFailedError(
            f"the registry states another digest for {subject} than the lock",
            hint="do not update the lock; ask who publishes it",
        )
    return None
