"""How a box's Claude is isolated: settings of the launcher, as a program names them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from pinnace.request import RunRequest
from pinnace_core.errors import UsageError, perhaps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace_core.host import HostFacts

_ENVIRONMENT: Final = "run.environment"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use; None: as the settings say.

    Attributes:
        memory: as docker writes it, `8g`.
        cpus: processors.
        pids: processes.
        shm_size: of /dev/shm.
    """

    memory: str | None = None
    cpus: float | None = None
    pids: int | None = None
    shm_size: str | None = None


class Isolation(TypedDict, total=False):
    """What counts for all calls of a box; each may be left out: the settings' files say it then.

    Attributes:
        version: of the CLI, a specifier that wins over every pin.
        isolation: a level; `open` weakens it: nothing then filters the network.
        profile: which of the user's accounts.
        limits: of memory, processors, processes.
        workspace: what Claude writes to.
        branch: that Claude works on, in a worktree of its own.
        mounts: more of them, `SOURCE[:TARGET][:ro|rw]`.
        allow: hosts that are let through.
        ports: of the container, opened on this machine.
        services: of this machine, that Claude may use.
        provision: pull or build an image that is missing.
        reuse: which calls find the packages and caches of those before; it weakens the isolation
            of calls from each other, see docs/standby.md.
        env: variables of Claude's.
        settings: any others, by their names in pinnace.toml, as `run.git`.
    """

    version: str | None
    isolation: str | None
    profile: str | None
    limits: Limits | None
    workspace: Literal["bind", "review", "clone"] | None
    branch: str | None
    mounts: Sequence[str]
    allow: Sequence[str]
    ports: Sequence[int | str]
    services: Sequence[int | str]
    provision: bool | None
    reuse: Literal["never", "project", "session"] | None
    env: Mapping[str, str] | None
    settings: Mapping[str, object] | None


_VALUES: Final = {
    "isolation": "run.isolation",
    "profile": "auth.profile",
    "workspace": "run.workspace",
    "branch": "run.branch",
    "provision": "run.provision",
    "reuse": "run.reuse",
}
_LISTS: Final = {
    "mounts": "run.mounts",
    "allow": "network.allow",
    "ports": "run.ports",
    "services": "run.services",
}


@dataclass(frozen=True, slots=True)
class Base:
    """What all calls of a box have.

    Attributes:
        version: of the CLI, a specifier.
        env: variables of Claude's.
        flags: settings, by their names.
    """

    version: str | None
    env: Mapping[str, str]
    flags: Mapping[str, object]

    def having(self, name: str, value: object) -> Base:
        """Return the same, with a setting more."""
        return replace(self, flags={**self.flags, name: value})

    def request(self, facts: HostFacts, env: Mapping[str, str]) -> tuple[RunRequest, HostFacts]:
        """Return what is launched, and the host, as a call with these variables sees it.

        Raises:
            UsageError: a variable is not Claude's.
        """
        facts, names = _with_variables(facts, {**self.env, **env})
        known: Any = self.flags.get(_ENVIRONMENT, [])
        flags = {**self.flags, _ENVIRONMENT: [*known, *names]} if names else dict(self.flags)
        return RunRequest(claude_version=self.version, flags=flags), facts


def base(given: Mapping[str, Any]) -> Base:
    """Return what was given, by the names of the settings.

    Raises:
        TypeError: there is no such setting.
    """
    for name in given:
        if name not in Isolation.__annotations__:
            raise TypeError(
                f"there is no argument '{name}'{perhaps(name, Isolation.__annotations__)}"
            )
    limits = asdict(given.get("limits") or Limits())
    named: dict[str, object] = {f"run.{k.replace('_', '-')}": v for k, v in limits.items()}
    named |= {key: given.get(name) for name, key in _VALUES.items()}
    named |= {key: list(given.get(name) or ()) or None for name, key in _LISTS.items()}
    named |= _known(given.get("settings") or {})
    flags = {name: value for name, value in named.items() if value is not None}
    return Base(given.get("version"), dict(given.get("env") or {}), flags)


def _known(settings: Mapping[str, object]) -> dict[str, object]:
    from pinnace.config.schema import BY_NAME

    for name in settings:
        if name not in BY_NAME:
            raise TypeError(f"there is no setting '{name}'{perhaps(name, BY_NAME)}")
    return dict(settings)


def _with_variables(facts: HostFacts, env: Mapping[str, str]) -> tuple[HostFacts, list[str]]:
    """Have Claude's variables go in: those of its own by their names, as if they were the host's.

    Others stand in the arguments, so that one such as PATH changes nothing here.
    """
    from pinnace.agent.variables import PASSED
    from pinnace.config.types import is_secret_name

    for name in env:
        if name.startswith("PINNACE_"):
            raise UsageError(
                f"{name} is no variable of Claude's", hint="Pinnace(settings={...}) has settings"
            )
    inside = {n: v for n, v in env.items() if n in PASSED or is_secret_name(n)}
    names = [name for name in inside if name not in PASSED]
    names += [f"{name}={value}" for name, value in env.items() if name not in inside]
    return facts._replace(environment={**facts.environment, **inside}), names
