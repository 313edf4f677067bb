"""Decide which local images and downloaded packages stay: pure."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pinnace_builder.retention.names import version_of
from pinnace_builder.retention.policy import DOWNLOADS, IMAGES, Item, Plan, youngest
from pinnace_images import contract, refs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from pinnace_builder.retention.policy import Policy
    from pinnace_images.versions import CliVersion

PACKAGE: Final = re.compile(r"([0-9a-f]{64})\.tgz")
LOCK: Final = re.compile(r"([0-9a-f]{64})\.lock")
UNFINISHED: Final = ".fetch-"
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
    """Decide about every name in a local repository."""
    pairs = sorted(
        ((name, image) for image in images for name in image.names if _tag(name, repository)),
        key=lambda pair: pair[0],
    )
    shelf = _Shelf(repository, {name: image.id for name, image in pairs}, _versions(pairs))
    kept: list[Item] = []
    gone: list[Item] = []
    for name, image in pairs:
        tag = name.removeprefix(f"{repository}:")
        if why := _image_stays(tag, image, shelf, policy):
            kept.append(Item(IMAGES, name, why, id=image.id))
        else:
            gone.append(Item(IMAGES, name, _image_goes(tag, image, shelf, policy), id=image.id))
    return Plan(tuple(kept), tuple(_with_sizes(gone, images)))


def _tag(name: str, repository: str) -> str:
    return name.removeprefix(f"{repository}:") if name.startswith(f"{repository}:") else ""


def _versions(pairs: Iterable[tuple[str, LocalImage]]) -> dict[str, set[CliVersion]]:
    found: dict[str, set[CliVersion]] = defaultdict(set)
    for name, image in pairs:
        if image.version and name.endswith((f":{image.moving}", f":{image.immutable}")):
            found[image.variant].add(image.version)
    return found


def _image_stays(tag: str, image: LocalImage, shelf: _Shelf, policy: Policy) -> str:
    """Return why a name stays; empty if it goes."""
    if image.container:
        return f"the container {image.container} is made from it"
    if _BUILDING.fullmatch(tag):
        return "a build may be at work on it" if policy.is_fresh(image.tagged) else ""
    if image.is_projects(f"{shelf.repository}:{tag}", shelf.repository):
        return _project_stays(image, policy)
    if image.version is None or tag not in {image.moving, image.immutable}:
        return "a name of your own"
    if _is_superseded(tag, image, shelf):
        return ""
    stays = policy.version_stays(image.version, shelf.versions[image.variant])
    return stays or policy.age_stays(youngest((image.created, image.tagged, image.used)))


def _project_stays(image: LocalImage, policy: Policy) -> str:
    """Whether a project still needs it, only its use tells: its version does not, nor do pins."""
    if image.used is None:
        return "a project's own; nothing tells when it was used"
    return policy.age_stays(youngest((image.created, image.tagged, image.used)))


def _image_goes(tag: str, image: LocalImage, shelf: _Shelf, policy: Policy) -> str:
    if _BUILDING.fullmatch(tag):
        return "left by a build that was interrupted"
    if image.is_projects(f"{shelf.repository}:{tag}", shelf.repository):
        return f"a project's own, not used for {policy.days} days"
    if _is_superseded(tag, image, shelf):
        return f"superseded: {image.moving} is another build"
    return policy.exceeded


def _is_superseded(tag: str, image: LocalImage, shelf: _Shelf) -> bool:
    current = shelf.current.get(f"{shelf.repository}:{image.moving}", image.id)
    return tag == image.immutable and current != image.id


def _with_sizes(gone: Sequence[Item], images: Iterable[LocalImage]) -> Iterable[Item]:
    """Count an image once, with the last of its names; not at all if it keeps one."""
    names = {image.id: set(image.names) for image in images}
    sizes = {image.id: image.size for image in images}
    for item in gone:
        names[item.id].discard(item.what)
        size = 0 if names[item.id] else sizes[item.id]
        yield Item(item.scope, item.what, item.why, size, item.id)


def plan_downloads(
    files: Sequence[CachedFile], locked: Mapping[str, CliVersion], policy: Policy
) -> Plan:
    """Decide about every file in the directory of downloaded packages.

    Args:
        files: what is there.
        locked: versions by the digests of their packages.
        policy: what to keep.
    """
    packages = {found[1] for file in files if (found := PACKAGE.fullmatch(file.name))}
    versions = {locked[digest] for digest in packages if digest in locked}
    kept: list[Item] = []
    gone: list[Item] = []
    for file in sorted(files, key=lambda one: one.name):
        digest = file.name.partition(".")[0]
        if LOCK.fullmatch(file.name) and digest in packages:
            continue  # it stays and goes with its package
        version = locked.get(digest)
        name = file.name.replace(digest, refs.short(digest))
        what = f"{version} {name}" if version else name
        stays, goes = _file_stays(file, version, versions, policy)
        size = None if stays else file.size
        (kept if stays else gone).append(Item(DOWNLOADS, what, stays or goes, size, file.name))
    return Plan(tuple(kept), tuple(gone))


def _file_stays(
    file: CachedFile, version: CliVersion | None, versions: set[CliVersion], policy: Policy
) -> tuple[str, str]:
    """Return why a file stays (empty if it does not), and why it would go."""
    if PACKAGE.fullmatch(file.name):
        return _package_stays(file, version, versions, policy)
    if LOCK.fullmatch(file.name):
        return "", "its package is not there"
    if file.name.startswith(UNFINISHED):
        fresh = policy.is_fresh(file.modified)
        stays = "a download may be at work in it" if fresh else ""
        return stays, "left by a download that was interrupted"
    return "not a file of the cache", ""


def _package_stays(
    file: CachedFile, version: CliVersion | None, versions: set[CliVersion], policy: Policy
) -> tuple[str, str]:
    """Return why a package stays (empty if it does not), and why it would go."""
    if version is None:
        # It is there before its version is in the lock.
        fresh = policy.is_fresh(file.modified)
        return "it may be on its way into a lock" if fresh else "", "no lock knows it"
    stays = policy.version_stays(version, versions) or policy.age_stays(file.modified)
    return stays, policy.exceeded
