"""What adds to a launch: every concern is asked, those that nobody needs are not even imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pinnace import terminal
from pinnace.project import repository
from pinnace.running import lifetime
from pinnace_images import places

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pinnace.engines.engine_facts import EngineFacts
    from pinnace.facts import HostFacts
    from pinnace.plan import Additions, RunRequest
    from pinnace.project.workspace import Workspace
    from pinnace.settings import Settings
    from pinnace.user import UserMapping


def gather(
    request: RunRequest, facts: HostFacts, project: Workspace, user: UserMapping, about: EngineFacts
) -> list[Additions]:
    """Ask every concern what it adds to a launch.

    Raises:
        PinnaceError: of any of its kinds: what was asked for cannot be had.
    """
    return [
        terminal.additions(facts),
        *_of_git(request.settings, facts, project),
        *_of_mounts(request.settings, facts, project, user),
        *_of_network(request, facts, user, about),
        *_of_secrets(request.settings, facts, user),
    ]


def client_environment(
    facts: HostFacts, additions: Sequence[Additions], *, handed: bool = False
) -> dict[str, str]:
    """Give the client's variables; with `handed`, those that Claude gets otherwise as well."""
    environment = dict(facts.environment)
    for addition in additions:
        environment |= addition.replaced
        environment |= addition.handed if handed else {}
    return environment


def _of_git(settings: Settings, facts: HostFacts, project: Workspace) -> Iterator[Additions]:
    if settings.git_identity:
        from pinnace.project import git_config

        yield git_config.additions(settings, facts, project)
    if repository.concerns(project):
        yield repository.additions(settings, facts, project)
    if "WSL_DISTRO_NAME" in facts.environment:
        from pinnace.project import wsl

        yield wsl.additions(project)


def _of_mounts(
    settings: Settings, facts: HostFacts, project: Workspace, user: UserMapping
) -> Iterator[Additions]:
    if settings.ssh_agent:
        from pinnace.mount import ssh

        yield ssh.additions(facts, user)
    if settings.caches:
        from pinnace.mount import caches

        yield caches.additions(settings, facts, user)
    if settings.mounts:
        from pinnace.mount import mounts

        yield mounts.additions(settings, facts, project)


def _of_network(
    request: RunRequest, facts: HostFacts, user: UserMapping, about: EngineFacts
) -> Iterator[Additions]:
    settings = request.settings
    if settings.cloud or any(name.startswith("CLAUDE_CODE_USE_") for name in facts.environment):
        from pinnace.account import cloud

        yield cloud.additions(settings, facts, user)
    if settings.certificates:
        from pinnace.network import certificates

        yield certificates.additions(Path(settings.certificates), places.directory("state"))
    urls = ("_URL", *settings.environment_names)
    if settings.proxy or any(name.endswith(urls) for name in facts.environment):
        from pinnace.network import loopback

        yield loopback.for_launch(settings, facts, engine=about, dry_run=request.dry_run)


def _of_secrets(settings: Settings, facts: HostFacts, user: UserMapping) -> Iterator[Additions]:
    private = lifetime.private_places(facts)
    # Also without any: what a killed launch has left there is swept.
    if settings.secrets or any(place.is_dir() for place in private):
        from pinnace.account import secret_files

        owner = (user.uid, user.gid) if facts.uid == 0 and facts.os == "linux" else None
        yield secret_files.for_launch(settings, private, owner=owner)
