"""The image that a launch would take, or how it would get it; nothing is got, run or written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pinnace.image import images, selection
from pinnace_images import contract

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.config import Settings
    from pinnace.image.images import LocalImage, Wanted
    from pinnace_core.engine import Engine

Step = Literal["build", "pull", "fail"]

_TEXTS: Final = {
    "build": "none yet: the next launch builds {}",
    "pull": "none yet: the next launch pulls {}",
    "fail": "{} is missing, and nothing may be got: provision is off",
}


class Outlook(NamedTuple):
    """What a launch would do about its image.

    Attributes:
        image: that it would take, verified or not; None: it would have to get one first.
        name: of what is missing; of a project's own image it is the plain one's if that is missing.
        step: how it would get it.
        note: why it would not take what devcontainer.json names; or empty.
    """

    image: LocalImage | None = None
    name: str = ""
    step: Step = "build"
    note: str = ""

    def missing_json(self) -> dict[str, Any] | None:
        """Return what is missing as plain data; None if nothing is."""
        return None if self.image else {"name": self.name, "next": self.step}

    def text(self) -> str:
        """Return it for people."""
        if self.image is None:
            return _TEXTS[self.step].format(self.name)
        return self.image.tags[0] if self.image.tags else self.image.id


def look(found: Engine, wanted: Wanted, settings: Settings, *, project: Path) -> Outlook:
    """Return what a launch would do: the way of `selection.chosen_image`, only looking.

    Raises:
        VerificationFailedError: the labels of an image that the settings name are not as wanted.
        PinnaceError: the settings' image, packages or Dockerfile are none, or no engine answers.
    """
    base = _base(found, wanted, settings, project)
    if base.image is None or not (settings.packages or settings.dockerfile):
        return base
    from pinnace.image import project_image

    recipe = project_image.recipe_of(base.image, settings)
    own = project_image.built(found, recipe)
    return base._replace(image=own, name=recipe.name, step=_step(settings, "build"))


def _base(found: Engine, wanted: Wanted, settings: Settings, project: Path) -> Outlook:
    if settings.image:
        from pinnace.image import project_image

        image = project_image.local(found, wanted, settings.image)
        return Outlook(image, settings.image, _step(settings, "pull"))
    note = ""
    if settings.devcontainer:
        from pinnace.image import devcontainer

        choice = devcontainer.choose(found, wanted, project, trusted=True)
        if choice.image is not None:
            return Outlook(choice.image)
        note = choice.note
    name = contract.local_name(str(wanted.version), wanted.variant)
    step: Step = "build"
    if settings.repository:
        name, step = images.published_name(settings.repository, wanted), "pull"
    return Outlook(selection.find_image(found, wanted), name, _step(settings, step), note)


def _step(settings: Settings, step: Step) -> Step:
    return step if settings.provision else "fail"
