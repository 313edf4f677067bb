"""What images there are, and what a launch of this project makes of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pinnace.image import images, selection, verify
from pinnace_images import contract

if TYPE_CHECKING:
    from pinnace.config import Settings
    from pinnace.context import Context
    from pinnace.image.images import LocalImage, Verdict, Wanted


class Inventory(NamedTuple):
    """All local images that carry our labels.

    Attributes:
        wanted: what the project's launches look for.
        verdicts: the chosen image first, then the newest.
        verified: ids of those that were verified.
    """

    wanted: Wanted
    verdicts: tuple[Verdict, ...]
    verified: frozenset[str]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "wanted": {
                "version": str(self.wanted.version),
                "variant": self.wanted.variant,
                "platform": self.wanted.platform,
            },
            "images": [self._as_json(verdict) for verdict in self.verdicts],
        }

    def _as_json(self, verdict: Verdict) -> dict[str, Any]:
        image = verdict.image
        return {
            **described(image),
            "verified": image.id in self.verified,
            "chosen": verdict.chosen,
            "reason": verdict.reason,
        }

    def as_lines(self) -> list[str]:
        """Return it for people: two lines for each image."""
        found = []
        for verdict in self.verdicts:
            item = self._as_json(verdict)
            mark = "*" if verdict.chosen else " "
            name = (item["tags"] or [item["id"]])[0]
            facts = [item["version"], item["variant"], item["platform"]]
            facts += [f"{item['size'] / 1_000_000:.0f} MB", item["created"][:10]]
            facts += ["verified" if item["verified"] else "not verified"]
            found += [f"{mark} {name}", f"    {', '.join(f for f in facts if f)}"]
            found += [f"    {'chosen' if verdict.chosen else 'not chosen'}: {verdict.reason}"]
        return found


def described(image: LocalImage) -> dict[str, Any]:
    """Return an image as plain data; `size` in bytes, `created` as ISO 8601."""
    return {
        "id": image.id,
        "tags": list(image.tags),
        "version": str(image.version) if image.version else None,
        "variant": image.labels.get(contract.LABEL_VARIANT),
        "platform": image.labels.get(contract.LABEL_PLATFORM),
        "size": image.size,
        "created": _created(image),
    }


def _created(image: LocalImage) -> str:
    if not image.created.isdigit():
        return image.created
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(image.created), UTC).isoformat()


def collect(here: Context) -> Inventory:
    """List and judge the local images.

    Raises:
        BadPinError: the pin is not a version.
        EngineUnavailableError: no engine.
    """
    wanted = here.wanted()
    listed = images.listed(here.engine)
    records = selection.records_directory()
    return Inventory(
        wanted,
        tuple(_adjusted(images.explain(listed, wanted), here.config.settings)),
        frozenset(image.id for image in listed if verify.is_verified(image, records)),
    )


def _adjusted(verdicts: list[Verdict], settings: Settings) -> list[Verdict]:
    """Take in what the settings say about the image."""
    if settings.image:
        return _only(verdicts, {settings.image}, "the setting 'image' names it")
    base = next((verdict.image for verdict in verdicts if verdict.chosen), None)
    if base is None or not (settings.packages or settings.dockerfile):
        return verdicts
    from pinnace.image import project_image

    name = project_image.recipe_of(base, settings).name
    return _only(verdicts, {name}, f"the project's own image, on {base.id[:19]}")


def _only(verdicts: list[Verdict], names: set[str], why: str) -> list[Verdict]:
    found = []
    for verdict in verdicts:
        chosen = bool(names & {verdict.image.id, *verdict.image.tags})
        other = verdict.reason if not verdict.chosen else "the settings choose another image"
        found.append(verdict._replace(chosen=chosen, reason=why if chosen else other))
    return sorted(found, key=lambda verdict: not verdict.chosen)
