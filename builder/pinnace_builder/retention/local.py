"""Local images and downloaded packages: which of them stay, and the removal of the others."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock, Timeout
from python_on_whales.exceptions import DockerException, NoSuchImage

from pinnace_builder.retention import facts
from pinnace_builder.retention.policy import DOWNLOADS, IMAGES, Item, Plan, moment_of, youngest
from pinnace_builder.retention.scan import version_of
from pinnace_core.console import say
from pinnace_core.engine import whales
from pinnace_core.files import cannot_write
from pinnace_images import contract, refs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from python_on_whales import DockerClient

    from pinnace_builder.retention.policy import Policy
    from pinnace_images.versions import CliVersion

_CHANGED: Final = "it has changed meanwhile"
_PACKAGE: Final = re.compile(r"([0-9a-f]{64})\.tgz")
_LOCK: Final = re.compile(r"([0-9a-f]{64})\.lock")
_UNFINISHED: Final = ".fetch-"
_BUILDING: Final = re.compile(r"building-[0-9a-f]{12}")


@dataclass(frozen=True)
class LocalImage:
    """An image that the engine holds.

    Attributes:
        id: the engine's.
        names: all of them, also in other repositories.
        labels: its own.
        created: as it states itself.
        tagged: when it got a name last; later than that it was not built.
        size: bytes that it shares with no other image.
        container: one that was made from it, running or not.
        used: when it was used last, if somebody knows.
    """

    id: str
    names: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
    tagged: datetime | None = None
    size: int | None = None
    container: str = ""
    used: datetime | None = None

    @property
    def version(self) -> CliVersion | None:
        """The CLI's."""
        return version_of(self.labels)

    @property
    def variant(self) -> str:
        """As its label says."""
        return self.labels.get(contract.LABEL_VARIANT, "")

    @property
    def moving(self) -> str:
        """The tag that a build moves to it."""
        return f"{self.version}-{self.variant}"

    @property
    def immutable(self) -> str:
        """The tag that a build gives to it alone."""
        return f"{self.moving}-{refs.short(self.labels.get(contract.LABEL_BUILD_ID, ''))}"

    def is_projects(self, name: str, repository: str) -> bool:
        """Return whether it was built for a project, and has this name from there."""
        identity = self.labels.get(contract.LABEL_PROJECT, "")
        tail = contract.project_name(str(self.version), self.variant, identity)
        return bool(identity) and name == repository + tail.removeprefix(contract.LOCAL_REPOSITORY)


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
        """Return what stays and goes."""
        return plan_images(self._read(), self.repository, policy)

    def apply(self, policy: Policy) -> Plan:
        """Remove names, never by force, so that the engine has the last word."""
        images = self._read()
        planned = plan_images(images, self.repository, policy)
        names = {image.id: set(image.names) for image in images}
        return _carried_out(planned, lambda item: self._remove(item, names[item.id]))

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
        return ""

    def _read(self) -> list[LocalImage]:
        """Describe all images of the repository."""
        described = facts.describe(
            self.client, "image", ("image", "ls", "--quiet", "--no-trunc", self.repository)
        )
        if not described:
            return []
        containers, sizes = facts.containers(self.client), facts.unique_sizes(self.client)
        images = [_image(image, containers, sizes) for image in described]
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
class _Shelf:
    """What one image is judged by.

    Attributes:
        repository: local name.
        current: ids by name.
        versions: by variant.
    """

    repository: str
    current: Mapping[str, str]
    versions: Mapping[str, set[CliVersion]]


def plan_images(images: Sequence[LocalImage], repository: str, policy: Policy) -> Plan:
    """Return which names in a local repository stay and go."""
    pairs = sorted(
        ((name, image) for image in images for name in image.names if _tag(name, repository)),
        key=lambda pair: pair[0],
    )
    shelf = _Shelf(repository, {name: image.id for name, image in pairs}, _versions(pairs))
    plan = Plan.of(
        (Item(IMAGES, name, id=image.id), *_why_image(name, image, shelf, policy))
        for name, image in pairs
    )
    return replace(plan, gone=tuple(_with_sizes(plan.gone, images)))


def _tag(name: str, repository: str) -> str:
    return name.removeprefix(f"{repository}:") if name.startswith(f"{repository}:") else ""


def _versions(pairs: Iterable[tuple[str, LocalImage]]) -> dict[str, set[CliVersion]]:
    found: dict[str, set[CliVersion]] = defaultdict(set)
    for name, image in pairs:
        if image.version and name.endswith((f":{image.moving}", f":{image.immutable}")):
            found[image.variant].add(image.version)
    return found


def _why_image(name: str, image: LocalImage, shelf: _Shelf, policy: Policy) -> tuple[str, str]:
    """Return why a name stays (empty if it does not), and why it would go."""
    tag = _tag(name, shelf.repository)
    if image.container:
        return f"the container {image.container} is made from it", ""
    if _BUILDING.fullmatch(tag):
        stays = "a build may be at work on it" if policy.is_fresh(image.tagged) else ""
        return stays, "left by a build that was interrupted"
    age_stays = policy.age_stays(youngest((image.created, image.tagged, image.used)))
    if image.is_projects(name, shelf.repository):
        # Whether a project still needs it, only its use tells: its version does not, nor do pins.
        unknown = "" if image.used else "a project's own; nothing tells when it was used"
        return unknown or age_stays, f"a project's own, not used for {policy.days} days"
    if image.version is None or tag not in {image.moving, image.immutable}:
        return "a name of your own", ""
    current = shelf.current.get(f"{shelf.repository}:{image.moving}", image.id)
    if tag == image.immutable and current != image.id:
        return "", f"superseded: {image.moving} is another build"
    stays = policy.version_stays(image.version, shelf.versions[image.variant])
    return stays or age_stays, policy.exceeded


def _with_sizes(gone: Sequence[Item], images: Iterable[LocalImage]) -> Iterable[Item]:
    """Count an image once, with the last of its names; not at all if it keeps one."""
    names = {image.id: set(image.names) for image in images}
    sizes = {image.id: image.size for image in images}
    for item in gone:
        names[item.id].discard(item.what)
        size = 0 if names[item.id] else sizes[item.id]
        yield replace(item, size=size)


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
        return _carried_out(self.plan(policy), self._remove)

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


def _carried_out(planned: Plan, remove: Callable[[Item], str]) -> Plan:
    """Remove what goes, as far as `remove` gives no reason why something stays after all."""
    kept, gone = list(planned.kept), []
    for item in planned.gone:
        if why := remove(item):
            kept.append(item.but(why))
        else:
            say(f"removed {item.what}")
            gone.append(item)
    return Plan(tuple(kept), tuple(gone))
