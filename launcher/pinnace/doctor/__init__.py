"""What a launch needs, one check for each, with what to do about those that fail."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pinnace import image as images
from pinnace.config import DEFAULT_MEMORY, DEFAULT_PIDS, load
from pinnace.config import pin as pins
from pinnace.context import load_context
from pinnace.doctor.check import Check, Status, failed, guarded
from pinnace.doctor.host import (
    check_build,
    check_certificates,
    check_client,
    check_directories,
    of_host,
)
from pinnace.doctor.probe import check_mount, check_probe
from pinnace.doctor.waiting import check_waiting
from pinnace.image import decide, verify
from pinnace.plan import user
from pinnace.plan.contributors import terminal
from pinnace.plan.reach import require_out_of_reach
from pinnace.request import RunRequest
from pinnace_core.container import Mount
from pinnace_core.engine import require_local, require_suitable
from pinnace_core.engine.facts import adapt
from pinnace_core.errors import EngineUnsuitableError, PinnaceError

if TYPE_CHECKING:
    from pinnace.context import Context
    from pinnace.image.decide import ImageDecision
    from pinnace.plan.user import UserMapping
    from pinnace_core.engine import Engine
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts
    from pinnace_core.image import Image


def examine(facts: HostFacts) -> list[Check]:
    """Do all checks; those that need an engine are left out where none answers."""
    first = guarded("directories", check_directories)
    try:
        here = load_context(RunRequest(dry_run=True), facts)
    except PinnaceError as error:
        return [first, failed("settings", error), *of_host(facts)]
    checks = [first, check_settings(here), guarded("pin", lambda: check_pin(here))]
    checks += [guarded("client", lambda: check_client(here.engine, facts))]
    try:
        require_local(here.engine)
        about = here.engine.facts(anew=True)
        require_suitable(here.engine, about)
    except PinnaceError as error:
        checks.append(failed("engine", error))
    else:
        checks += [check_engine(here.engine, about), check_limits(about)]
        checks += _of_launch(here, about)
        checks.append(guarded("standby", lambda: check_waiting(here)))
    checks += [guarded("build", lambda: check_build(here.engine, facts)), check_lock(here)]
    return [*checks, check_certificates(here), *of_host(facts)]


def _of_launch(here: Context, about: EngineFacts) -> list[Check]:
    checks: list[Check] = []
    image: Image | None = None
    try:
        version = pins.resolved(images.pin_of(here), project=here.locked)
        decision = decide.decide_image(here, decide.wanted_of(here, version))
        image = decision.image
        checks.append(check_image(decision))
    except PinnaceError as error:
        checks.append(failed("image", error))
    agent = here.config.settings.user_agent
    try:
        mapping = user.map_user(here.facts, here.project, about, agent=agent)
    except PinnaceError as error:
        return [*checks, failed("user", error)]
    place = guarded("workspace", lambda: check_place(here))
    checks += [check_user(mapping, about, here.facts), place]
    if image is not None:
        probed = image
        checks.append(
            guarded(
                "probe",
                lambda: check_probe(here.engine, about, mapping, here.facts, image=probed),
            )
        )
        checks.append(guarded("mount", lambda: check_mount(here, about, mapping, image=probed)))
    return checks


def check_settings(here: Context) -> Check:
    """Return what does not count: not approved yet, or misspelt."""
    misspelt = list(load.unknown_variables(here.facts.environment).values())
    notes = "; ".join([*(one.note for one in here.config.pending), *misspelt])
    if notes:
        verb = "trust" if here.config.pending else "config"
        return Check("settings", "warn", notes, f"see them: pinnace {verb}")
    return Check("settings", "ok", "all count; see them: pinnace config")


def check_engine(found: Engine, about: EngineFacts) -> Check:
    """Judge the engine's kind and version."""
    text = f"{describe(about)} at {found.endpoint}"
    if about.numbers != (0, 0) and about.numbers < about.oldest:
        oldest = ".".join(map(str, about.oldest))
        old = EngineUnsuitableError(
            f"{text} is too old", hint=f"install {about.kind} {oldest} or newer"
        )
        return failed("engine", old)
    elsewhere = about.host and not about.desktop and about.host != os.uname().nodename
    if os.name == "posix" and found.is_local and elsewhere:
        return Check(
            "engine",
            "warn",
            f"{text}, on a machine that calls itself '{about.host}'",
            "if that is not this machine, its directories are mounted, not these",
        )
    return Check("engine", "ok", text)


def describe(about: EngineFacts) -> str:
    """Return what kind of engine it is."""
    kind = f"{'rootless ' if about.rootless else ''}{about.kind} {about.version}"
    return f"{kind} ({about.desktop})" if about.desktop else kind


def check_limits(about: EngineFacts) -> Check:
    """See whether memory and processes can be limited."""
    from pinnace_core.container import ContainerSpec

    notes = adapt(
        ContainerSpec(image="", command=(), memory=DEFAULT_MEMORY, pids=DEFAULT_PIDS), about
    ).notes
    if notes:
        fix = "rootless engines need cgroup v2, with memory and pids delegated to the user"
        return Check("limits", "warn", "; ".join(notes), fix)
    return Check("limits", "ok", f"memory and processes (cgroup v{about.cgroup})")


def check_pin(here: Context) -> Check:
    """See that there is a pin, and what it means without asking the registry."""
    pin = images.pin_of(here)
    version = pins.resolved(pin, project=here.locked)
    if pin is None:
        return Check("pin", "warn", f"none: {version} is taken", f"run: pinnace pin {version}")
    return Check("pin", "ok", f"{version} ({pin.source})")


def check_image(decision: ImageDecision) -> Check:
    """See that the image is there, and was verified."""
    if decision.problem:
        raise decision.problem
    name = decide.summary(decision)
    if decision.image is None:
        return Check("image", "warn", name, "see why: pinnace images")
    if not verify.is_verified(decision.image, verify.directory()):
        return Check("image", "warn", f"{name}, not verified", "the next launch verifies it")
    return Check("image", "ok", f"{name}, verified")


def check_user(mapping: UserMapping, about: EngineFacts, facts: HostFacts) -> Check:
    """Return who Claude runs as, and why."""
    inside = f"{mapping.uid}:{mapping.gid} inside"
    outside = f"{facts.uid}:{facts.gid}"
    if mapping.userns or (about.rootless and mapping.mapped):
        text = f"{inside} is {outside} outside, because the engine is rootless"
    elif mapping.mapped:
        text = f"{inside}; {about.desktop or 'the engine'} gives its files to you"
    else:
        text = f"{inside} is the same outside"
    groups = "".join(f", with the group {group}" for group in mapping.groups)
    status: Status = "warn" if mapping.note else "ok"
    return Check("user", status, text + groups, mapping.note)


def check_place(here: Context) -> Check:
    """Return what is mounted; nothing of Pinnace's own may lie in it."""
    project = here.project
    locked = here.config.level.read_only
    require_out_of_reach([Mount(project.source, project.target, read_only=locked)], here.facts)
    note = next(iter(terminal.drive_notes(project)), "")
    return Check("workspace", "warn" if note else "ok", project.source, note)


def check_lock(here: Context) -> Check:
    """See that the project's lock is of the version that is pinned."""
    if here.locked is None:
        return Check("lock", "ok", "none")
    try:
        version = pins.resolved(images.pin_of(here), project=here.locked)
        note = images.lock_note(here, version)
    except PinnaceError as error:
        return failed("lock", error)
    return Check("lock", "warn" if note else "ok", note or f"of {version}")
