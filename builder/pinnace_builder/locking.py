"""Keep the lock: add versions, and see that the registry still says what was locked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from filelock import FileLock

from pinnace_builder import npm, resolve
from pinnace_core import paths
from pinnace_core.console import say
from pinnace_core.errors import PinnaceError, UnknownVersionError, VerificationFailedError
from pinnace_core.files import make_directory
from pinnace_images import lock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pinnace_images.lock import LockEntry, Package
    from pinnace_images.versions import CliVersion, Specifier

_AT_ONCE: Final = 4


def choose(
    specifiers: Iterable[Specifier], *, since: CliVersion | None, newer_than: CliVersion | None
) -> list[CliVersion]:
    """Decide which published versions are meant, oldest first.

    Args:
        specifiers: each means its newest published version.
        since: all from this one on.
        newer_than: all after this one.

    Raises:
        UnknownVersionError: a specifier that no published version fits.
    """
    chosen = {resolve.newest(specifier) for specifier in specifiers}
    if since is not None or newer_than is not None:
        for version in resolve.published():
            if (since and version >= since) or (newer_than and version > newer_than):
                chosen.add(version)
    return sorted(chosen)


def add(path: Path, versions: Iterable[CliVersion]) -> None:
    """Resolve versions into the lock at `path`, each one kept as soon as it is complete."""
    lock.load(path)
    for version in versions:
        save(path, [resolve.resolve(version)])
        say(f"locked {version} in '{path}'")


def save(path: Path, entries: Iterable[LockEntry]) -> None:
    """Add entries to the lock at `path`, safe against others doing the same."""
    with FileLock(make_directory(paths.directory("cache")) / "lock.lock"):
        known = lock.load(path)
        lock.save(path, known.merged(lock.Lock({entry.version: entry for entry in entries})))


def check(entries: Iterable[LockEntry]) -> int:
    """Compare locked packages with the registry; give their number.

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
