"""What a launch would do here, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pinnace import image
from pinnace.config import pin as pins
from pinnace.config import pin_edit
from pinnace.context import load_context
from pinnace.image import decide, verify
from pinnace.request import RunRequest
from pinnace_core.errors import PinnaceError

if TYPE_CHECKING:
    from pinnace.config.pin import Pin
    from pinnace.context import Context
    from pinnace.image.decide import ImageDecision
    from pinnace_core.host import HostFacts
    from pinnace_images.versions import CliVersion


class Status(NamedTuple):
    """A project's state.

    Attributes:
        context: workspace, engine, and what waits for approval.
        pin: if there is one.
        version: that it means, as far as that is known without asking the registry.
        engine_version: if it answers.
        decision: about the image; None if that is not known.
        verified: whether that image was verified.
        problem: what keeps a launch from working, if anything.
    """

    context: Context
    pin: Pin | None
    version: CliVersion | None
    engine_version: str | None = None
    decision: ImageDecision | None = None
    verified: bool = False
    problem: PinnaceError | None = None


def collect(facts: HostFacts) -> Status:
    """Read the state of the project around the working directory.

    Raises:
        BadPinError: the pin is not a version.
        BadSettingsError: a settings file or variable is not what it should be.
    """
    context = load_context(RunRequest(dry_run=True), facts)
    pin = image.pin_of(context)
    status = Status(context, pin, _version(context, pin))
    try:
        status = status._replace(engine_version=context.engine.version())
        if status.version is None:
            return status
        decision = decide.decide_image(context, decide.wanted_of(context, status.version))
    except PinnaceError as error:
        return status._replace(problem=error)
    return _judged(status, decision)


def _judged(status: Status, decision: ImageDecision) -> Status:
    if decision.image is None:
        return status._replace(decision=decision, problem=decision.problem)
    verified = verify.is_verified(decision.image, verify.directory())
    status = status._replace(decision=decision, verified=verified)
    try:
        pin_edit.require_locked(decision.image, decision.wanted.version, status.context.locked)
    except PinnaceError as error:
        return status._replace(problem=error)
    return status


def _version(context: Context, pin: Pin | None) -> CliVersion | None:
    try:
        return pins.resolved(pin, project=context.locked)
    except PinnaceError:
        if pin is None:
            raise
        return None
