"""Credentials for Bedrock, Vertex AI and Foundry: they go in on request, read-only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pinnace.plan.contribution import Contribution
from pinnace_core.container import Mount, Tmpfs
from pinnace_core.errors import CannotReadError, UsageError
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace.config import Settings
    from pinnace.plan.user import UserMapping
    from pinnace_core.host import HostFacts

_INSIDE: Final = "/run/pinnace/cloud"
_OFF: Final = frozenset({"", "0", "false", "no", "off"})


class Provider(NamedTuple):
    """A cloud.

    Attributes:
        switch: the variable that makes the CLI use it.
        place: of its tools' configuration, in the home directory.
        moved_by: the variable that names another place; also set inside, to the place there.
        names: variables that go in.
        prefixes: likewise, of families of variables.
        files: variables that name a file, which goes in too.
        scratch: directories in the place that its tools write to, and that hold no credentials.
    """

    switch: str
    place: str
    moved_by: str
    names: tuple[str, ...]
    prefixes: tuple[str, ...]
    files: tuple[str, ...]
    scratch: tuple[str, ...]


PROVIDERS: Final[Mapping[str, Provider]] = {
    "aws": Provider(
        "CLAUDE_CODE_USE_BEDROCK",
        ".aws",
        "",
        (
            *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"),
            *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN"),
            *("AWS_ROLE_SESSION_NAME", "AWS_BEARER_TOKEN_BEDROCK", "AWS_EC2_METADATA_DISABLED"),
            *("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_STS_REGIONAL_ENDPOINTS"),
        ),
        (),
        ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ("cli/cache",),
    ),
    "azure": Provider(
        "CLAUDE_CODE_USE_FOUNDRY",
        ".azure",
        "AZURE_CONFIG_DIR",
        (
            *("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_USERNAME"),
            *("AZURE_SUBSCRIPTION_ID", "AZURE_AUTHORITY_HOST", "AZURE_CLOUD"),
        ),
        (),
        ("AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"),
        ("commands", "logs", "telemetry"),
    ),
    "gcloud": Provider(
        "CLAUDE_CODE_USE_VERTEX",
        ".config/gcloud",
        "CLOUDSDK_CONFIG",
        (
            *("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT", "GOOGLE_CLOUD_LOCATION"),
            *("GCLOUD_PROJECT", "CLOUD_ML_REGION", "CLOUDSDK_CORE_PROJECT"),
            "CLOUDSDK_ACTIVE_CONFIG_NAME",
        ),
        ("VERTEX_REGION_",),
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        ("logs",),
    ),
}


def is_on(environment: Mapping[str, str], switch: str) -> bool:
    """Return whether the CLI takes a switch for set (measured with 2.1.330: `0` is off)."""
    return environment.get(switch, "").strip().lower() not in _OFF


def variables(provider: Provider, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Name a provider's variables that are set, sorted."""
    found = {n for n in environment if n in provider.names or n.startswith(provider.prefixes)}
    return tuple(sorted(n for n in found if n.isidentifier()))


def additions(settings: Settings, facts: HostFacts, user: UserMapping) -> Contribution:
    """Return the credentials of the providers asked for; a note where others are switched on.

    Raises:
        UsageError: there is no such provider.
        CannotReadError: a variable, such as GOOGLE_APPLICATION_CREDENTIALS, names no file.
    """
    for name in settings.cloud:
        if name not in PROVIDERS:
            raise UsageError(
                f"'{name}' is no provider of credentials", hint=f"one of: {', '.join(PROVIDERS)}"
            )
    asked = [PROVIDERS[name] for name in sorted(set(settings.cloud))]
    parts = [
        *(_of(provider, facts, user) for provider in asked),
        *(_file(name, facts) for provider in asked for name in provider.files),
    ]
    return Contribution(
        mounts=tuple(m for p in parts for m in p.mounts),
        tmpfs=tuple(t for p in parts for t in p.tmpfs),
        environment=tuple(e for p in parts for e in p.environment),
        environment_names=tuple(n for p in parts for n in p.environment_names),
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
    names = variables(provider, facts.environment)
    source = _source(provider, facts)
    if not source.is_dir():
        note = () if names else (f"'{source}' is not there: no credentials of it go in",)
        return Contribution(environment_names=names, notes=note)
    real, target = source.resolve(), f"{contract.HOME}/{provider.place}"
    scratch = f"mode=0700,uid={user.uid},gid={user.gid}"
    moved = facts.environment.get(provider.moved_by) if provider.moved_by else None
    return Contribution(
        mounts=(Mount(str(real), target, read_only=True),),
        tmpfs=(
            *([_dot_config(user)] if "/" in provider.place else []),
            *(Tmpfs(f"{target}/{d}", scratch) for d in provider.scratch if (real / d).is_dir()),
        ),
        environment=((provider.moved_by, target),) if moved else (),
        environment_names=names,
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
    return Contribution(mounts=(mount,), environment=((variable, target),))
