"""What images there are: `images.toml` checked and as data.

All of it ends up in Dockerfiles, tags and labels, so names, types and forms are narrow.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import pinnace_images
from pinnace_core.errors import (
    IN_HINT,
    BadImagesError,
    BadPinError,
    UsageError,
    perhaps,
)
from pinnace_images.platforms import SUPPORTED, Platform
from pinnace_images.versions import Specifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

IMAGES: Final = Path(pinnace_images.__file__).with_name("images.toml")
VARIABLE: Final = "PINNACE_IMAGES"
GATEWAY: Final = "gateway"
"""What the gateway is called where variants have their names."""
# Debian policy, 5.6.1: source and package names.
# At its end, a `-` would make apt remove it.
_PACKAGE: Final = r"^[a-z0-9][a-z0-9+.-]*[a-z0-9+.]$"
_REPOSITORY: Final = r"^[a-z0-9]+([._:-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$"
_DIGEST: Final = r"^sha256:[0-9a-f]{64}$"
_PLATFORM: Final = "^(" + "|".join(map(str, SUPPORTED)) + ")$"
# `-node` is what a base is called that takes on Node.
_VARIANT: Final = r"^[a-z][a-z0-9_]*$"

_Digest = Annotated[str, Field(pattern=_DIGEST)]
_Package = Annotated[str, Field(pattern=_PACKAGE)]
_Title = Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,200}$")]
_PlatformName = Annotated[str, Field(pattern=_PLATFORM)]
_VariantName = Annotated[str, Field(pattern=_VARIANT)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BaseSpec(_Table):
    """`[base]`: the distribution's image that everything stands on.

    Attributes:
        name: repository, without a mirror's prefix.
        tag: for people; the digests are what is used.
        digest: of the manifest list.
        suite: the distribution's release, for bootstrapping.
        refreshed: the day that the packages are of.
        platforms: digests of single manifests, by platform, where they are pinned.
    """

    name: Annotated[str, Field(pattern=_REPOSITORY)]
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]
    digest: _Digest
    suite: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    refreshed: Annotated[date, Field(ge=date(1990, 1, 1))]
    platforms: dict[_PlatformName, _Digest] = {}

    @property
    def epoch(self) -> int:
        """The refresh in seconds since 1970."""
        return int(datetime.combine(self.refreshed, time(), UTC).timestamp())

    def digest_for(self, platform: Platform) -> str:
        """Return the digest that pins the base for `platform`."""
        return self.platforms.get(str(platform), self.digest)


class _VariantTable(_Table):
    """`[variants.NAME]`."""

    title: _Title
    budget_mb: Annotated[int, Field(gt=0)]
    packages: Annotated[list[_Package], Field(min_length=1)]
    node_packages: list[_Package] = []
    extends: _VariantName | None = None


class GatewaySpec(_Table):
    """`[gateway]`: an image of programs only, without the CLI.

    Attributes:
        title: for people.
        packages: of the distribution.
    """

    title: _Title
    packages: Annotated[list[_Package], Field(min_length=1)]


def _shipped_gateway() -> GatewaySpec:
    """Return the packaged one: which programs there are is the launcher's choice first."""
    return GatewaySpec.model_validate(tomllib.loads(IMAGES.read_text(encoding="utf-8"))["gateway"])


class Retention(_Table):
    """`[retention]`: what `gc` keeps in a registry.

    Attributes:
        newest: this many versions.
        days: everything younger.
        pinned: these versions.
    """

    newest: Annotated[int, Field(ge=1)] = 10
    days: Annotated[int, Field(ge=0)] = 90
    pinned: list[str] = []


class _Document(_Table):
    """The whole file."""

    platforms: Annotated[list[_PlatformName], Field(min_length=1)]
    base: BaseSpec
    variants: Annotated[dict[_VariantName, _VariantTable], Field(min_length=1)]
    gateway: GatewaySpec = Field(default_factory=_shipped_gateway)
    retention: Retention = Retention()


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
class Images:
    """Everything in `images.toml`.

    Attributes:
        source: the file.
        base: what all images stand on.
        platforms: of all images, sorted.
        variants: by name.
        gateway: the shipped one, if the file declares none.
        retention: what `gc` keeps.
    """

    source: Path
    base: BaseSpec
    platforms: tuple[Platform, ...]
    variants: Mapping[str, VariantSpec]
    gateway: GatewaySpec
    retention: Retention

    def variant(self, name: str) -> VariantSpec:
        """Return a variant.

        Raises:
            UsageError: there is none of that name.
        """
        if name not in self.variants:
            known = sorted(self.variants)
            hint = f"{perhaps(name, known, IN_HINT)}variants: {', '.join(known)}"
            raise UsageError(f"there is no variant '{name}'", hint=hint)
        return self.variants[name]


def load(path: Path = IMAGES) -> Images:
    """Read `images.toml`: the packaged one, or a maintainer's own.

    Raises:
        BadImagesError: unreadable, or not what is documented in docs/builder.md.
    """
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        document = _Document.model_validate(tomllib.loads(text))
        platforms = tuple(sorted(set(map(Platform.parse, document.platforms))))
        variants = {name: _variant(name, document.variants) for name in document.variants}
        for pinned in document.retention.pinned:
            Specifier.parse(pinned)
    except (OSError, ValueError, UsageError, BadPinError, RecursionError) as error:
        raise BadImagesError(
            f"'{path}' does not declare images: {_told(error, text)}",
            hint="compare it with the one that is shipped: pinnace help builder",
        ) from error
    retention = document.retention
    return Images(path, document.base, platforms, variants, document.gateway, retention)


def chosen(environment: Mapping[str, str]) -> Images:
    """Read the declaration that PINNACE_IMAGES names, else the packaged one."""
    return load(Path(environment.get(VARIABLE) or IMAGES))


def _told(error: Exception, text: str) -> str:
    if isinstance(error, ValidationError):
        # A key that is misspelt is missing as well: it comes first, and explains that.
        problems = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        return "; ".join(_problem(one, text) for one in problems)
    if isinstance(error, RecursionError):
        return "variants extend each other in a circle"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


def _problem(error: ErrorDetails, text: str) -> str:
    """Say what is wrong with a key or a value, and in which line."""
    where, kind, message = error["loc"], error["type"], error["msg"]
    names = [str(part) for part in where if part != "[key]"]
    # Of what is missing, the table is there; of an item, the list.
    there = [name for name in names[: -1 if kind == "missing" else None] if not name.isdigit()]
    form = rf"^\s*\[?[\w.]*\b{re.escape(there[-1])}\b" if there else r"(?!)"
    found = re.search(form, text, re.MULTILINE)
    line = f"line {text.count(chr(10), 0, found.end()) + 1}: " if found else ""
    if where[-1] == "[key]":
        message = "a name is of lower-case letters, digits and underscores"
    elif kind == "extra_forbidden":
        message = f"there is no such key{perhaps(names[-1], _known_keys(names[:-1]))}"
    elif kind == "string_pattern_mismatch" and "packages" in names:
        message = f"'{error['input']}' is not the name of a Debian package"
    return f"{line}{'.'.join(names)}: {message}"


def _known_keys(where: list[str]) -> list[str]:
    tables: dict[int, type[BaseModel]] = {0: _Document, 2: _VariantTable}
    single: dict[str, type[BaseModel]] = {
        "base": BaseSpec,
        "gateway": GatewaySpec,
        "retention": Retention,
    }
    table = single.get(where[0]) if len(where) == 1 else tables.get(len(where))
    return list(table.model_fields) if table else []


def _variant(name: str, tables: Mapping[str, _VariantTable]) -> VariantSpec:
    """Read a variant; what it extends, it has too."""
    table = tables[name]
    if name == GATEWAY:
        raise UsageError(f"variants.{name}: that is no variant's name, [{GATEWAY}] is a table")
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
