"""What adds to a launch: every concern is asked, those that nobody needs are not even imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pinnace.launch import resources
from pinnace.plan.contributors import git_worktree, terminal
from pinnace_core import paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pinnace.config import Settings
    from pinnace.config.project import Workspace
    from pinnace.plan.contribution import Contribution
    from pinnace.plan.user import UserMapping
    from pinnace.request import RunRequest
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts


def gather(  # noqa: PLR0913, PLR0917 (what a launch is decided by, each a fact of its own)
    request: RunRequest,
    settings: Settings,
    facts: HostFacts,
    project: Workspace,
    user: UserMapping,
    about: EngineFacts,
) -> list[Contribution]:
    """Ask every concern what it adds to a launch.

    Raises:
        PinnaceError: of any of its kinds: what was asked for cannot be had.
    """
    return [
        terminal.additions(facts),
        *_of_git(settings, facts, project),
        *_of_mounts(settings, facts, project, user),
        *_of_network(request, settings, facts, user, about),
        *_of_secrets(settings, facts, user),
    ]


def client_environment(
    facts: HostFacts, additions: Sequence[Contribution], *, handed: bool = False
) -> dict[str, str]:
    """Return the client's variables; with `handed`, those that Claude gets otherwise as well."""
    environment = dict(facts.environment)
    for addition in additions:
        environment |= addition.replaced
        environment |= addition.handed if handed else {}
    return environment


def _of_git(settings: Settings, facts: HostFacts, project: Workspace) -> Iterator[Contribution]:
    if settings.git_identity:
        from pinnace.plan.contributors import git_config

        yield git_config.additions(settings, facts, project)
    if git_worktree.concerns(project):
        yield git_worktree.additions(settings, facts, project)
    if "WSL_DISTRO_NAME" in facts.environment:
        from pinnace.plan.contributors import wsl

        yield wsl.additions(project)


def _of_mounts(
    settings: Settings, facts: HostFacts, project: Workspace, user: UserMapping
) -> Iterator[Contribution]:
    if settings.ssh_agent:
        from pinnace.plan.contributors import ssh

        yield ssh.additions(facts, user)
    if settings.caches:
        from pinnace.plan.contributors import caches

        yield caches.additions(settings, facts, user)
    if settings.mounts:
        from pinnace.plan.contributors import mounts

        yield mounts.additions(settings, facts, project)


def _of_network(
    request: RunRequest,
    settings: Settings,
    facts: HostFacts,
    user: UserMapping,
    about: EngineFacts,
) -> Iterator[Contribution]:
    if settings.cloud or any(name.startswith("CLAUDE_CODE_USE_") for name in facts.environment):
        from pinnace.plan.contributors import cloud

        yield cloud.additions(settings, facts, user)
    if settings.certificates:
        from pinnace.plan.contributors import certificates

        yield certificates.additions(Path(settings.certificates), paths.directory("state"))
    urls = ("_URL", *settings.environment_names)
    if settings.proxy or any(name.endswith(urls) for name in facts.environment):
        from pinnace.plan.contributors import loopback

        yield loopback.for_launch(settings, facts, engine=about, dry_run=request.dry_run)


def _of_secrets(settings: Settings, facts: HostFacts, user: UserMapping) -> Iterator[Contribution]:
    private = resources.private_places(facts)
    # Also without any: what a killed launch has left there is swept.
    if settings.secrets or any(place.is_dir() for place in private):
        from pinnace.plan.contributors import secrets

        owner = (user.uid, user.gid) if facts.uid == 0 and facts.os == "linux" else None
        yield secrets.for_launch(settings, private, owner=owner)
