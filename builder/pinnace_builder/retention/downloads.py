"""Downloaded packages: which of them stay, and the removal of the others."""

from __future__ import annotations

import os
import re
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from filelock import Timeout

from pinnace_builder.retention.policy import CHANGED, DOWNLOADS, Item, Plan, carried_out
from pinnace_core.files import cannot_write
from pinnace_core.locks import file_lock
from pinnace_images import refs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pinnace_builder.retention.policy import Policy
    from pinnace_images.versions import CliVersion

_PACKAGE: Final = re.compile(r"([0-9a-f]{64})\.tgz")
_LOCK: Final = re.compile(r"([0-9a-f]{64})\.lock")
_UNFINISHED: Final = ".fetch-"


@dataclass(frozen=True)
class CachedFile:
    """Something in the directory of downloaded packages.

    Attributes:
        name: of the file, or of an unfinished download's directory.
        size: bytes.
        modified: when it was downloaded.
    """

    name: str
    size: int
    modified: datetime

    @property
    def digest(self) -> str:
        """Of a package, or of the package that a lock is for."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Downloads:
    """The cache of CLI packages.

    Attributes:
        directory: of the packages; that of the builds' locks is above it.
        locked: versions by the digests of their packages.
    """

    directory: Path
    locked: Mapping[str, CliVersion]

    def plan(self, policy: Policy) -> Plan:
        """Return what stays and goes."""
        return plan_downloads(self._read(), self.locked, policy)

    def apply(self, policy: Policy) -> Plan:
        """Remove files that nobody is using.

        Raises:
            CannotWriteError: something cannot be removed.
        """
        return carried_out(self.plan(policy), self._remove)

    def _read(self) -> list[CachedFile]:
        try:
            paths = list(self.directory.iterdir())
        except FileNotFoundError:
            return []
        return [file for path in paths if (file := _file(path))]

    def _remove(self, item: Item) -> str:
        """Remove a file or a directory; return the reason if it stays after all."""
        path = self.directory / item.id
        package = _PACKAGE.fullmatch(item.id)
        if package and self._is_in_use(package[1]):
            return "a build is at work"
        try:
            if package or _LOCK.fullmatch(item.id):
                return _remove_package(path.with_suffix(".tgz"), is_there=bool(package))
            with suppress(FileNotFoundError):
                shutil.rmtree(path)
        except Timeout:
            return "another process is fetching it"
        except OSError as error:
            raise cannot_write(path, error) from error
        return ""

    def _is_in_use(self, digest: str) -> bool:
        """Return whether a build is running that may have fetched a package and not unpacked it."""
        above, version = self.directory.parent, self.locked.get(digest)
        builds = above.glob(f"build-{version}-*.lock") if version else ()
        return any(map(_is_held, (*builds, *above.glob("publish-*.lock"))))


def _file(path: Path) -> CachedFile | None:
    """Describe a file, or a directory with all that is in it; None if it goes away meanwhile."""
    try:
        status = path.lstat()
        inside = path.rglob("*") if stat.S_ISDIR(status.st_mode) else ()
        size = status.st_size + sum(path.lstat().st_size for path in inside)
    except FileNotFoundError:
        return None
    return CachedFile(path.name, size, datetime.fromtimestamp(status.st_mtime, UTC))


def _remove_package(path: Path, *, is_there: bool) -> str:
    """Remove a package and its lock's file, at no time one that somebody else holds.

    Raises:
        Timeout: somebody else holds it.
    """
    lock = path.with_suffix(".lock")
    with file_lock(lock, timeout=0):
        if path.exists() and not is_there:
            return CHANGED
        path.unlink(missing_ok=True)
        if os.name != "nt":
            lock.unlink(missing_ok=True)
    if os.name == "nt":
        # An open file cannot be removed there: so not before, and not while another one has it.
        with suppress(OSError):
            lock.unlink()
    return ""


def _is_held(path: Path) -> bool:
    try:
        with file_lock(path, timeout=0):
            return False
    except Timeout:
        return True


def plan_downloads(
    files: Sequence[CachedFile], locked: Mapping[str, CliVersion], policy: Policy
) -> Plan:
    """Return which files in the directory of downloaded packages stay and go.

    Args:
        files: what is there.
        locked: versions by the digests of their packages.
        policy: what to keep.
    """
    packages = {found[1] for file in files if (found := _PACKAGE.fullmatch(file.name))}
    versions = {locked[digest] for digest in packages if digest in locked}
    return Plan.of(
        (_item(file, locked), *_why_file(file, locked, versions, policy))
        for file in sorted(files, key=lambda file: file.name)
        # A lock stays and goes with its package.
        if not (_LOCK.fullmatch(file.name) and file.digest in packages)
    )


def _item(file: CachedFile, locked: Mapping[str, CliVersion]) -> Item:
    version, name = locked.get(file.digest), file.name.replace(file.digest, refs.short(file.digest))
    return Item(DOWNLOADS, f"{version} {name}" if version else name, size=file.size, id=file.name)


def _why_file(
    file: CachedFile,
    locked: Mapping[str, CliVersion],
    versions: set[CliVersion],
    policy: Policy,
) -> tuple[str, str]:
    """Return why a file stays (empty if it does not), and why it would go."""
    version, fresh = locked.get(file.digest), policy.is_fresh(file.modified)
    if _PACKAGE.fullmatch(file.name) and version is None:
        # It is there before its version is in the lock.
        return "it may be on its way into a lock" if fresh else "", "no lock knows it"
    if _PACKAGE.fullmatch(file.name) and version:
        stays = policy.version_stays(version, versions) or policy.age_stays(file.modified)
        return stays, policy.exceeded
    if _LOCK.fullmatch(file.name):
        return "", "its package is not there"
    if file.name.startswith(_UNFINISHED):
        stays = "a download may be at work in it" if fresh else ""
        return stays, "left by a download that was interrupted"
    return "not a file of the cache", ""
