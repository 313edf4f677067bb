"""What a launch would do here, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pinnace import doctor, image
from pinnace.cli import group
from pinnace.config import pin as pins
from pinnace.config import pin_edit
from pinnace.context import load_context
from pinnace.doctor import check
from pinnace.image import decide, last_version, verify
from pinnace.request import RunRequest
from pinnace_core import output
from pinnace_core.errors import EngineUnsuitableError, PinnaceError
from pinnace_core.host import HostFacts
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.config.pin import Pin
    from pinnace.context import Context
    from pinnace.image.decide import ImageDecision
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
        lock_note: what is wrong with the project's lock, or empty.
        problem: what keeps a launch from working, if anything.
    """

    context: Context
    pin: Pin | None
    version: CliVersion | None
    engine_version: str | None = None
    decision: ImageDecision | None = None
    verified: bool = False
    lock_note: str = ""
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
        if status.version is not None:
            last_version.require(context, status.version)
        status = status._replace(engine_version=context.engine.version())
        if status.version is None:
            return status
        decision = decide.decide_image(context, decide.wanted_of(context, status.version))
    except PinnaceError as error:
        return status._replace(problem=error)
    return _judged(status, decision)


def _judged(status: Status, decision: ImageDecision) -> Status:
    try:
        note = image.lock_note(status.context, decision.wanted.version)
    except PinnaceError as error:
        return status._replace(decision=decision, problem=error)
    status = status._replace(lock_note=note)
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


@group.cli.command("status")
@output.json_option
def status_command(*, as_json: bool) -> int:
    """Show the pin, the image and the engine that a launch here would take.

    With the pin's source, and whether the image was verified.
    """
    found = collect(HostFacts.detect())
    if as_json:
        return output.print_result(_document(found), found.problem)
    for name, value in _lines(found):
        output.say(f"{name:<10} {value}")
    if found.problem:
        raise found.problem
    return 0


def _document(found: Status) -> dict[str, Any]:
    decision = found.decision
    image = decision.image if decision else None
    missing = decision if decision and image is None and not decision.problem else None
    return {
        "workspace": found.context.project.source,
        "pin": {
            "specifier": str(found.pin.specifier) if found.pin else None,
            "source": found.pin.source if found.pin else "no pin: the lock's newest",
            "version": str(found.version) if found.version else None,
        },
        "image": None if image is None else {"id": image.id, "tags": list(image.tags)},
        "missing": {"name": missing.name, "next": missing.action} if missing else None,
        "verified": found.verified,
        "lock": {"note": found.lock_note or None} if found.context.locked else None,
        "engine": {"endpoint": found.context.engine.endpoint, "version": found.engine_version},
        "pending": [
            {"path": one.path, "keys": list(one.values)} for one in found.context.config.pending
        ],
    }


def _lines(found: Status) -> Iterator[tuple[str, str]]:
    pin, decision = found.pin, found.decision
    yield "workspace", found.context.project.source
    yield (
        "pin",
        f"{pin.specifier} ({pin.source})" if pin else "none: the newest that is locked counts",
    )
    yield "version", str(found.version) if found.version else "not resolved yet"
    yield "image", decide.summary(decision) if decision else "unknown"
    if decision and decision.note:
        yield "note", decision.note
    yield "verified", _verified(found)
    if found.context.locked:
        yield "lock", found.lock_note or "of this version"
    refused = isinstance(found.problem, EngineUnsuitableError)
    silent = "is not asked" if refused else "does not answer"
    yield "engine", f"{found.engine_version or silent} at {found.context.engine.endpoint}"
    for one in found.context.config.pending:
        yield "pending", f"{', '.join(one.values)} ({one.path})"


def _verified(found: Status) -> str:
    if found.decision is None or found.decision.problem:
        return "unknown"
    return "yes" if found.verified else "not yet"


@group.cli.command("doctor")
@output.json_option
def doctor_command(*, as_json: bool) -> int:
    """Check what a launch needs.

    Exit code 0 if nothing fails, else that of the first failure.
    """
    checks = doctor.examine(HostFacts.detect())
    problem = check.first_problem(checks)
    if as_json:
        return output.print_result(check.as_json(checks), problem)
    for one in checks:
        output.say(f"{one.status:<5} {one.name:<12} {one.found}")
        if one.fix and one.status != "ok":
            output.say(f"{'':<18} {one.fix}")
    return problem.exit_code if problem else 0
