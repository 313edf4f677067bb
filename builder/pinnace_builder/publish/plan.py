"""What is to be published, under which names, and what of it is left to do: pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pinnace_builder import render
from pinnace_core.errors import UnsafeRequestError
from pinnace_images import refs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pinnace_builder.base import Base
    from pinnace_builder.render import ImageRequest
    from pinnace_images.platforms import Platform
    from pinnace_images.versions import CliVersion


@dataclass(frozen=True)
class PlatformImage:
    """One platform's image: of a version, or a base that such images stand on.

    Attributes:
        request: what decides its content; of a base, that of any image that stands on it.
        platform: which.
        distribution: what the base stands on.
        id: the recipe's: sha256, hexadecimal.
        tag: immutable.
        base: what it stands on; None: it is a base.
    """

    request: ImageRequest
    platform: Platform
    distribution: Base
    id: str
    tag: str
    base: PlatformImage | None = None

    @property
    def version(self) -> CliVersion | None:
        """The version of its CLI; None for a base, which has none."""
        return self.request.entry.version if self.base else None

    @property
    def name(self) -> str:
        """What it is called on every platform, for people."""
        if self.base is None:
            return f"base {self.request.flavour}"
        return f"{self.version} {self.request.variant.name}"

    def __str__(self) -> str:
        return f"{self.name} ({self.platform})"


def base_image(request: ImageRequest, platform: Platform, distribution: Base) -> PlatformImage:
    """Plan the base of an image."""
    identity = render.base_id(request, platform, distribution.digest)
    tag = refs.base_platform_tag(request.flavour, platform, identity)
    return PlatformImage(request, platform, distribution, identity, tag)


def cli_image(request: ImageRequest, base: PlatformImage) -> PlatformImage:
    """Plan the image of a version on a base."""
    identity = render.build_id(request, base.platform, base.distribution.digest)
    version, variant = request.entry.version, request.variant.name
    tag = refs.platform_tag(version, variant, base.platform, identity)
    return PlatformImage(request, base.platform, base.distribution, identity, tag, base)


@dataclass(frozen=True)
class Release:
    """A manifest list, and the names that it gets.

    Attributes:
        images: one for each platform.
        tag: immutable.
        moving: follow the last release of this name.
        ladder: the same, but never back to an older version.
    """

    images: tuple[PlatformImage, ...]
    tag: str
    moving: tuple[str, ...]
    ladder: tuple[str, ...] = ()

    @property
    def version(self) -> CliVersion | None:
        """What the ladder goes by; None for a base."""
        return self.images[0].version

    @property
    def architectures(self) -> frozenset[str]:
        """What it is for."""
        return frozenset(image.platform.architecture for image in self.images)

    @property
    def refreshed(self) -> str:
        """The day of its base (ISO 8601)."""
        return self.images[0].request.base.refreshed.isoformat()

    def __str__(self) -> str:
        return self.images[0].name


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
class Action:
    """One thing that is left to do: a dry run prints it, a run carries it out.

    Attributes:
        verb: build (push, verify and attest) an image, join platforms in a manifest list, sign
            the list, or move a tag to it.
        release: that it is done for.
        tag: the name that it is about.
        image: what is built; None for the other verbs.
    """

    verb: Literal["build", "join", "sign", "move"]
    release: Release
    tag: str
    image: PlatformImage | None = None

    @property
    def subject(self) -> str:
        """What is built, joined, signed or moved to, for people and programs."""
        return str(self.image or self.release)


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
    ordered = sorted(requests, key=lambda r: (r.variant.name, r.entry.version))
    bases = _bases(ordered, distributions)
    planned = []
    for request in ordered:
        version, variant = request.entry.version, request.variant.name
        images = tuple(cli_image(request, bases[request.flavour, p]) for p in request.platforms)
        names = [name for name, meant in channels.items() if meant == version]
        channel_tags = [tag for name in names for tag in refs.channel_tags(name, variant)]
        planned.append(
            Release(
                images=images,
                tag=refs.index_tag(version, variant, _joined(images)),
                moving=(*refs.version_tags(version, variant), *channel_tags),
                ladder=tuple(refs.ladder_tags(version, variant)),
            )
        )
    return tuple(planned)


def base_releases(
    requests: Sequence[ImageRequest], distributions: Mapping[Platform, Base]
) -> tuple[Release, ...]:
    """Plan the manifest lists of bases, each once."""
    bases = _bases(requests, distributions)
    planned = {}
    for request in requests:
        images = tuple(bases[request.flavour, platform] for platform in request.platforms)
        planned[request.flavour] = Release(
            images=images,
            tag=refs.base_index_tag(request.flavour, _joined(images)),
            moving=(refs.base_tag(request.flavour),),
        )
    return tuple(planned.values())


def _bases(
    requests: Iterable[ImageRequest], distributions: Mapping[Platform, Base]
) -> dict[tuple[str, Platform], PlatformImage]:
    """Plan every base once, whatever stands on it."""
    bases: dict[tuple[str, Platform], PlatformImage] = {}
    for request in requests:
        for platform in request.platforms:
            if (request.flavour, platform) not in bases:
                base = base_image(request, platform, distributions[platform])
                bases[request.flavour, platform] = base
    return bases


def _joined(images: Sequence[PlatformImage]) -> str:
    ids = json.dumps([image.id for image in images])
    return hashlib.sha256(ids.encode()).hexdigest()


def moves(planned: Sequence[Release]) -> dict[str, Release]:
    """Return the moving tags of each release, in the order of moving: what is general comes last.

    Of several releases for one tag it is the last, whose version is the newest.
    """
    exact = {tag: release for release in planned for tag in release.moving}
    ladder = {tag: release for release in planned for tag in release.ladder}
    return exact | dict(sorted(ladder.items(), key=lambda item: refs.generality(item[0])))


def actions(
    planned: Sequence[Release],
    held: Mapping[str, Held],
    *,
    signed: Collection[str] | None = None,
) -> list[Action]:
    """List what is left to do, in its order: no tag moves before all lists are joined and signed.

    Args:
        planned: what is asked for.
        held: what the registry holds, by tag.
        signed: digests of lists that are signed already; None: none is to be signed.

    Raises:
        UnsafeRequestError: of `moves_to`.
    """
    left = [action for release in planned for action in _makings(release, held)]
    if signed is not None:
        left += [
            Action("sign", release, release.tag)
            for release in planned
            if release.tag not in held or held[release.tag].digest not in signed
        ]
    for tag, release in moves(planned).items():
        whole = held.get(release.tag)
        if moves_to(release, tag, held.get(tag), whole.digest if whole else None):
            left.append(Action("move", release, tag))
    return _each_once(left)


def builds(planned: Iterable[Release], held: Mapping[str, Held]) -> list[Action]:
    """List the images that are left to build; nothing is joined or moved."""
    return _each_once(action for release in planned for action in _builds(release, held))


def _each_once(left: Iterable[Action]) -> list[Action]:
    """Releases share bases: the first one brings them."""
    unique: dict[tuple[str, str], Action] = {}
    for action in left:
        unique.setdefault((action.verb, action.tag), action)
    return list(unique.values())


def _makings(release: Release, held: Mapping[str, Held]) -> Iterator[Action]:
    if release.tag not in held:
        yield from _builds(release, held)
        yield Action("join", release, release.tag)


def _builds(release: Release, held: Mapping[str, Held]) -> Iterator[Action]:
    for image in release.images:
        if image.tag in held:
            continue
        if image.base and image.base.tag not in held:
            yield Action("build", release, image.base.tag, image.base)
        yield Action("build", release, image.tag, image)


def moves_to(release: Release, tag: str, current: Held | None, digest: str | None) -> bool:
    """Return whether a tag is to be moved to a release, given what it names now.

    Args:
        release: that has a claim to the tag.
        tag: which.
        current: what it names; None: nothing.
        digest: of the release, if it is whole.

    Raises:
        UnsafeRequestError: the tag names something that is not ours, or would lose a platform.
    """
    if current is None:
        return True
    if not current.ours:
        raise UnsafeRequestError(
            f"the tag {tag} names something that was not published by this program",
            hint="see what it is; if it may go, delete the tag and run this again",
        )
    step = tag in release.ladder
    if current.digest == digest or _is_newer(current, release, step=step):
        return False
    lost = current.architectures - release.architectures
    if lost and not step:
        raise UnsafeRequestError(
            f"the tag {tag} is for {', '.join(sorted(lost))} too, {release} would not be",
            hint="name all platforms; to push only some of them, use --stage",
        )
    return not lost


def _is_newer(current: Held, release: Release, *, step: bool) -> bool:
    """Return whether a tag names a newer base of the same version, or a step a newer version."""
    if current.version == release.version:
        return current.refreshed > release.refreshed
    if current.version is None or release.version is None:
        return False
    return step and current.version > release.version


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
            names += [image.tag, image.base.tag] if image.base else [image.tag]
    return list(dict.fromkeys(names))
