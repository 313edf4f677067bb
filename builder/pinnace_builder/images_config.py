"""What images there are: `images.toml` as data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

import pinnace_images
from pinnace_builder.declaration import Document
from pinnace_core.errors import BadImagesError, BadPinError, UsageError
from pinnace_images.platforms import Platform
from pinnace_images.versions import Specifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace_builder.declaration import VariantTable

IMAGES: Final = Path(pinnace_images.__file__).with_name("images.toml")
VARIABLE: Final = "PINNACE_IMAGES"


@dataclass(frozen=True)
class BaseSpec:
    """The distribution's image that everything stands on.

    Attributes:
        name: repository, without a mirror's prefix.
        tag: for people; the digests are what is used.
        digest: of the manifest list.
        suite: the distribution's release, for bootstrapping.
        refreshed: the day that the packages are of.
        platforms: digests of single manifests, by platform, where they are pinned.
    """

    name: str
    tag: str
    digest: str
    suite: str
    refreshed: date
    platforms: Mapping[str, str]

    @property
    def epoch(self) -> int:
        """The refresh in seconds since 1970."""
        return int(datetime.combine(self.refreshed, time(), UTC).timestamp())

    def digest_for(self, platform: Platform) -> str:
        """Return the digest that pins the base for `platform`."""
        return self.platforms.get(str(platform), self.digest)


@dataclass(frozen=True)
class VariantSpec:
    """One variant: its packages, and those it takes on for a CLI that runs on Node.

    Attributes:
        name: as in tags and labels.
        title: for people.
        packages: of the distribution.
        node_packages: added for a CLI that runs on Node.
        budget: bytes, compressed, of everything but the CLI, for each platform.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    node_packages: tuple[str, ...]
    budget: int


@dataclass(frozen=True)
class Retention:
    """What `gc` keeps in a registry.

    Attributes:
        newest: this many versions.
        days: everything younger.
        pinned: these versions.
    """

    newest: int
    days: int
    pinned: tuple[str, ...]


@dataclass(frozen=True)
class Images:
    """Everything in `images.toml`.

    Attributes:
        source: the file.
        base: what all images stand on.
        platforms: of all images, sorted.
        variants: by name.
        retention: what `gc` keeps.
    """

    source: Path
    base: BaseSpec
    platforms: tuple[Platform, ...]
    variants: Mapping[str, VariantSpec]
    retention: Retention

    def variant(self, name: str) -> VariantSpec:
        """Return a variant.

        Raises:
            UsageError: there is none of that name.
        """
        if name not in self.variants:
            known = ", ".join(sorted(self.variants))
            raise UsageError(f"there is no variant '{name}'", hint=f"variants: {known}")
        return self.variants[name]


def load(path: Path = IMAGES) -> Images:
    """Read `images.toml`: the packaged one, or a maintainer's own.

    Raises:
        BadImagesError: unreadable, or not what is documented in docs/builder.md.
    """
    try:
        document = Document.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        platforms = tuple(sorted(set(map(Platform.parse, document.platforms))))
        variants = {name: _variant(name, document.variants) for name in document.variants}
        for pinned in document.retention.pinned:
            Specifier.parse(pinned)
    except (OSError, ValueError, UsageError, BadPinError, RecursionError) as error:
        raise BadImagesError(
            f"'{path}' does not declare images: {_told(error)}",
            hint="compare it with the one that is shipped: docs/builder.md shows it",
        ) from error
    return Images(
        source=path,
        base=BaseSpec(**document.base.model_dump()),
        platforms=platforms,
        variants=variants,
        retention=Retention(
            document.retention.newest, document.retention.days, tuple(document.retention.pinned)
        ),
    )


def chosen(environment: Mapping[str, str]) -> Images:
    """Read the declaration that PINNACE_IMAGES names, else the packaged one."""
    return load(Path(environment.get(VARIABLE) or IMAGES))


def _told(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, RecursionError):
        return "variants extend each other in a circle"
    return str(error)


def _variant(name: str, tables: Mapping[str, VariantTable]) -> VariantSpec:
    """Read a variant; what it extends, it has too."""
    table = tables[name]
    if table.extends is not None and table.extends not in tables:
        raise UsageError(f"{name} extends '{table.extends}', which is no variant")
    below = _variant(table.extends, tables) if table.extends is not None else None
    packages = (*(below.packages if below else ()), *table.packages)
    for_node = (*(below.node_packages if below else ()), *table.node_packages)
    return VariantSpec(
        name=name,
        title=table.title,
        packages=packages,
        node_packages=tuple(package for package in for_node if package not in packages),
        budget=table.budget_mb * 1_000_000,
    )
