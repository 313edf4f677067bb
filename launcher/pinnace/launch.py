"""The launch: pin, image, verification, plan, hand-over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace import (
    auth,
    claude_config,
    engine,
    images,
    lifetime,
    pins,
    profiles,
    terminal,
    verify,
    workspace,
)
from pinnace.argv import docker_argv
from pinnace.plan import Additions, Places, RunPlan, RunRequest, plan_run
from pinnace.process import hand_over
from pinnace.user import UserMapping, map_user
from pinnace_images import contract, places
from pinnace_images.errors import BadPinError, ImageMissingError
from pinnace_images.files import make_directory, write_atomic
from pinnace_images.platforms import Platform
from pinnace_images.report import tell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pinnace.engine import Engine
    from pinnace.facts import HostFacts
    from pinnace.images import LocalImage, Wanted
    from pinnace.pins import Pin
    from pinnace.settings import Settings
    from pinnace.workspace import Workspace
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
    found = engine.find(facts)
    version = chosen_version(request, facts)
    wanted = images.Wanted(
        version, request.settings.variant, str(Platform.of_machine(facts.machine))
    )
    image = local_image(found, wanted, provision=request.settings.provision and not request.dry_run)
    ensure_verified(image)
    user = map_user(facts, project, agent=request.settings.user_agent)
    additions = gather(request, facts, user, found)
    plan = plan_run(
        request,
        facts,
        project,
        user,
        image=image.id,
        places=_prepare(request, facts, project, user, additions),
        nonce=os.urandom(3).hex(),
        additions=additions,
    )
    if request.dry_run:
        import shlex

        print(shlex.join(docker_argv(plan)))  # noqa: T201 (no click on this path)
        return 0
    for note in (user.note, project.note, *(note for a in additions for note in a.notes)):
        if note:
            say(note)
    with lifetime.held((make for a in additions for make in a.during), plan):
        return _start(plan, image, found, _environment(facts, additions))


def gather(
    request: RunRequest, facts: HostFacts, user: UserMapping, found: Engine
) -> list[Additions]:
    """Ask every concern what it adds; those that nobody asked for are not even imported."""
    return [
        terminal.additions(facts),
        *_credentials(request.settings, facts, user),
        *_network(request, facts, found),
    ]


def _credentials(settings: Settings, facts: HostFacts, user: UserMapping) -> Iterator[Additions]:
    if settings.cloud or any(name.startswith("CLAUDE_CODE_USE_") for name in facts.environment):
        from pinnace import cloud

        yield cloud.additions(settings, facts, user)
    private = lifetime.private_places(facts)
    # One is there without a request, if a launch was killed.
    if settings.secrets or any(place.is_dir() for place in private):
        from pinnace import secret_files

        owner = (user.uid, user.gid) if facts.uid == 0 and facts.os == "linux" else None
        yield secret_files.for_launch(settings, private, owner=owner)


def _network(request: RunRequest, facts: HostFacts, found: Engine) -> Iterator[Additions]:
    settings = request.settings
    if settings.certificates:
        from pinnace import certificates

        yield certificates.additions(Path(settings.certificates), places.directory("state"))
    urls = (name for name in facts.environment if name.endswith("_BASE_URL"))
    if settings.proxy or settings.environment_names or any(urls):
        from pinnace import loopback

        yield loopback.for_launch(
            settings, facts, socket_path=found.socket_path, dry_run=request.dry_run
        )


def chosen_version(request: RunRequest, facts: HostFacts) -> CliVersion:
    """Decide the version: the pin's, or the lock's newest, which is said.

    Raises:
        BadPinError: the pin is not a version, or none is published that fits.
    """
    pin = pins.find(facts, flag=request.claude_version)
    if pin is None:
        version = default_version()
        say(
            f"no pin here: taking {version}, the newest that is locked; "
            f"to keep it: pinnace pin {version}"
        )
        return version
    return resolved(pin, provision=request.settings.provision and not request.dry_run)


def default_version() -> CliVersion:
    """Give the lock's newest version."""
    from pinnace_images import lock

    newest = lock.load_known().newest
    if newest is None:
        raise BadPinError("there is no pin, and the lock is empty", hint="run: pinnace pin VERSION")
    return newest


def resolved(pin: Pin, *, provision: bool) -> CliVersion:
    """Give the exact version that a pin means: a locked one if any fits, else a published one."""
    if pin.specifier.exact is not None:
        return pin.specifier.exact
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


def local_image(found: Engine, wanted: Wanted, *, provision: bool) -> LocalImage:
    """Give the image that fits; build it if it is missing.

    Raises:
        ImageMissingError: there is none, and it may not be built.
    """
    image = find_image(found, wanted)
    if image is not None:
        return image
    if provision:
        from pinnace import provision as provisioning

        say(f"no image holds Claude Code {wanted.version} ({wanted.variant}) yet: building it")
        provisioning.build(wanted.version, variant=wanted.variant)
        image = find_image(found, wanted)
    if image is None:
        raise ImageMissingError(
            f"no local image holds Claude Code {wanted.version} "
            f"({wanted.variant}, {wanted.platform})",
            hint=f"run: pinnace-build build {wanted.version} --variant {wanted.variant}",
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


def ensure_verified(image: LocalImage) -> None:
    """Verify an image unless that was done before."""
    if not verify.is_verified(image, records_directory()):
        from pinnace_images import lock

        verify.verify(image, records_directory(), lock=lock.load_known())


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
        key_suffix=auth.key_suffix(_environment(facts, additions, handed=True)),
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


def _environment(
    facts: HostFacts, additions: Sequence[Additions], *, handed: bool = False
) -> dict[str, str]:
    """Give the client's variables; with `handed`, those that Claude gets otherwise as well."""
    environment = dict(facts.environment)
    for addition in additions:
        environment |= addition.replaced
        environment |= addition.handed if handed else {}
    return environment


def _start(plan: RunPlan, image: LocalImage, found: Engine, environment: Mapping[str, str]) -> int:
    code = hand_over(docker_argv(plan), environment)
    if code == _REFUSED and found.image(image.id) is None:
        raise verify.missing(image)
    return code
