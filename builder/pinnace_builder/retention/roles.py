"""What the tags of a repository stand for.

A tag is ours if it is one that `publish` would give to an image with such labels. Everything else
is somebody's own, or a channel's, and stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from pinnace_images import contract, refs
from pinnace_images.platforms import SUPPORTED
from pinnace_images.versions import CliVersion, is_exact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ARCHITECTURES: Final = "|".join(platform.architecture for platform in SUPPORTED)
_BUILD: Final = rf"(?:-(?:{_ARCHITECTURES}))?-[0-9a-f]{{12}}"
_CACHE: Final = re.compile(rf"cache-([0-9]+\.[0-9]+\.[0-9]+)-(.+)-(?:{_ARCHITECTURES})")
# The last one, without a suffix, is the specification's own, for registries that list no referrers:
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema
_SIGNATURE: Final = re.compile(r"sha256-([0-9a-f]{64})(?:\.sig|\.att|\.sbom|)")
_OWN: Final = "a name of your own, or a channel's"


@dataclass(frozen=True)
class Release:
    """A name of a version, or of one of its platforms."""

    version: CliVersion
    variant: str


@dataclass(frozen=True)
class BaseName:
    """A name of a base; the one without an id names what was published last."""

    flavour: str
    moving: bool


@dataclass(frozen=True)
class CacheName:
    """BuildKit's cache of a version."""

    version: CliVersion
    variant: str


@dataclass(frozen=True)
class Signature:
    """What cosign keeps about a manifest."""

    subject: str


@dataclass(frozen=True)
class Other:
    """A name that always stays."""

    why: str


Role: TypeAlias = Release | BaseName | CacheName | Signature | Other


def subject_of(tag: str) -> str | None:
    """Return the digest that a signature's tag is about."""
    found = _SIGNATURE.fullmatch(tag)
    return f"sha256:{found[1]}" if found else None


def version_of(labels: Mapping[str, str]) -> CliVersion | None:
    """Return the CLI's version, as the label says; None if there is none."""
    text = labels.get(contract.LABEL_VERSION, "")
    return CliVersion.parse(text) if is_exact(text) else None


def role_of(tag: str, images: Sequence[Mapping[str, str]], *, is_cache: bool) -> Role:
    """Return what a tag stands for.

    Args:
        tag: which.
        images: labels of every image that it leads to.
        is_cache: whether it leads to a cache of BuildKit's instead.
    """
    if subject := subject_of(tag):
        return Signature(subject)
    if is_cache:
        return _cache_role(tag)
    whose = {
        (version_of(labels), labels.get(contract.LABEL_VARIANT), labels.get(contract.LABEL_BASE_ID))
        for labels in images
    }
    variants = {(version, variant) for version, variant, _ in whose}
    version, variant = variants.pop() if len(variants) == 1 else (None, None)
    if not variant:
        return Other("no image of one version and variant")
    if version is not None:
        return _release_role(tag, version, variant)
    return _base_role(tag, variant) if all(base for _, _, base in whose) else Other(_OWN)


def _cache_role(tag: str) -> Role:
    found = _CACHE.fullmatch(tag)
    if found is None or not is_exact(found[1]):
        return Other("a cache, but not of a version")
    return CacheName(CliVersion.parse(found[1]), found[2])


def _release_role(tag: str, version: CliVersion, variant: str) -> Role:
    names = refs.version_tags(version, variant)
    if tag in names or re.fullmatch(re.escape(f"{version}-{variant}") + _BUILD, tag):
        return Release(version, variant)
    if tag in refs.ladder_tags(version, variant):
        return Other("a step of the ladder")
    return Other(_OWN)


def _base_role(tag: str, variant: str) -> Role:
    for flavour in (variant, f"{variant}-node"):
        moving = refs.base_tag(flavour)
        if tag == moving:
            return BaseName(flavour, moving=True)
        if re.fullmatch(re.escape(moving) + _BUILD, tag):
            return BaseName(flavour, moving=False)
    return Other(_OWN)
