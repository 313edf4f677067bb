"""What is to be published, under which names, and what of it the registry holds: pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pinnace_builder import render
from pinnace_core.errors import UnsafeRequestError
from pinnace_images import refs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pinnace_builder.base import Base
    from pinnace_builder.render import ImageRequest
    from pinnace_images.platforms import Platform
    from pinnace_images.versions import CliVersion


@dataclass(frozen=True)
class BaseImage:
    """One platform's base.

    Attributes:
        request: of an image that stands on it.
        platform: which.
        distribution: what it stands on itself.
    """

    request: ImageRequest
    platform: Platform
    distribution: Base

    @property
    def id(self) -> str:
        """The recipe's."""
        return render.base_id(self.request, self.platform, self.distribution.digest)

    @property
    def tag(self) -> str:
        """Immutable."""
        return refs.base_platform_tag(self.request.flavour, self.platform, self.id)

    def __str__(self) -> str:
        return f"base {self.request.flavour} ({self.platform})"


@dataclass(frozen=True)
class CliImage:
    """One platform's image of a version.

    Attributes:
        base: what it stands on.
    """

    base: BaseImage

    @property
    def request(self) -> ImageRequest:
        """What decides its content."""
        return self.base.request

    @property
    def platform(self) -> Platform:
        """Which."""
        return self.base.platform

    @property
    def id(self) -> str:
        """The recipe's."""
        return render.build_id(self.request, self.platform, self.base.distribution.digest)

    @property
    def tag(self) -> str:
        """Immutable."""
        version, variant = self.request.entry.version, self.request.variant.name
        return refs.platform_tag(version, variant, self.platform, self.id)

    def __str__(self) -> str:
        return f"{self.request.entry.version} {self.request.variant.name} ({self.platform})"


@dataclass(frozen=True)
class Release:
    """A manifest list, and the names that it gets.

    Attributes:
        images: one for each platform.
        tag: immutable.
        moving: follow the last release of this name.
        ladder: the same, but never back to an older version.
        version: what the ladder goes by; None for a base.
    """

    images: tuple[BaseImage, ...] | tuple[CliImage, ...]
    tag: str
    moving: tuple[str, ...]
    ladder: tuple[str, ...] = ()
    version: CliVersion | None = None

    @property
    def architectures(self) -> frozenset[str]:
        """What it is for."""
        return frozenset(image.platform.architecture for image in self.images)

    @property
    def refreshed(self) -> str:
        """The day of its base (ISO 8601)."""
        return self.images[0].request.base.refreshed.isoformat()

    def __str__(self) -> str:
        request = self.images[0].request
        if self.version is None:
            return f"base {request.flavour}"
        return f"{self.version} {request.variant.name}"


@dataclass(frozen=True)
class Held:
    """What a tag in the registry names.

    Attributes:
        digest: of the manifest.
        version: of the CLI, if there is one in it.
        ours: whether it was published by this program.
        architectures: that it is for.
        refreshed: the day of its base (ISO 8601).
    """

    digest: str
    version: CliVersion | None = None
    ours: bool = True
    architectures: frozenset[str] = frozenset()
    refreshed: str = ""


@dataclass(frozen=True)
class Step:
    """One thing that is left to do, for people and programs.

    Attributes:
        action: `build`, `join` (platforms in a manifest list) or `move` (a tag).
        subject: what.
        tag: the name that it is going to have.
    """

    action: str
    subject: str
    tag: str


def releases(
    requests: Iterable[ImageRequest],
    distributions: Mapping[Platform, Base],
    channels: Mapping[str, CliVersion],
) -> tuple[Release, ...]:
    """Plan the manifest lists of versions.

    Args:
        requests: what is asked for.
        distributions: what the bases stand on.
        channels: versions by channel; each takes the channel's tags if it is published.
    """
    planned = []
    for request in sorted(requests, key=lambda r: (r.variant.name, r.entry.version)):
        version, variant = request.entry.version, request.variant.name
        images = tuple(map(CliImage, _bases(request, distributions)))
        names = [name for name, meant in channels.items() if meant == version]
        channel_tags = [tag for name in names for tag in refs.channel_tags(name, variant)]
        planned.append(
            Release(
                images=images,
                tag=refs.index_tag(version, variant, _joined(images)),
                moving=(*refs.version_tags(version, variant), *channel_tags),
                ladder=tuple(refs.ladder_tags(version, variant)),
                version=version,
            )
        )
    return tuple(planned)


def base_releases(
    requests: Iterable[ImageRequest], distributions: Mapping[Platform, Base]
) -> tuple[Release, ...]:
    """Plan the manifest lists of bases, each once."""
    planned = {}
    for request in requests:
        images = tuple(_bases(request, distributions))
        planned[request.flavour] = Release(
            images=images,
            tag=refs.base_index_tag(request.flavour, _joined(images)),
            moving=(refs.base_tag(request.flavour),),
        )
    return tuple(planned.values())


def _bases(request: ImageRequest, distributions: Mapping[Platform, Base]) -> Iterator[BaseImage]:
    for platform in request.platforms:
        yield BaseImage(request, platform, distributions[platform])


def _joined(images: Sequence[BaseImage] | Sequence[CliImage]) -> str:
    ids = json.dumps([image.id for image in images])
    return hashlib.sha256(ids.encode()).hexdigest()


def moves(planned: Sequence[Release]) -> dict[str, Release]:
    """Return the moving tags of each release, in the order of moving: what is general comes last.

    Of several releases for one tag it is the last, whose version is the newest.
    """
    exact = {tag: release for release in planned for tag in release.moving}
    ladder = {tag: release for release in planned for tag in release.ladder}
    return exact | dict(sorted(ladder.items(), key=lambda item: refs.generality(item[0])))


def moves_left(
    planned: Sequence[Release], held: Mapping[str, Held], digests: Mapping[str, str]
) -> dict[str, Release]:
    """Return which tags are to be moved, given what they name now.

    Args:
        planned: what is asked for.
        held: what the registry holds, by tag.
        digests: of releases that are whole, by their immutable tag.

    Raises:
        UnsafeRequestError: a tag names something that is not ours, or would lose a platform.
    """
    left = {}
    for tag, release in moves(planned).items():
        current = held.get(tag)
        if current:
            _require_ours(tag, current)
            if current.digest == digests.get(release.tag):
                continue
            if _is_newer(current, release, step=tag in release.ladder):
                continue
            lost = current.architectures - release.architectures
            if lost and tag in release.ladder:
                continue
            _require_none(lost, tag, release)
        left[tag] = release
    return left


def _require_ours(tag: str, current: Held) -> None:
    if not current.ours:
        raise UnsafeRequestError(
            f"the tag {tag} names something that was not published by this program",
            hint="see what it is; if it may go, delete the tag and run this again",
        )


def _require_none(lost: frozenset[str], tag: str, release: Release) -> None:
    if lost:
        raise UnsafeRequestError(
            f"the tag {tag} is for {', '.join(sorted(lost))} too, {release} would not be",
            hint="name all platforms; to push only some of them, use --stage",
        )


def _is_newer(current: Held, release: Release, *, step: bool) -> bool:
    """Return whether a tag names a newer base of the same version, or a step a newer version."""
    if current.version == release.version:
        return current.refreshed > release.refreshed
    if current.version is None or release.version is None:
        return False
    return step and current.version > release.version


def steps(planned: Sequence[Release], held: Mapping[str, Held]) -> list[Step]:
    """List what is left to do.

    Args:
        planned: what is asked for.
        held: what the registry holds, by tag.

    Raises:
        UnsafeRequestError: of `moves_left`.
    """
    left = makings(planned, held)
    digests = {tag: one.digest for tag, one in held.items()}
    left += [
        Step("move", str(release), tag)
        for tag, release in moves_left(planned, held, digests).items()
    ]
    return left


def makings(planned: Sequence[Release], held: Mapping[str, Held]) -> list[Step]:
    """List what is left to build and to join."""
    left = [step for release in planned for step in _release_steps(release, held)]
    return list(dict.fromkeys(left))


def _release_steps(release: Release, held: Mapping[str, Held]) -> Iterator[Step]:
    if release.tag in held:
        return
    for image in release.images:
        if image.tag in held:
            continue
        if isinstance(image, CliImage) and image.base.tag not in held:
            yield Step("build", str(image.base), image.base.tag)
        yield Step("build", str(image), image.tag)
    yield Step("join", str(release), release.tag)


def tags_of(planned: Sequence[Release]) -> list[str]:
    """List every tag that a plan may give."""
    names = immutable_tags_of(planned)
    for release in planned:
        names += (*release.moving, *release.ladder)
    return list(dict.fromkeys(names))


def immutable_tags_of(planned: Iterable[Release]) -> list[str]:
    """List the tags of a plan that are given once."""
    names: list[str] = []
    for release in planned:
        names.append(release.tag)
        for image in release.images:
            names.append(image.tag)
            if isinstance(image, CliImage):
                names.append(image.base.tag)
    return list(dict.fromkeys(names))
