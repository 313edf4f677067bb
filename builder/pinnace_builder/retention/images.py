"""Local images: which of their names stay, and the removal of the others."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder.retention.policy import (
    CHANGED,
    IMAGES,
    Item,
    Plan,
    carried_out,
    moment_of,
    size_of,
    youngest,
)
from pinnace_builder.retention.roles import version_of
from pinnace_core.errors import EngineUnavailableError
from pinnace_core.image import BUILDING
from pinnace_images import contract, refs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from pinnace_builder.retention.policy import Policy
    from pinnace_core.engine import Engine
    from pinnace_images.versions import CliVersion

_FOREIGN: Final = "you have not launched it: it may be another user's"
_BUILDING: Final = re.compile(rf"{BUILDING}[0-9a-f]{{12}}")


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
        foreign: this user's launches know nothing of it: it may be another user's.
    """

    id: str
    names: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
    tagged: datetime | None = None
    size: int | None = None
    container: str = ""
    used: datetime | None = None
    foreign: bool = False

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
        engine: that holds them.
        repository: their local name.
        used: when this user's launches used them last, by their ids; None: that is not known.
        judge: decides which of their names stay; by default `plan_images`.
    """

    engine: Engine
    repository: str = contract.LOCAL_REPOSITORY
    used: Mapping[str, datetime] | None = None
    judge: Callable[[Sequence[LocalImage], str, Policy], Plan] | None = None

    def plan(self, policy: Policy) -> Plan:
        """Return what stays and goes."""
        return self._planned(self._read(), policy)

    def apply(self, policy: Policy) -> Plan:
        """Remove names, never by force, so that the engine has the last word."""
        images = self._read()
        planned = self._planned(images, policy)
        names = {image.id: set(image.names) for image in images}
        return carried_out(planned, lambda item: self._remove(item, names[item.id]))

    def _planned(self, images: Sequence[LocalImage], policy: Policy) -> Plan:
        return (self.judge or plan_images)(images, self.repository, policy)

    def _remove(self, item: Item, names: set[str]) -> str:
        """Remove a name; return the reason if it stays after all."""
        try:
            image = self.engine.image(item.what)
            # A build may have found it, and named it anew.
            if image and (image.id != item.id or not names.issuperset(image.tags)):
                return CHANGED
            self.engine.untag(item.what)
        except EngineUnavailableError as error:
            return error.message
        return ""

    def _read(self) -> list[LocalImage]:
        """Describe all images of the repository."""
        listing = ("image", "ls", "--quiet", "--no-trunc", self.repository)
        described = self.engine.described("image", listing)
        if not described:
            return []
        containers = {one.image: one.name for one in self.engine.containers()}
        sizes = unique_sizes(self.engine)
        images = [_image(image, containers, sizes) for image in described]
        if self.used is None:
            return images
        used = ((image, self.used.get(image.id)) for image in images)
        return [replace(image, used=when, foreign=when is None) for image, when in used]


def gateways(engine: Engine, repository: str = contract.GATEWAY_REPOSITORY) -> Images:
    """Return the gateway images that builds have left in the engine."""
    return Images(engine, repository, judge=plan_gateways)


def unique_sizes(engine: Engine) -> dict[str, int]:
    """Return what each image shares with no other one, as far as the engine tells it."""
    said = engine.ask("system", "df", "--verbose", "--format", "{{json .Images}}") or ""
    try:
        sizes = {str(one["ID"]): size_of(str(one["UniqueSize"])) for one in json.loads(said)}
    except (ValueError, KeyError, TypeError):
        return {}
    return {image: size for image, size in sizes.items() if size is not None}


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
    pairs = _named(images, repository)
    shelf = _Shelf(repository, {name: image.id for name, image in pairs}, _versions(pairs))
    return _judged(images, pairs, lambda name, image: _why_image(name, image, shelf, policy))


def plan_gateways(images: Sequence[LocalImage], repository: str, policy: Policy) -> Plan:
    """Return which names of gateway images stay and go: nobody needs one that is superseded."""
    pairs = _named(images, repository)
    moving = f"{repository}:{contract.GATEWAY_NAME.partition(':')[2]}"
    current = {name: image.id for name, image in pairs}.get(moving, "")
    return _judged(images, pairs, lambda name, image: _why_gateway(name, image, current, policy))


def _named(images: Iterable[LocalImage], repository: str) -> list[tuple[str, LocalImage]]:
    """Return the images with each of their names in a repository, sorted by these."""
    pairs = ((name, one) for one in images for name in one.names if _tag(name, repository))
    return sorted(pairs, key=lambda pair: pair[0])


def _judged(
    images: Iterable[LocalImage],
    pairs: Iterable[tuple[str, LocalImage]],
    why: Callable[[str, LocalImage], tuple[str, str]],
) -> Plan:
    plan = Plan.of((Item(IMAGES, name, id=one.id), *why(name, one)) for name, one in pairs)
    return replace(plan, gone=tuple(_with_sizes(plan.gone, images)))


def _why_gateway(name: str, image: LocalImage, current: str, policy: Policy) -> tuple[str, str]:
    """Return why a name stays (empty if it does not), and why it would go."""
    tag = name.rpartition(":")[2]
    if held := _why_held(tag, image, policy):
        return held
    if image.id == current:
        return "the current one", ""
    own = refs.short(image.labels.get(contract.LABEL_BUILD_ID, "")) == tag
    if contract.LABEL_GATEWAY not in image.labels or not own:
        return "a name of your own", ""
    stays = "" if current else "nothing supersedes it"
    return stays, f"superseded: {contract.GATEWAY_NAME} is another build"


def _why_held(tag: str, image: LocalImage, policy: Policy) -> tuple[str, str] | None:
    """Return what decides of any image: a container, or a build that may not have ended."""
    if image.container:
        return f"the container {image.container} is made from it", ""
    if _BUILDING.fullmatch(tag):
        stays = "a build may be at work on it" if policy.is_fresh(image.tagged) else ""
        return stays, "left by a build that was interrupted"
    return None


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
    if held := _why_held(tag, image, policy):
        return held
    age_stays = policy.age_stays(youngest((image.created, image.tagged, image.used)))
    if image.is_projects(name, shelf.repository):
        # Whether a project still needs it, only its use tells: its version does not, nor do pins.
        unknown = "" if image.used else "a project's own; nothing tells when it was used"
        return unknown or age_stays, f"a project's own, not used for {policy.days} days"
    if image.foreign or image.version is None or tag not in {image.moving, image.immutable}:
        return _FOREIGN if image.foreign else "a name of your own", ""
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
