"""Local images, as their labels describe them, and which one a launch takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pinnace_core.errors import BadPinError
from pinnace_core.image import Image
from pinnace_images import contract
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pinnace_core.engine import Engine


class LocalImage(Image):
    """A local image, and what its labels say by the contract."""

    __slots__ = ()

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
    def is_built_here(self) -> bool:
        """Whether it carries the name that only a build gives, after its own checks."""
        build = self.labels.get(contract.LABEL_BUILD_ID, "")[:12]
        name = contract.local_name(str(self.version), self.labels.get(contract.LABEL_VARIANT, ""))
        return bool(build) and f"{name}-{build}" in self.tags

    @property
    def sha256(self) -> str:
        """The digest of the CLI that it claims."""
        return self.labels.get(contract.LABEL_SHA256, "")


class Wanted(NamedTuple):
    """What a launch looks for."""

    version: CliVersion
    variant: str
    platform: str


def published_name(repository: str, wanted: Wanted) -> str:
    """Name what is pulled."""
    return f"{repository}:{wanted.version}-{wanted.variant}"


def listed(engine: Engine) -> list[LocalImage]:
    """Return the local images that carry the contract's label, whatever its version.

    Raises:
        PinnaceError: of `Engine`.
    """
    return list(map(LocalImage._make, engine.images(contract.LABEL_CONTRACT)))


def local(engine: Engine, reference: str) -> LocalImage | None:
    """Return one image by its name or id, if it is there.

    Raises:
        PinnaceError: of `Engine`.
    """
    ours = reference.startswith(contract.LOCAL_REPOSITORY)
    image = engine.image(reference, made_here=ours)
    return None if image is None else LocalImage._make(image)


def misfit(image: LocalImage, wanted: Wanted) -> str:
    """Return why a launch does not take an image; nothing if it may.

    Only labels count, and of the names only whether one is ours.
    """
    if not image.is_ours:
        return f"no name in {contract.LOCAL_REPOSITORY}: neither built nor verified here"
    if contract.LABEL_PROJECT in image.labels:
        return "made for a project that adds something of its own"
    return mislabelled(image, wanted)


def mislabelled(image: LocalImage, wanted: Wanted) -> str:
    """Return which label is not as wanted; nothing if all are."""
    for label, expected, what in (
        (contract.LABEL_CONTRACT, str(contract.CONTRACT_VERSION), "contract version"),
        (contract.LABEL_VERSION, str(wanted.version), "version"),
        (contract.LABEL_VARIANT, wanted.variant, "variant"),
        (contract.LABEL_PLATFORM, wanted.platform, "platform"),
        (contract.LABEL_USER, contract.AGENT_IDS, "user"),
    ):
        found = image.labels.get(label)
        if found != expected:
            return f"its {what} is {found or 'not stated'}, wanted {expected}"
    return ""


def select(images: Iterable[LocalImage], wanted: Wanted) -> LocalImage | None:
    """Take the newest image whose labels fit; ties go to the greatest id."""
    fitting = [image for image in images if not misfit(image, wanted)]
    return max(fitting, key=_age, default=None)


def _age(image: LocalImage) -> tuple[str, str]:
    return image.created, image.id


class Verdict(NamedTuple):
    """What selection makes of an image, and why."""

    image: LocalImage
    chosen: bool
    reason: str


def explain(images: Iterable[LocalImage], wanted: Wanted) -> list[Verdict]:
    """Judge all images as a launch would: the chosen one first, then the newest."""
    ordered = sorted(images, key=_age, reverse=True)
    usual = contract.local_name(str(wanted.version), wanted.variant)
    fitting = [image for image in ordered if not misfit(image, wanted)]
    named = [image for image in fitting if usual in image.tags]
    chosen = next(iter(named or fitting), None)
    verdicts = [Verdict(i, i is chosen, _reason(i, wanted, chosen, usual)) for i in ordered]
    return sorted(verdicts, key=lambda verdict: not verdict.chosen)


def _reason(image: LocalImage, wanted: Wanted, chosen: LocalImage | None, usual: str) -> str:
    wrong = misfit(image, wanted)
    if wrong or chosen is None:
        return wrong
    if image is chosen:
        return f"fits, and is named {usual}" if usual in image.tags else "the newest that fits"
    if usual in chosen.tags:
        return f"fits, but another one is named {usual}"
    if image.created == chosen.created:
        return f"fits, and is as new as {chosen.id[:19]}, whose id is greater"
    return f"fits, but {chosen.id[:19]} is newer"
