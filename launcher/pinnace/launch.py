"""The launch: situation, image, user, plan, hand-over."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Final

from pinnace import concerns, situation
from pinnace.account import auth, claude_config, profiles
from pinnace.argv import docker_argv
from pinnace.engines import finding
from pinnace.engines.fit import fit
from pinnace.image import images
from pinnace.pin import project_lock
from pinnace.plan import Additions, Places, RunPlan, plan_run
from pinnace.process import hand_over
from pinnace.running import launchers, lifetime, runs
from pinnace.timing import Clock
from pinnace.user import map_user
from pinnace_images import places
from pinnace_images.files import make_directory, write_atomic
from pinnace_images.report import tell
from pinnace_images.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pinnace.engines.engine_facts import EngineFacts
    from pinnace.facts import HostFacts
    from pinnace.image.images import LocalImage
    from pinnace.plan import RunRequest
    from pinnace.situation import Situation
    from pinnace.user import UserMapping
    from pinnace_images.versions import CliVersion

# What docker and podman exit with when they could not start a container.
_REFUSED: Final = 125


class _Launch(NamedTuple):
    """A launch that is decided; nothing of it has been started.

    Attributes:
        plan: the container.
        additions: of all concerns.
        notes: what the user should know.
    """

    plan: RunPlan
    additions: tuple[Additions, ...]
    notes: tuple[str, ...]


def run(request: RunRequest, facts: HostFacts) -> int:
    """Launch; give the exit code of what was run.

    Raises:
        PinnaceError: any of its kinds, before anything was started; or the image went away.
    """
    clock = Clock()
    here = situation.survey(request, facts)
    if not request.dry_run:
        # Before anything is said or prepared that would be in vain.
        finding.require_client(here.engine, facts.environment)
    here.say_pending()
    wanted = here.wanted()
    clock.mark("settings, pin")
    about = here.suitable()
    image = here.image(wanted)
    project_lock.require(image, wanted.version, here.locked)
    clock.mark("image")
    launch = _decide(here, about, image, wanted.version)
    clock.mark("plan")
    if here.request.dry_run:
        from pinnace.quoting import line

        argv = docker_argv(launch.plan, program=here.engine.program)
        print(line(argv, facts))  # noqa: T201 (no click on this path)
        return 0
    for note in launch.notes:
        tell(f"pinnace: {note}")
    code = _start(launch, here, image)
    clock.mark("run")
    if request.timing:
        clock.tell()
    return code


def _decide(here: Situation, about: EngineFacts, image: LocalImage, version: CliVersion) -> _Launch:
    request, facts, project = here.request, here.facts, here.project
    user = map_user(facts, project, about, agent=request.settings.user_agent)
    additions = tuple(concerns.gather(request, facts, project, user, about))
    planned = plan_run(
        request,
        facts,
        project,
        user,
        image=image.id,
        places=_prepare(here, user, additions),
        nonce=os.urandom(3).hex(),
        additions=additions,
        labels=launchers.labels(version, None if request.dry_run else launchers.current()),
    )
    plan, unfit = fit(planned, about)
    told = (note for addition in additions for note in addition.notes)
    notes = (user.note, project.note, *unfit, *told)
    return _Launch(plan, additions, tuple(note for note in notes if note))


def _prepare(here: Situation, user: UserMapping, additions: Sequence[Additions]) -> Places:
    """See that the files that are mounted are there."""
    request, facts, project = here.request, here.facts, here.project
    config = profiles.choose(request.settings, facts, project, user)
    claude_config.prepare(
        config.directory,
        lock=places.directory("state") / "config.lock",
        workdir=project.workdir,
        key_suffix=auth.key_suffix(concerns.client_environment(facts, additions, handed=True)),
        bypass=claude_config.wants_bypass(request.claude_arguments),
        owner=config.owner,
    )
    users = places.directory("state") / "users" / f"{user.uid}-{user.gid}"
    if not user.as_in_image:
        make_directory(users)
        _keep(users / "passwd", user.passwd())
        _keep(users / "group", user.group())
    return Places(config.directory, users / "passwd", users / "group")


def _keep(path: Path, text: str) -> None:
    """Write only what differs: a running container has the file mounted."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return
    except (OSError, UnicodeDecodeError):
        pass
    write_atomic(path, text.encode())


def _start(launch: _Launch, here: Situation, image: LocalImage) -> int:
    plan, found = launch.plan, here.engine
    argv = docker_argv(plan, program=found.program)
    environment = concerns.client_environment(here.facts, launch.additions)
    gc.enable()
    with lifetime.held((make for a in launch.additions for make in a.during), plan):
        record = runs.Record(plan.name, found.program, dict(plan.labels))
        code = runs.watched(record, lambda: hand_over(argv, environment))
    if code == _REFUSED and found.image(image.id) is None:
        raise images.missing(image)
    return code
