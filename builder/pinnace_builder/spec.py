"""What images there are: `images.toml` as data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pinnace_images
from pinnace_images.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGES: Final = Path(pinnace_images.__file__).with_name("images.toml")


@dataclass(frozen=True)
class BaseSpec:
    """The distribution's image that everything stands on.

    Attributes:
        name: repository, without a mirror's prefix.
        tag: for people; `digest` is what is used.
        digest: of the manifest list.
        suite: the distribution's release, for bootstrapping.
    """

    name: str
    tag: str
    digest: str
    suite: str


@dataclass(frozen=True)
class VariantSpec:
    """One variant: its packages, and those it takes on for a CLI that runs on Node."""

    name: str
    title: str
    packages: tuple[str, ...]
    node_packages: tuple[str, ...]


@dataclass(frozen=True)
class Images:
    """Everything in `images.toml`."""

    base: BaseSpec
    variants: Mapping[str, VariantSpec]

    def variant(self, name: str) -> VariantSpec:
        """Give a variant.

        Raises:
            UsageError: there is none of that name.
        """
        if name not in self.variants:
            known = ", ".join(sorted(self.variants))
            raise UsageError(f"there is no variant '{name}'", hint=f"variants: {known}")
        return self.variants[name]


def load() -> Images:
    """Read the packaged `images.toml`."""
    document = tomllib.loads(IMAGES.read_text(encoding="utf-8"))
    tables = document["variants"]
    variants = {name: _variant(name, tables) for name in tables}
    return Images(BaseSpec(**document["base"]), variants)


def _variant(name: str, tables: Mapping[str, Any]) -> VariantSpec:
    """Read a variant; what it extends, it has too."""
    table = tables[name]
    below = _variant(table["extends"], tables) if "extends" in table else None
    packages = (*(below.packages if below else ()), *table["packages"])
    for_node = (*(below.node_packages if below else ()), *table["node_packages"])
    return VariantSpec(
        name=name,
        title=table["title"],
        packages=packages,
        node_packages=tuple(package for package in for_node if package not in packages),
    )
