"""The launch: situation, image, user, plan, hand-over."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from pinnace import context
from pinnace.agent import claude_config, env_passthrough, profiles
from pinnace.config import project_lock
from pinnace.image import images
from pinnace.launch import owner, records, resources
from pinnace.launch.handover import hand_over
from pinnace.launch.timing import Clock
from pinnace.plan import contributors
from pinnace.plan.plan import Places, plan_run
from pinnace.plan.user import map_user
from pinnace_core import console, paths
from pinnace_core.engine import detect
from pinnace_core.engine.adapt import fit
from pinnace_core.engine.argv import docker_argv
from pinnace_core.files import make_directory, write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pinnace.context import Context
    from pinnace.image.images import LocalImage
    from pinnace.plan.contribution import Contribution
    from pinnace.plan.user import UserMapping
    from pinnace.request import RunRequest
    from pinnace_core.container import ContainerSpec
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts
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

    plan: ContainerSpec
    additions: tuple[Contribution, ...]
    notes: tuple[str, ...]


def run(request: RunRequest, facts: HostFacts) -> int:
    """Launch; return the exit code of what was run.

    Raises:
        PinnaceError: any of its kinds, before anything was started; or the image went away.
    """
    clock = Clock()
    here = context.survey(request, facts)
    if not request.dry_run:
        # Before anything is said or prepared that would be in vain.
        detect.require_client(here.engine, facts.environment)
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
        from pinnace_core.quoting import line

        argv = docker_argv(launch.plan, program=here.engine.program)
        print(line(argv, facts))  # noqa: T201 (no click on this path)
        return 0
    for note in launch.notes:
        console.stderr(f"pinnace: {note}")
    code = _start(launch, here, image)
    clock.mark("run")
    if request.timing:
        clock.tell()
    return code


def _decide(here: Context, about: EngineFacts, image: LocalImage, version: CliVersion) -> _Launch:
    request, facts, project = here.request, here.facts, here.project
    settings = here.config.settings
    user = map_user(facts, project, about, agent=settings.user_agent)
    additions = tuple(contributors.gather(request, settings, facts, project, user, about))
    planned = plan_run(
        request,
        facts,
        project,
        user,
        image=image.id,
        places=_prepare(here, user, additions),
        nonce=os.urandom(3).hex(),
        settings=settings,
        additions=additions,
        labels=owner.labels(version, None if request.dry_run else owner.current()),
    )
    plan, unfit = fit(planned, about)
    told = (note for addition in additions for note in addition.notes)
    notes = (user.note, project.note, *unfit, *told)
    return _Launch(plan, additions, tuple(note for note in notes if note))


def _prepare(here: Context, user: UserMapping, additions: Sequence[Contribution]) -> Places:
    """See that the files that are mounted are there."""
    request, facts, project = here.request, here.facts, here.project
    config = profiles.choose(here.config.settings, facts, project, user)
    claude_config.prepare(
        config.directory,
        lock=paths.directory("state") / "config.lock",
        workdir=project.workdir,
        key_suffix=env_passthrough.key_suffix(
            contributors.client_environment(facts, additions, handed=True)
        ),
        bypass=claude_config.wants_bypass(request.claude_arguments),
        owner=config.owner,
    )
    users = paths.directory("state") / "users" / f"{user.uid}-{user.gid}"
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


def _start(launch: _Launch, here: Context, image: LocalImage) -> int:
    plan, found = launch.plan, here.engine
    argv = docker_argv(plan, program=found.program)
    environment = contributors.client_environment(here.facts, launch.additions)
    gc.enable()
    with resources.held((make for a in launch.additions for make in a.during), plan):
        record = records.Record(plan.name, found.program, dict(plan.labels))
        code = records.watched(record, lambda: hand_over(argv, environment))
    if code == _REFUSED and found.image(image.id) is None:
        raise images.missing(image)
    return code
