"""How a box's Claude is isolated: settings of the launcher, as a program names them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from pinnace.request import RunRequest
from pinnace_core.errors import UsageError, perhaps
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pinnace_core.host import HostFacts

_ENVIRONMENT: Final = "run.environment"
# By this variable alone, Claude's directory is that of the project: see docs/clients.md.
_CONFIG: Final = "CLAUDE_CONFIG_DIR"


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
        by_name, named, values = variables({**self.env, **env})
        facts = facts._replace(environment={**facts.environment, **by_name})
        request = RunRequest(claude_version=self.version, flags=dict(self.flags))
        return naming(request._replace(variables=values), named), facts


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


def naming(request: RunRequest, names: Sequence[str]) -> RunRequest:
    """Return a request by which more variables go in by their names."""
    known: Any = request.flags.get(_ENVIRONMENT, [])
    flags = {**request.flags, _ENVIRONMENT: [*known, *names]} if names else request.flags
    return request._replace(flags=flags)


class Variables(NamedTuple):
    """Variables of Claude's, by the ways that they go in.

    Attributes:
        by_name: as if they were the host's: Claude's own, and secrets.
        named: those of them that go in only if they are named: of the rest, the launch knows.
        values: all others. One such as PATH or LD_PRELOAD changes nothing outside.
    """

    by_name: dict[str, str]
    named: list[str]
    values: dict[str, str]


def variables(env: Mapping[str, str], ruled: Iterable[str] = ()) -> Variables:
    """Divide what a program gives.

    Args:
        env: variables and their values.
        ruled: those that, beside Claude's own, a launch knows rules for.

    Raises:
        UsageError: one cannot be Claude's.
    """
    from pinnace.agent.variables import PASSED
    from pinnace.config.types import is_secret_name

    for name, value in env.items():
        if name.startswith("PINNACE_"):
            raise UsageError(
                f"{name} is no variable of Claude's", hint="Pinnace(settings={...}) has settings"
            )
        if not (name.isascii() and name.isidentifier()) or "\0" in value:
            raise UsageError(
                f"env: {name!r:.80} cannot be a variable",
                hint="its name has letters, digits and _; no NUL is in its value",
            )
    known = {*PASSED, *ruled, _CONFIG}
    by_name = {n: v for n, v in env.items() if n in known or is_secret_name(n)}
    values = {n: v for n, v in env.items() if n not in by_name}
    return Variables(by_name, sorted(by_name.keys() - known), values)
