"""What may stand in `images.toml`: names, types and forms, checked before anything uses them.

All of it ends up in Dockerfiles, tags and labels, so the forms are narrow.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from pinnace_images.platforms import SUPPORTED

# Debian policy, 5.6.1: source and package names.
_PACKAGE: Final = r"^[a-z0-9][a-z0-9+.-]+$"
_REPOSITORY: Final = r"^[a-z0-9]+([._:-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$"
_DIGEST: Final = r"^sha256:[0-9a-f]{64}$"
_PLATFORM: Final = "^(" + "|".join(map(str, SUPPORTED)) + ")$"
# `-node` is what a base is called that takes on Node.
_VARIANT: Final = r"^[a-z][a-z0-9_]*$"

Digest = Annotated[str, Field(pattern=_DIGEST)]
Package = Annotated[str, Field(pattern=_PACKAGE)]
PlatformName = Annotated[str, Field(pattern=_PLATFORM)]
VariantName = Annotated[str, Field(pattern=_VARIANT)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BaseTable(_Table):
    """`[base]`."""

    name: Annotated[str, Field(pattern=_REPOSITORY)]
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]
    digest: Digest
    suite: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    refreshed: Annotated[date, Field(ge=date(1990, 1, 1))]
    platforms: dict[PlatformName, Digest] = {}


class VariantTable(_Table):
    """`[variants.NAME]`."""

    title: Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,200}$")]
    budget_mb: Annotated[int, Field(gt=0)]
    packages: Annotated[list[Package], Field(min_length=1)]
    node_packages: list[Package] = []
    extends: VariantName | None = None


class RetentionTable(_Table):
    """`[retention]`."""

    newest: Annotated[int, Field(ge=1)] = 10
    days: Annotated[int, Field(ge=0)] = 90
    pinned: list[str] = []


class Document(_Table):
    """The whole file."""

    platforms: Annotated[list[PlatformName], Field(min_length=1)]
    base: BaseTable
    variants: Annotated[dict[VariantName, VariantTable], Field(min_length=1)]
    retention: RetentionTable = RetentionTable()
