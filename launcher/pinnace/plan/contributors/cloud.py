"""Credentials for Bedrock, Vertex AI and Foundry: they go in on request, read-only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.agent import PROVIDERS, is_on, variables
from pinnace.plan import Contribution
from pinnace.plan.variables import by_name, plain
from pinnace_core.container import Mount, Tmpfs
from pinnace_core.errors import CannotReadError, UsageError
from pinnace_images import contract

if TYPE_CHECKING:
    from pinnace.agent import Provider
    from pinnace.config import Settings
    from pinnace.plan import Inputs
    from pinnace.plan.user import UserMapping
    from pinnace_core.host import HostFacts

_INSIDE: Final = "/run/pinnace/cloud"


def contribute(inputs: Inputs) -> Contribution:
    """Return the credentials of the providers asked for; a note where others are switched on.

    Raises:
        UsageError: there is no such provider.
        CannotReadError: a variable, such as GOOGLE_APPLICATION_CREDENTIALS, names no file.
    """
    settings, facts = inputs.settings, inputs.facts
    for name in settings.cloud:
        if name not in PROVIDERS:
            raise UsageError(
                f"'{name}' is no provider of credentials", hint=f"one of: {', '.join(PROVIDERS)}"
            )
    asked = [PROVIDERS[name] for name in sorted(set(settings.cloud))]
    parts = [
        *(_of(provider, facts, inputs.user) for provider in asked),
        *(_file(name, facts) for provider in asked for name in provider.files),
    ]
    return Contribution(
        mounts=tuple(m for p in parts for m in p.mounts),
        tmpfs=tuple(t for p in parts for t in p.tmpfs),
        variables=tuple(v for p in parts for v in p.variables),
        notes=(*(n for p in parts for n in p.notes), *_left_outside(settings, facts)),
    )


def _left_outside(settings: Settings, facts: HostFacts) -> list[str]:
    return [
        f"{provider.switch} is set, but no credentials of it go in; to pass them: --cloud {name}"
        for name, provider in PROVIDERS.items()
        if is_on(facts.environment, provider.switch)
        and name not in settings.cloud
        and not any(n in settings.environment_names for n in provider.names)
    ]


def _of(provider: Provider, facts: HostFacts, user: UserMapping) -> Contribution:
    names = tuple(map(by_name, variables(provider, facts.environment)))
    source = _source(provider, facts)
    if not source.is_dir():
        note = () if names else (f"'{source}' is not there: no credentials of it go in",)
        return Contribution(variables=names, notes=note)
    real, target = source.resolve(), f"{contract.HOME}/{provider.place}"
    scratch = f"mode=0700,uid={user.uid},gid={user.gid}"
    moved = facts.environment.get(provider.moved_by) if provider.moved_by else None
    return Contribution(
        mounts=(Mount(str(real), target, read_only=True),),
        tmpfs=(
            *([_dot_config(user)] if "/" in provider.place else []),
            *(Tmpfs(f"{target}/{d}", scratch) for d in provider.scratch if (real / d).is_dir()),
        ),
        variables=(*names, *([plain(provider.moved_by, target)] if moved else [])),
        notes=_unreadable(real, facts, user),
    )


def _dot_config(user: UserMapping) -> Tmpfs:
    """Without it the engine makes the directory between, and it is root's."""
    return Tmpfs(f"{contract.HOME}/.config", f"exec,mode=0700,uid={user.uid},gid={user.gid}")


def _source(provider: Provider, facts: HostFacts) -> Path:
    moved = facts.environment.get(provider.moved_by) if provider.moved_by else None
    if moved:
        return Path(facts.cwd, moved)
    if facts.os == "windows" and provider.place == ".config/gcloud":
        return Path(facts.environment.get("APPDATA") or facts.home, "gcloud")
    return Path(facts.home, provider.place)


def _unreadable(place: Path, facts: HostFacts, user: UserMapping) -> tuple[str, ...]:
    owner = place.stat().st_uid
    if facts.os != "linux" or owner == user.uid:
        return ()
    return (f"'{place}' belongs to uid {owner}; Claude runs as {user.uid} and may not read it",)


def _file(variable: str, facts: HostFacts) -> Contribution:
    named = facts.environment.get(variable)
    if not named:
        return Contribution()
    path = Path(facts.cwd, named)
    if not path.is_file():
        raise CannotReadError(
            f"{variable} names '{path}', which is no file", hint="correct the variable, or unset it"
        )
    target = f"{_INSIDE}/{variable.lower()}"
    mount = Mount(str(path.resolve()), target, read_only=True)
    return Contribution(mounts=(mount,), variables=(plain(variable, target),))
