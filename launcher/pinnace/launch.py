"""The launch: pin, image, verification, plan, hand-over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace import (
    auth,
    claude_config,
    concerns,
    engine,
    images,
    launchers,
    lifetime,
    pins,
    profiles,
    project_lock,
    runs,
    verify,
    workspace,
)
from pinnace.argv import docker_argv
from pinnace.fit import fit
from pinnace.plan import Additions, Places, RunPlan, RunRequest, plan_run
from pinnace.process import hand_over
from pinnace.user import UserMapping, map_user
from pinnace_images import contract, places
from pinnace_images.errors import BadPinError, ImageMissingError, UnknownVersionError
from pinnace_images.files import make_directory, write_atomic
from pinnace_images.platforms import Platform
from pinnace_images.report import tell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace.engine import Engine
    from pinnace.facts import HostFacts
    from pinnace.images import LocalImage, Wanted
    from pinnace.pins import Pin
    from pinnace.project_files import Files
    from pinnace.settings import Settings
    from pinnace.workspace import Workspace
    from pinnace_images.lock import Lock
    from pinnace_images.versions import CliVersion

_REFUSED: Final = 125


def say(text: str) -> None:
    """Tell the user something, beside the output."""
    tell(f"pinnace: {text}")


def run(request: RunRequest, facts: HostFacts) -> int:
    """Launch; give the exit code of what was run.

    Raises:
        PinnaceError: any of its kinds, before anything was started; or the image went away.
    """
    project = workspace.locate(facts)
    request, files = settled(request, facts)
    locked = project_lock.load(Path(project.source))
    found = engine.find(facts, request.settings.engine)
    version = chosen_version(request, facts, files, locked)
    engine.require_local(found)
    about = found.facts()
    engine.require_suitable(found, about)
    wanted = images.Wanted(
        version, request.settings.variant, str(Platform.of_machine(facts.machine))
    )
    image = chosen_image(
        found,
        wanted,
        request.settings,
        project=Path(project.source),
        provision=request.settings.provision and not request.dry_run,
    )
    project_lock.require(image, version, locked)
    user = map_user(facts, project, about, agent=request.settings.user_agent)
    additions = concerns.gather(request, facts, project, user, found)
    planned = plan_run(
        request,
        facts,
        project,
        user,
        image=image.id,
        places=_prepare(request, facts, project, user, additions),
        nonce=os.urandom(3).hex(),
        additions=additions,
        labels=launchers.labels(version, None if request.dry_run else launchers.current()),
    )
    plan, unfit = fit(planned, about)
    if request.dry_run:
        from pinnace.quoting import line

        print(line(docker_argv(plan, program=found.program), facts))  # noqa: T201 (no click here)
        return 0
    told = (note for a in additions for note in a.notes)
    for note in (user.note, project.note, *unfit, *told):
        if note:
            say(note)
    with lifetime.held((make for a in additions for make in a.during), plan):
        return _start(plan, image, found, concerns.client_environment(facts, additions))


def settled(request: RunRequest, facts: HostFacts) -> tuple[RunRequest, Files | None]:
    """Fill in the settings from all their sources; tell what is not approved yet."""
    if request.flags is None:
        return request, None
    from pinnace import cascade

    loaded = cascade.load(facts, request.flags)
    if loaded.pending:
        say(f"{'; '.join(p.note for p in loaded.pending)}; see them: pinnace trust")
    return request._replace(settings=loaded.settings), loaded.files


def chosen_version(
    request: RunRequest,
    facts: HostFacts,
    files: Files | None = None,
    locked: Lock | None = None,
) -> CliVersion:
    """Decide the version: the pin's, or the lock's newest, which is said.

    Args:
        request: what was asked for.
        facts: the host.
        files: the settings files, if they were read already.
        locked: the project's own lock, which decides what its pin means.

    Raises:
        BadPinError: the pin is not a version, or none is published that fits.
    """
    pin = pins.find(facts, flag=request.claude_version, files=files)
    if pin is None:
        version = default_version()
        say(
            f"no pin here: taking {version}, the newest that is locked; "
            f"to keep it: pinnace pin {version}"
        )
        return version
    return resolved(
        pin, provision=request.settings.provision and not request.dry_run, project=locked
    )


def default_version() -> CliVersion:
    """Give the lock's newest version."""
    from pinnace_images import lock

    newest = lock.load_known().newest
    if newest is None:
        raise BadPinError("there is no pin, and the lock is empty", hint="run: pinnace pin VERSION")
    return newest


def resolved(pin: Pin, *, provision: bool, project: Lock | None = None) -> CliVersion:
    """Give the exact version that a pin means: a locked one if any fits, else a published one.

    The project's own lock is asked first.
    """
    if pin.specifier.exact is not None:
        return pin.specifier.exact
    ours = pin.specifier.best(project.entries) if project else None
    if ours is not None:
        return ours
    from pinnace_images import lock

    version = pin.specifier.best(lock.load_known().entries)
    if version is not None:
        return version
    if not provision:
        raise BadPinError(
            f"no locked version fits '{pin.specifier}' ({pin.source})",
            hint=f"run: pinnace pin '{pin.specifier}'",
        )
    from pinnace import provision as provisioning

    return provisioning.newest(pin.specifier)


def chosen_image(
    found: Engine, wanted: Wanted, settings: Settings, *, project: Path, provision: bool
) -> LocalImage:
    """Give the image that a launch runs, verified; get it if it is missing.

    Raises:
        PinnaceError: there is none, or it is not what it claims to be.
    """
    image = None
    if settings.image:
        from pinnace import project_image

        image = project_image.named(found, wanted, settings.image, provision=provision)
    elif settings.devcontainer:
        from pinnace import devcontainer

        image, note = devcontainer.choose(found, wanted, project, trusted=True)
        if note:
            say(note)
    if image is None:
        image = local_image(found, wanted, provision=provision, repository=settings.repository)
    ensure_verified(found, image)
    if settings.packages or settings.dockerfile:
        from pinnace import project_image

        image = project_image.own(found, image, settings, provision=provision)
        ensure_verified(found, image)
    return image


def local_image(
    found: Engine, wanted: Wanted, *, provision: bool, repository: str = ""
) -> LocalImage:
    """Give the image that fits; pull or build it if it is missing.

    Raises:
        ImageMissingError: there is none, and it may not be got.
    """
    image = find_image(found, wanted)
    if image is None and provision:
        from pinnace import provision as provisioning

        try:
            provisioning.obtain(
                found,
                wanted,
                repository=repository,
                records=records_directory(),
                look=lambda: find_image(found, wanted),
            )
        except UnknownVersionError as error:
            from pinnace.suggest import better

            raise better(error, str(wanted.version)) from error
        image = find_image(found, wanted)
    if image is None:
        build = f"pinnace-build build {wanted.version} --variant {wanted.variant}"
        raise ImageMissingError(
            f"no local image holds Claude Code {wanted.version} "
            f"({wanted.variant}, {wanted.platform})",
            hint=f"run: {f'pinnace pull {wanted.version}, or ' if repository else ''}{build}",
        )
    return image


def find_image(found: Engine, wanted: Wanted) -> LocalImage | None:
    """Look at the usual name first, then at all images; their labels decide in both cases.

    An engine describes one image in 4 ms; to list 13 took one with a containerd store 100 ms.
    """
    named = found.image(contract.local_name(str(wanted.version), wanted.variant))
    image = images.select([named], wanted) if named else None
    return image or images.select(found.images(), wanted)


def records_directory() -> Path:
    """Give the directory of verification records."""
    return places.directory("state") / "verified"


def ensure_verified(found: Engine, image: LocalImage) -> None:
    """Verify an image unless that was done before; of several launches at once, one does it."""
    records = records_directory()
    if verify.is_verified(image, records):
        verify.mark_used(image, records)
        return
    from filelock import FileLock

    turn = make_directory(places.directory("cache")) / f"verify-{image.id[-12:]}.lock"
    with FileLock(turn):
        if not verify.is_verified(image, records):
            verify.verify(image, records, engine=found.facts())


def _prepare(
    request: RunRequest,
    facts: HostFacts,
    project: Workspace,
    user: UserMapping,
    additions: Sequence[Additions],
) -> Places:
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


def _start(plan: RunPlan, image: LocalImage, found: Engine, environment: Mapping[str, str]) -> int:
    argv = docker_argv(plan, program=found.program)
    code = runs.watched(plan.name, dict(plan.labels), lambda: hand_over(argv, environment))
    if code == _REFUSED and found.image(image.id) is None:
        raise verify.missing(image)
    return code
