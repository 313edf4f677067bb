"""Decide which image a launch runs, or how it would get it: nothing is got, run or written.

What an image claims, its labels say; of its names only whether one is ours counts. Named tuples,
because every launch makes some.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from pinnace.config import AUTO
from pinnace.image import claims
from pinnace.image.claims import Wanted
from pinnace_core.errors import (
    BadProjectImageError,
    ImageMissingError,
    VerificationFailedError,
)
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pinnace.context import Context
    from pinnace_core.errors import PinnaceError
    from pinnace_core.image import Image
    from pinnace_images.contract import Recipe
    from pinnace_images.versions import CliVersion

Action: TypeAlias = Literal["use", "pull", "build", "fail"]
ImageReason: TypeAlias = Literal[
    "usual name", "newest", "none fits", "setting", "devcontainer", "project"
]
"""What decided: a plain image fits, or none does; the settings, or devcontainer.json, name one; the
project adds something of its own to one."""


class ImageDecision(NamedTuple):
    """What a launch does about its image.

    Attributes:
        wanted: what was looked for.
        reason: what decided.
        action: `use` the image; `pull` or `build` what is named; `fail`: nothing may be got, or
            what is there is not what is wanted.
        name: of what has to be got; of a project's own image it is the plain one's if that is
            missing, too.
        image: that is used, verified or not; None: it has to be got first.
        base: of the project's own image, as soon as it is there.
        recipe: of the project's own image, as soon as its base is there.
        note: why it is not the image that devcontainer.json names; or empty.
        problem: the error that every launch ends with.
    """

    wanted: Wanted
    reason: ImageReason
    action: Action
    name: str = ""
    image: Image | None = None
    base: Image | None = None
    recipe: Recipe | None = None
    note: str = ""
    problem: PinnaceError | None = None


class Candidate(NamedTuple):
    """A local image, and why it is the one that is used, or not."""

    image: Image
    chosen: bool
    reason: str


def wanted_of(context: Context, version: CliVersion) -> Wanted:
    """Return what a launch of a version looks for."""
    platform = str(Platform.of_machine(context.facts.machine))
    return Wanted(version, context.config.settings.variant, platform)


def decide_image(context: Context, wanted: Wanted) -> ImageDecision:
    """Decide; the engine is asked which images are there, and the project's files are read.

    Raises:
        BadProjectImageError: a package or the Dockerfile of the project is none.
        CannotReadError: the Dockerfile, or what it copies, cannot be read.
        EngineUnavailableError: no answer, or none that makes sense.
    """
    settings = context.config.settings
    if settings.image:
        decided = _named(context, wanted)
    elif settings.devcontainer:
        decided = _of_devcontainer(context, wanted)
    else:
        decided = decide_plain(context, wanted)
    tools = tools_of(context)
    if decided.image is None or not (settings.packages or settings.dockerfile or tools):
        return decided
    from pinnace.image import recipe

    remember = not context.request.dry_run
    made = recipe.of_settings(decided.image, settings, tools, remember=remember)
    own = claims.local(context.engine, made.name)
    # The name holds a part of the identity only.
    if own is not None and own.labels.get(contract.LABEL_PROJECT) != made.identity:
        own = None
    return decided._replace(
        reason="project",
        action=_action(context, own, "build"),
        name=made.name,
        image=own,
        base=decided.image,
        recipe=made,
    )


def tools_of(context: Context) -> tuple[str, ...]:
    """Return the tools that the project's own image has: those asked for, or that it needs.

    By itself, nothing is added to an image of the user's, or to a variant that was chosen.
    """
    settings = context.config.settings
    asked = tuple(sorted({*settings.tools} - {AUTO}))
    if "none" in asked or AUTO not in settings.tools:
        return () if "none" in asked else asked
    chosen = settings.variant != contract.DEFAULT_VARIANT
    if settings.image or settings.devcontainer or chosen:
        return asked
    root = context.project.source
    # Of all tools, so as not to import them at every launch; a test holds it against them.
    needs_node = os.path.exists(f"{root}/package.json")  # noqa: PTH110 (every launch)
    return tuple(sorted({*asked, *(("node",) if needs_node else ())}))


def decide_plain(context: Context, wanted: Wanted) -> ImageDecision:
    """Decide as if the project and the user asked for no image of their own.

    The usual name first, then all images; their labels decide in both cases. An engine describes
    one image in 4 ms; to list 13 took one with a containerd store 100 ms.
    """
    reason: ImageReason = "usual name"
    image = claims.local(context.engine, wanted.name)
    if image is None or claims.misfit(image, wanted):
        fitting = (i for i in claims.listed(context.engine) if not claims.misfit(i, wanted))
        image = max(fitting, key=_age, default=None)
        reason = "newest" if image else "none fits"
    repository = context.config.settings.repository
    name = wanted.name_in(repository) if repository else wanted.name
    action = _action(context, image, "pull" if repository else "build")
    return ImageDecision(wanted, reason, action, name, image)


def _named(context: Context, wanted: Wanted) -> ImageDecision:
    from pinnace.image import recipe

    name = context.config.settings.image
    try:
        recipe.require_reference(name, source="the setting 'image'")
        image = claims.local(context.engine, name)
        if image is not None:
            claims.require_claims(image, claims.of_any_variant(wanted, image), named=name)
    except (BadProjectImageError, VerificationFailedError) as error:
        return ImageDecision(wanted, "setting", "fail", name, problem=error)
    return ImageDecision(wanted, "setting", _action(context, image, "pull"), name, image)


def _of_devcontainer(context: Context, wanted: Wanted) -> ImageDecision:
    from pinnace.image import recipe

    project = Path(context.project.source)
    image, note = recipe.devcontainer_image(context.engine, wanted, project)
    if image is None:
        return decide_plain(context, wanted)._replace(note=note)
    return ImageDecision(wanted, "devcontainer", "use", image=image)


def _action(context: Context, image: Image | None, missing: Action) -> Action:
    if image is not None:
        return "use"
    return missing if context.config.settings.provision else "fail"


def _age(image: Image) -> tuple[str, str]:
    """Order by age; ties go to the greatest id."""
    return image.created, image.id


def summary(decision: ImageDecision) -> str:
    """Return for people what a launch does about its image, one line."""
    image, name = decision.image, decision.name
    if image is not None:
        return image.tags[0] if image.tags else image.id
    if decision.problem:
        return decision.problem.message
    if decision.action == "fail":
        return f"{name} is missing, and nothing may be got: provision is off"
    return f"none yet: the next launch {decision.action}s {name}"


def missing(context: Context, decision: ImageDecision) -> ImageMissingError:
    """Return the error for an image that is not here, and may not be got."""
    wanted, name = decision.wanted, decision.name
    if decision.reason == "setting":
        return ImageMissingError(
            f"the image '{name}', which the setting 'image' names, is not here",
            hint=f"run: {context.engine.name} pull {name}",
        )
    if decision.reason == "project":
        return ImageMissingError(
            f"the project's own image {name} is not built yet",
            hint="build it: pinnace run -- --version, without --no-provision and --dry-run",
        )
    pull = "" if name == wanted.name else f"pinnace pull {wanted.version}, or "
    return ImageMissingError(
        f"no local image holds Claude Code {wanted.version} ({wanted.variant}, {wanted.platform})",
        hint=f"run: {pull}pinnace-build build {wanted.version} --variant {wanted.variant}",
    )


def candidates(images: Iterable[Image], decision: ImageDecision) -> list[Candidate]:
    """Say of all images why the decision took one or not: that one first, then the newest."""
    chosen = decision.image.id if decision.image else ""
    ordered = sorted(images, key=_age, reverse=True)
    judged = [Candidate(i, i.id == chosen, _why(i, decision)) for i in ordered]
    return sorted(judged, key=lambda one: not one.chosen)


def _why(image: Image, decision: ImageDecision) -> str:
    chosen, usual = decision.image, decision.wanted.name
    if chosen is not None and image.id == chosen.id:
        base = decision.base.id[:19] if decision.base else ""
        return {
            "usual name": f"fits, and is named {usual}",
            "setting": "the setting 'image' names it",
            "devcontainer": "the project's devcontainer.json names it",
            "project": f"the project's own image, on {base}",
        }.get(decision.reason, "the newest that fits")
    if wrong := claims.misfit(image, decision.wanted):
        return wrong
    if decision.reason == "usual name":
        return f"fits, but another one is named {usual}"
    if chosen is None or decision.reason != "newest":
        return "the settings choose another image"
    if image.created == chosen.created:
        return f"fits, and is as new as {chosen.id[:19]}, whose id is greater"
    return f"fits, but {chosen.id[:19]} is newer"
