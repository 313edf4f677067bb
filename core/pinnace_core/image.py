"""A local image, as an engine describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pinnace_core.errors import ImageMissingError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self


class Image(NamedTuple):
    """A local image.

    Attributes:
        id: the engine's.
        labels: all of them.
        tags: its names, for people.
        created: sorts by time, whatever unit the engine gives.
        size: bytes, as the engine counts them; 0 if it does not say.
        digests: its names with the digests that registries know it by.
        environment: NAME=VALUE; empty if it was only listed.
    """

    id: str
    labels: Mapping[str, str]
    tags: tuple[str, ...]
    created: str
    size: int = 0
    digests: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()

    @classmethod
    def from_engine(cls, item: Mapping[str, Any]) -> Self:
        """Read what the engine lists (flat) or inspects (labels below `Config`)."""
        config = item.get("Config") or {}
        created = item.get("Created", "")
        return cls(
            id=str(item["Id"]),
            labels=dict(item.get("Labels") or config.get("Labels") or {}),
            tags=tuple(item.get("RepoTags") or ()),
            created=f"{created:020d}" if isinstance(created, int) else str(created),
            size=int(item.get("Size") or 0),
            digests=tuple(item.get("RepoDigests") or ()),
            environment=tuple(config.get("Env") or ()),
        )


def missing(image: str) -> ImageMissingError:
    """Return the error for an image, by its id, that was just there and is gone."""
    return ImageMissingError(
        f"image {image[:19]} went away while it was being started",
        hint="run the same command again: it is built anew",
    )
