"""Look at local images and downloaded packages, and remove what a plan lets go."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock, Timeout
from python_on_whales.exceptions import DockerException, NoSuchImage

from pinnace_builder.retention import facts
from pinnace_builder.retention.local_plan import (
    LOCK,
    PACKAGE,
    CachedFile,
    LocalImage,
    plan_downloads,
    plan_images,
)
from pinnace_builder.retention.policy import Plan, moment_of
from pinnace_core.console import say
from pinnace_core.engine import whales
from pinnace_core.files import cannot_write
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from python_on_whales import DockerClient

    from pinnace_builder.retention.policy import Item, Policy
    from pinnace_images.versions import CliVersion

_CHANGED: Final = "it has changed meanwhile"


@dataclass(frozen=True)
class Images:
    """The images that builds have left in the engine.

    Attributes:
        client: the engine.
        repository: their local name.
        used: when they were used last, by their ids, as far as somebody knows.
    """

    client: DockerClient
    repository: str = contract.LOCAL_REPOSITORY
    used: Mapping[str, datetime] = field(default_factory=dict)

    def plan(self, policy: Policy) -> Plan:
        """Decide."""
        return plan_images(self._read(), self.repository, policy)

    def apply(self, policy: Policy) -> Plan:
        """Decide, and remove names: never by force, so that the engine has the last word."""
        images = self._read()
        planned = plan_images(images, self.repository, policy)
        names = {image.id: set(image.names) for image in images}
        kept, gone = list(planned.kept), []
        for item in planned.gone:
            if why := self._remove(item, names[item.id]):
                kept.append(item.but(why))
            else:
                gone.append(item)
        return Plan(tuple(kept), tuple(gone))

    def _remove(self, item: Item, names: set[str]) -> str:
        """Remove a name; return the reason if it stays after all."""
        try:
            image = self.client.image.inspect(item.what)
            # A build may have found it, and named it anew.
            if image.id != item.id or not names.issuperset(image.repo_tags or ()):
                return _CHANGED
            self.client.image.remove(item.what)
        except NoSuchImage:
            return ""
        except DockerException as error:
            return f"the engine refuses: {whales.reason(error)}"
        say(f"removed {item.what}")
        return ""

    def _read(self) -> list[LocalImage]:
        """Describe all images of the repository."""
        described = facts.describe(
            self.client, "image", ("image", "ls", "--quiet", "--no-trunc", self.repository)
        )
        if not described:
            return []
        containers, sizes = facts.containers(self.client), facts.unique_sizes(self.client)
        images = [_image(one, containers, sizes) for one in described]
        return [replace(image, used=self.used.get(image.id)) for image in images]


def _image(
    described: Mapping[str, Any], containers: Mapping[str, str], sizes: Mapping[str, int]
) -> LocalImage:
    image = str(described["Id"])
    return LocalImage(
        id=image,
        names=tuple(described.get("RepoTags") or ()),
        labels=(described.get("Config") or {}).get("Labels") or {},
        created=moment_of(described.get("Created")),
        tagged=moment_of((described.get("Metadata") or {}).get("LastTagTime")),
        size=sizes.get(image),
        container=containers.get(image, ""),
    )


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
        """Decide."""
        return plan_downloads(self._read(), self.locked, policy)

    def apply(self, policy: Policy) -> Plan:
        """Decide, and remove files that nobody is using.

        Raises:
            CannotWriteError: something cannot be removed.
        """
        planned = self.plan(policy)
        kept, gone = list(planned.kept), []
        for item in planned.gone:
            try:
                why = self._remove(item)
            except OSError as error:
                raise cannot_write(self.directory / item.id, error) from error
            if why:
                kept.append(item.but(why))
            else:
                say(f"removed {item.what}")
                gone.append(item)
        return Plan(tuple(kept), tuple(gone))

    def _read(self) -> list[CachedFile]:
        try:
            paths = list(self.directory.iterdir())
        except FileNotFoundError:
            return []
        return [file for path in paths if (file := _file(path))]

    def _remove(self, item: Item) -> str:
        """Remove a file or a directory; return the reason if it stays after all."""
        path = self.directory / item.id
        package = PACKAGE.fullmatch(item.id)
        if package and self._is_in_use(package[1]):
            return "a build is at work"
        if not package and not LOCK.fullmatch(item.id):
            with suppress(FileNotFoundError):
                shutil.rmtree(path)
            return ""
        try:
            return _remove_package(path.with_suffix(".tgz"), is_there=bool(package))
        except Timeout:
            return "another process is fetching it"

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
        size = status.st_size + sum(one.lstat().st_size for one in inside)
    except FileNotFoundError:
        return None
    return CachedFile(path.name, size, datetime.fromtimestamp(status.st_mtime, UTC))


def _remove_package(path: Path, *, is_there: bool) -> str:
    """Remove a package and its lock's file, at no time one that somebody else holds.

    Raises:
        Timeout: somebody else holds it.
    """
    lock = path.with_suffix(".lock")
    with FileLock(lock, timeout=0):
        if path.exists() and not is_there:
            return _CHANGED
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
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
