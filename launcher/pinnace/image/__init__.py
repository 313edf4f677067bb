"""Which image a launch wants, and getting it: found, pulled or built, and verified.

`decide` says which one it is; this does what was decided.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace import agent
from pinnace.config import pin as pins
from pinnace.config import pin_edit
from pinnace.image import claims, decide, verify
from pinnace_core import built, console
from pinnace_core.errors import (
    BadProjectImageError,
    EngineUnavailableError,
    ImageMissingError,
    ImageRegistryError,
    PinnaceError,
    RegistryDeniedError,
    VerificationFailedError,
)
from pinnace_images import contract
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from pinnace.config.pin import Pin
    from pinnace.context import Context
    from pinnace.image.claims import Wanted
    from pinnace.image.decide import ImageDecision
    from pinnace_core.image import Image
    from pinnace_images.versions import CliVersion, Specifier

# What keeps a pull from working, and a build may do without.
_UNPULLABLE: Final = (ImageMissingError, RegistryDeniedError, ImageRegistryError)
# How clients may write a name without a registry's; `localhost` is podman's for what is local.
_DEFAULTS: Final = ("docker.io/", "index.docker.io/", "registry-1.docker.io/", "localhost/")


def pin_of(context: Context) -> Pin | None:
    """Return the pin, if there is one.

    Raises:
        BadPinError: it is not a version.
    """
    return pins.find(context.facts, flag=context.request.claude_version, files=context.config.files)


def wanted(context: Context) -> Wanted:
    """Return what a launch looks for among the images; a version that nobody pinned is said.

    Raises:
        BadPinError: the pin is not a version, or none is known, or published, that fits.
    """
    pin = pin_of(context)
    may_ask = context.config.settings.provision and not context.request.dry_run
    newest = partial(_newest, context.facts.machine) if may_ask else None
    version = pins.resolved(pin, project=context.locked, newest=newest)
    if pin is None:
        console.stderr(
            f"pinnace: no pin here: taking {version}, the newest that is locked; "
            f"to keep it: pinnace pin {version}"
        )
    note = lock_note(context, version)
    if note:
        console.stderr(f"pinnace: {note}")
    return decide.wanted_of(context, version)


def lock_note(context: Context, version: CliVersion) -> str:
    """Return what is wrong with the project's lock, or empty.

    In CI, as by `--locked`, that is an error: there, nobody reads notes.

    Raises:
        VerificationFailedError: the lock has to be of this version, and is not.
    """
    in_ci = context.locked is not None and agent.is_on(context.facts.environment, "CI")
    return pin_edit.require_fresh(
        Path(context.project.source),
        version,
        context.locked,
        strict=context.config.settings.locked or in_ci,
    )


def _newest(machine: str, specifier: Specifier) -> CliVersion:
    from pinnace.image import provision

    return provision.newest(specifier, Platform.of_machine(machine))


def obtain(context: Context, decision: ImageDecision, *, refresh: bool = False) -> Image:
    """Return the image that was decided on, verified; get it if it is missing.

    Args:
        context: with the engine.
        decision: what there is to do.
        refresh: build the project's own image anyway, with the packages of today.

    Raises:
        PinnaceError: there is none, or it is not what it claims to be.
    """
    if decision.note:
        console.stderr(f"pinnace: {decision.note}")
    if decision.action == "fail":
        raise decision.problem or decide.missing(context, decision)
    if decision.image is None and decision.base is None:
        _get(context, decision)
        decision = decide.decide_image(context, decision.wanted)
    if decision.base is not None:
        verify.ensure(decision.base, context.engine)
        if decision.image is None or refresh:
            _derive(context, decision, refresh=refresh)
            decision = decide.decide_image(context, decision.wanted)
    image = require_present(context, decision)
    verify.ensure(image, context.engine)
    return image


def require_present(context: Context, decision: ImageDecision) -> Image:
    """Return the image that was decided on, verified or not, if it is here.

    Raises:
        PinnaceError: it is not, or is not what it claims to be.
    """
    if decision.image is None:
        raise decision.problem or decide.missing(context, decision)
    return decision.image


def pending(decision: ImageDecision) -> list[str]:
    """Say what `obtain` would do before the image is there, verified; one line each."""
    here = [image for image in (decision.base, decision.image) if image is not None]
    records = verify.directory()
    found = [f"verify the image {i.id[:19]}" for i in here if not verify.is_verified(i, records)]
    if decision.action in {"pull", "build"}:
        found.append(f"{decision.action} the image {decision.name}")
    return found


def _get(context: Context, decision: ImageDecision) -> None:
    """Pull or build it; of several launches at once, one does and the others wait.

    Raises:
        VerificationFailedError: what was pulled is something else: nothing is built instead.
        PinnaceError: it can be neither pulled nor built; both reasons are told.
    """
    from pinnace_core.locks import exclusive

    wanted = decision.wanted
    with exclusive(f"provision-{wanted.version}-{wanted.variant}"):
        now = decide.decide_image(context, wanted)
        if now.image is not None or now.base is not None:
            return
        if decision.reason == "setting":
            _pull(context, decision.name, wanted.platform)
        elif decision.action == "pull":
            _pull_or_build(context, wanted)
        else:
            _build(context, wanted)


def _derive(context: Context, decision: ImageDecision, *, refresh: bool) -> None:
    """Build the project's own image, unless somebody did meanwhile; progress goes to stderr."""
    from pinnace.image import provision
    from pinnace_core.locks import exclusive

    recipe = decision.recipe
    if recipe is None:
        return
    with exclusive(f"project-{recipe.identity[:12]}"):
        if refresh or decide.decide_image(context, decision.wanted).image is None:
            if recipe.tools:
                console.stderr(
                    f"pinnace: the image gets {', '.join(recipe.tools)}, for this project; "
                    "without: --tool none, image.tools"
                )
            provision.trust(context.config.settings.certificates)
            provision.derive(context.engine, recipe, fresh=refresh)


def _pull_or_build(context: Context, wanted: Wanted) -> None:
    repository = context.config.settings.repository
    try:
        pull_published(context, wanted, repository)
    except _UNPULLABLE as reason:
        # A repository that answers, and has no such image, may have bases.
        bases = repository if isinstance(reason, ImageMissingError) else ""
        try:
            _build(context, wanted, instead_of=reason, base_repository=bases)
        except PinnaceError as error:
            raise type(error)(f"{reason.message}; {error.message}", hint=error.hint) from error


def _build(
    context: Context,
    wanted: Wanted,
    *,
    instead_of: PinnaceError | None = None,
    base_repository: str = "",
) -> None:
    from pinnace.image import provision

    provision.require_buildable(wanted)
    provision.trust(context.config.settings.certificates)
    subject = f"Claude Code {wanted.version} ({wanted.variant})"
    if instead_of is None:
        console.stderr(f"pinnace: no image holds {subject} yet: building it")
    else:
        console.stderr(f"pinnace: {instead_of.message}")
        console.stderr(f"pinnace: building an image of {subject} instead")
    provision.build(wanted, context.engine, base_repository=base_repository)


def pull_published(context: Context, wanted: Wanted, repository: str) -> Image:
    """Pull a version, verify it, and only then name it as ours.

    Args:
        context: with the engine.
        wanted: version, variant, platform.
        repository: where it is published.

    Raises:
        VerificationFailedError: it is something else; it was removed again.
        ImageMissingError: it is not published there.
        RegistryDeniedError: we may not see it.
        ImageRegistryError: no answer.
        BadProjectImageError: `repository` is no repository.
    """
    from pinnace.image import recipe

    engine, reference = context.engine, wanted.name_in(repository)
    recipe.require_reference(reference, source="the configured repository")
    console.stderr(f"pinnace: pulling {reference} ({wanted.platform})")
    _pull(context, reference, wanted.platform)
    image = claims.local(engine, reference)
    if image is None:
        raise ImageMissingError(f"'{reference}' went away", hint="run the same command again")
    try:
        claims.require_claims(image, wanted, named=reference)
        _require_plain(image, reference)
        verify.verify(image, verify.directory(), engine, anew=True)
    except VerificationFailedError as error:
        # Its name goes, and so does the image unless something else uses it.
        with suppress(EngineUnavailableError):
            engine.untag(reference)
        raise VerificationFailedError(
            f"{error.message}; it was removed again",
            hint=f"do not use it; find out who can write to '{repository}'",
        ) from error
    engine.tag(image.id, wanted.name)
    return image._replace(tags=(wanted.name, *image.tags))


def _pull(context: Context, reference: str, platform: str) -> None:
    """Pull; no stranger's image gets a name that says that it was made, and checked, here."""
    default = next((name for name in _DEFAULTS if reference.startswith(name)), "")
    repository = reference.removeprefix(default).partition("@")[0].partition(":")[0]
    if repository == contract.LOCAL_REPOSITORY:
        raise BadProjectImageError(
            f"'{reference}' is never pulled: only images that were made here have such names",
            hint="build it: pinnace-build build VERSION; or name another repository",
        )
    context.engine.pull(reference, platform)


def _require_plain(image: Image, reference: str) -> None:
    if contract.LABEL_PROJECT in image.labels:
        raise VerificationFailedError(
            f"'{reference}' was made for a project that adds something of its own",
            hint="publish the plain image: pinnace-build publish",
        )


def gateway(context: Context) -> str:
    """Return the id of the gateway's image; it is built if there is none.

    Raises:
        ImageMissingError: there is none, and nothing is to be built.
        PinnaceError: it cannot be built.
    """
    found = context.engine.image(contract.GATEWAY_NAME, made_here=True)
    version = found.labels.get(contract.LABEL_GATEWAY) if found is not None else None
    # It gets the keys: its name and its label are anybody's to give.
    ours = found is not None and built.is_recorded(found.id)
    if found is not None and ours and version == str(contract.GATEWAY_VERSION):
        return found.id
    if not context.config.settings.provision:
        raise ImageMissingError(
            f"there is no gateway's image ({contract.GATEWAY_NAME}), and nothing is to be built",
            hint="build it: pinnace-build gateway; or leave out --no-provision; if you loaded one "
            "that you trust: pinnace-build gateway --accept",
        )
    from pinnace.image import provision

    provision.trust(context.config.settings.certificates)
    return provision.gateway(context.engine)
