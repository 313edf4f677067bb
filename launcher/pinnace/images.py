"""Local images, as their labels describe them, and which one a launch takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pinnace_images import contract
from pinnace_images.errors import BadPinError
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class LocalImage(NamedTuple):
    """A local image.

    Attributes:
        id: the engine's.
        labels: all of them.
        tags: its names, for people.
        created: sorts by time, whatever unit the engine gives.
    """

    id: str
    labels: Mapping[str, str]
    tags: tuple[str, ...]
    created: str

    @property
    def version(self) -> CliVersion | None:
        """The CLI's version that it claims."""
        try:
            return CliVersion.parse(self.labels.get(contract.LABEL_VERSION, ""))
        except BadPinError:
            return None

    @property
    def is_ours(self) -> bool:
        """Whether it was built, and checked, here: anybody can put labels on an image."""
        ours = f"{contract.LOCAL_REPOSITORY}:"
        return any(t.startswith(ours) and not t.startswith(f"{ours}building-") for t in self.tags)

    @property
    def sha256(self) -> str:
        """The digest of the CLI that it claims."""
        return self.labels.get(contract.LABEL_SHA256, "")


class Wanted(NamedTuple):
    """What a launch looks for."""

    version: CliVersion
    variant: str
    platform: str


def from_engine(item: Mapping[str, Any]) -> LocalImage:
    """Read what the engine lists (flat) or inspects (labels below `Config`)."""
    labels = item.get("Labels") or (item.get("Config") or {}).get("Labels") or {}
    created = item.get("Created", "")
    return LocalImage(
        id=str(item["Id"]),
        labels=dict(labels),
        tags=tuple(item.get("RepoTags") or ()),
        created=f"{created:020d}" if isinstance(created, int) else str(created),
    )


def select(images: Iterable[LocalImage], wanted: Wanted) -> LocalImage | None:
    """Take the newest image whose labels fit; ties go to the greatest id."""
    labels = {
        contract.LABEL_CONTRACT: str(contract.CONTRACT_VERSION),
        contract.LABEL_VERSION: str(wanted.version),
        contract.LABEL_VARIANT: wanted.variant,
        contract.LABEL_PLATFORM: wanted.platform,
    }
    fitting = [i for i in images if i.is_ours and labels.items() <= i.labels.items()]
    return max(fitting, key=lambda image: (image.created, image.id), default=None)
