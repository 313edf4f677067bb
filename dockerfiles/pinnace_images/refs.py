"""Names of published images: immutable tags, and those that move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace_images.contract import DEFAULT_VARIANT
from pinnace_images.versions import LATEST

if TYPE_CHECKING:
    from pinnace_images.platforms import Platform
    from pinnace_images.versions import CliVersion

_DIGITS: Final = 12


def short(digest: str) -> str:
    """Shorten a hexadecimal digest for a name."""
    return digest.removeprefix("sha256:")[:_DIGITS]


def platform_tag(version: CliVersion, variant: str, platform: Platform, build_id: str) -> str:
    """Name one platform's image; such a tag is given after verification, and never moves."""
    return f"{version}-{variant}-{platform.architecture}-{short(build_id)}"


def index_tag(version: CliVersion, variant: str, index_id: str) -> str:
    """Name the manifest list of all platforms; never moves."""
    return f"{version}-{variant}-{short(index_id)}"


def base_platform_tag(flavour: str, platform: Platform, base_id: str) -> str:
    """Name one platform's base; never moves."""
    return f"base-{flavour}-{platform.architecture}-{short(base_id)}"


def base_index_tag(flavour: str, index_id: str) -> str:
    """Name the manifest list of a base; never moves."""
    return f"base-{flavour}-{short(index_id)}"


def base_tag(flavour: str) -> str:
    """Name the base that was published last."""
    return f"base-{flavour}"


def version_tags(version: CliVersion, variant: str) -> list[str]:
    """Name a version: these move when it is rebuilt, on a refreshed base for instance."""
    return _for_variant(str(version), variant)


def ladder_tags(version: CliVersion, variant: str) -> list[str]:
    """Name the steps that a version may take, finest first; each names its newest version."""
    steps = (f"{version.major}.{version.minor}", str(version.major), LATEST)
    return [tag for step in steps for tag in _for_variant(step, variant)]


def generality(tag: str) -> int:
    """Return how much a step of the ladder stands for: a line, a major version, or everything."""
    step = tag.partition("-")[0]
    return 2 if step == LATEST else 1 - step.count(".")


def channel_tags(channel: str, variant: str) -> list[str]:
    """Name a channel, which goes where its publisher points it, also back."""
    return _for_variant(channel, variant)


def _for_variant(name: str, variant: str) -> list[str]:
    return [f"{name}-{variant}", *([name] if variant == DEFAULT_VARIANT else [])]
