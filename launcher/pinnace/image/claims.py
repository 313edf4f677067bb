"""What is wanted of an image, and what one says of itself: by its labels, and its names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace_core.errors import BadPinError, VerificationFailedError
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from pinnace_core.engine import Engine
    from pinnace_core.image import Image


class Wanted(NamedTuple):
    """What a launch looks for."""

    version: CliVersion
    variant: str
    platform: str

    @property
    def name(self) -> str:
        """What the local image is usually named."""
        return contract.local_name(str(self.version), self.variant)

    def name_in(self, repository: str) -> str:
        """Name what is pulled."""
        return f"{repository}:{self.version}-{self.variant}"


def listed(engine: Engine) -> list[Image]:
    """Return the local images that carry the contract's label, whatever its version."""
    return engine.images(contract.LABEL_CONTRACT)


def local(engine: Engine, reference: str) -> Image | None:
    """Return one local image by its name or id, if it is there."""
    return engine.image(reference, made_here=reference.startswith(contract.LOCAL_REPOSITORY))


def misfit(image: Image, wanted: Wanted) -> str:
    """Return why a plain launch does not take an image; nothing if it may."""
    if not is_ours(image):
        return f"no name in {contract.LOCAL_REPOSITORY}: neither built nor verified here"
    if contract.LABEL_PROJECT in image.labels:
        return "made for a project that adds something of its own"
    return mislabelled(image, wanted)


def mislabelled(image: Image, wanted: Wanted) -> str:
    """Return which label is not as wanted; nothing if all are."""
    for label, expected, what in (
        (contract.LABEL_CONTRACT, str(contract.CONTRACT_VERSION), "contract version"),
        (contract.LABEL_VERSION, str(wanted.version), "version"),
        (contract.LABEL_VARIANT, wanted.variant, "variant"),
        (contract.LABEL_PLATFORM, wanted.platform, "platform"),
        (contract.LABEL_USER, contract.AGENT_IDS, "user"),
    ):
        label_says = image.labels.get(label)
        if label_says != expected:
            return f"its {what} is {label_says or 'not stated'}, wanted {expected}"
    return ""


def require_claims(image: Image, wanted: Wanted, *, named: str) -> None:
    """See that labels say what is wanted, before anything in the image is run.

    Raises:
        VerificationFailedError: they do not.
    """
    if wrong := mislabelled(image, wanted):
        raise VerificationFailedError(
            f"'{named}' is not what is wanted: {wrong}",
            hint="what an image has to be: pinnace help image-contract",
        )


def of_any_variant(wanted: Wanted, image: Image) -> Wanted:
    """Return what is wanted of an image that somebody names: whichever variant it is."""
    return wanted._replace(variant=image.labels.get(contract.LABEL_VARIANT, "a variant"))


def is_ours(image: Image) -> bool:
    """Return whether it was built, or checked, here: anybody can put labels on an image."""
    return any(name.startswith(f"{contract.LOCAL_REPOSITORY}:") for name in image.tags)


def version_of(image: Image) -> CliVersion | None:
    """Return the CLI's version that an image claims."""
    try:
        return CliVersion.parse(image.labels.get(contract.LABEL_VERSION, ""))
    except BadPinError:
        return None
