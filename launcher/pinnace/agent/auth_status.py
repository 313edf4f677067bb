"""Explain which account a launch would use. Nothing of any secret is ever in what is told here.

The order in which the CLI looks was measured with 2.1.330 and a stand-in for its API: every pair
of sources, and what it sent.
"""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pinnace import agent
from pinnace.agent import logins
from pinnace.agent.claude_config import SETTINGS_FILE
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pinnace.config import Settings

_USELESS: Final = "what it says does not leave; name it in your own settings: auth.key-helper"
_OUTSIDE: Final = "its program is a path of the host that is not inside"
_WINDOWS_PATH: Final = re.compile(r"""\s*["']?[A-Za-z]:[\\/]""")
_KINDS: Final = frozenset({"free", "pro", "max", "team", "enterprise"})
_CLOUDS: Final = (
    ("aws", "Bedrock", ("AWS_REGION", "AWS_DEFAULT_REGION")),
    ("azure", "Foundry", ("ANTHROPIC_FOUNDRY_RESOURCE", "ANTHROPIC_FOUNDRY_BASE_URL")),
    ("gcloud", "Vertex", ("ANTHROPIC_VERTEX_PROJECT_ID", "GOOGLE_CLOUD_PROJECT")),
)
_OWN_KEYS: Final = {
    "aws": ("AWS_BEARER_TOKEN_BEDROCK",),
    "azure": ("ANTHROPIC_FOUNDRY_API_KEY",),
    "gcloud": (),
}
_IN_THE_IMAGE: Final = ("/bin", "/usr/bin", "/usr/local/bin", contract.CLAUDE_ROOT)


class Source(NamedTuple):
    """Something that Claude can authenticate with.

    Attributes:
        name: a variable's, `apiKeyHelper`, or `login`.
        where: it comes from: `environment`, `secrets`, `settings`, `profile`.
        details: plain facts about it.
        problem: what keeps it from working, or empty.
    """

    name: str
    where: str
    details: tuple[str, ...] = ()
    problem: str = ""


class Accounts(NamedTuple):
    """What a launch would authenticate with.

    Attributes:
        profile: its name.
        directory: its config directory on the host.
        sources: all there are; the first is the one that the CLI takes.
        conflicts: what may surprise.
    """

    profile: str
    directory: str
    sources: tuple[Source, ...]
    conflicts: tuple[str, ...]

    @property
    def taken(self) -> Source | None:
        """The source that the CLI takes."""
        return self.sources[0] if self.sources else None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "profile": self.profile,
            "directory": self.directory,
            "taken": self.taken.name if self.taken else None,
            "sources": [
                {
                    "name": source.name,
                    "where": source.where,
                    "details": list(source.details),
                    "problem": source.problem or None,
                }
                for source in self.sources
            ],
            "conflicts": list(self.conflicts),
        }

    def as_lines(self) -> list[tuple[str, str]]:
        """Return it for people: name and value."""
        lines = [("profile", f"{self.profile} ({self.directory})")]
        for index, source in enumerate(self.sources):
            facts = [source.where, *source.details, *([source.problem] if source.problem else [])]
            lines.append(("also there" if index else "taken", f"{source.name}: {', '.join(facts)}"))
        lines.extend(("conflict", conflict) for conflict in self.conflicts)
        if not self.sources:
            lines.append(("taken", "nothing: Claude cannot ask anything"))
            lines.append(("to log in", "pinnace auth login, or set one of the variables"))
        return lines


def collect(
    settings: Settings,
    environment: Mapping[str, str],
    directory: Path,
    workspace: str,
    *,
    handed: Mapping[str, str],
) -> Accounts:
    """Find the sources, in the order in which the CLI looks.

    Args:
        settings: of the launch.
        environment: the host's variables.
        directory: the config directory on the host.
        workspace: the project's place inside, which is its place on the host.
        handed: secrets that go in as files; their names alone are looked at.
    """
    found = (
        *_clouds(settings, environment, handed),
        *_variable("ANTHROPIC_AUTH_TOKEN", environment, handed),
        *_helper(directory, workspace),
        *_variable("ANTHROPIC_API_KEY", environment, handed),
        *_variable("CLAUDE_CODE_OAUTH_TOKEN", environment, handed),
        *_key_helper(settings),
        *_login(directory),
    )
    return Accounts(settings.profile, str(directory), found, _conflicts(found))


def _variable(
    name: str, environment: Mapping[str, str], handed: Mapping[str, str]
) -> tuple[Source, ...]:
    if handed.get(name):
        return (Source(name, "secrets", ("set",)),)
    return (Source(name, "environment", ("set",)),) if environment.get(name) else ()


def _clouds(
    settings: Settings, environment: Mapping[str, str], handed: Mapping[str, str]
) -> list[Source]:
    every = {**environment, **handed}
    found = []
    for name, title, needed in _CLOUDS:
        provider = agent.PROVIDERS[name]
        if not agent.is_on(every, provider.switch):
            continue
        passed = agent.variables(provider, environment)
        details = (title, *(f"{variable} set" for variable in passed))
        where = "secrets" if handed.get(provider.switch) else "environment"
        problem = ""
        if not any(every.get(variable) for variable in needed):
            problem = f"one of {', '.join(needed)} must be set"
        elif name not in settings.cloud and not any(handed.get(n) for n in provider.names):
            own = any(environment.get(n) for n in _OWN_KEYS[name] if n.startswith("ANTHROPIC_"))
            problem = "" if own else f"no credentials of it go in; to pass them: --cloud {name}"
        found.append(Source(provider.switch, where, details, problem))
    return found


def _helper(directory: Path, workspace: str) -> list[Source]:
    command = logins.document_of(directory / SETTINGS_FILE).get("apiKeyHelper")
    if not isinstance(command, str) or not command.strip():
        return []
    problem = _absent(command, workspace) or _USELESS
    return [Source("apiKeyHelper", "profile", ("runs inside",), problem)]


def _key_helper(settings: Settings) -> list[Source]:
    details = ("runs on this machine",)
    return [Source("auth.key-helper", "settings", details)] if settings.key_helper else []


def _absent(command: str, workspace: str) -> str:
    """Return what is wrong with a helper's program. Its arguments may hold secrets."""
    if _WINDOWS_PATH.match(command):
        return _OUTSIDE
    try:
        program = shlex.split(command)[0]
    except (ValueError, IndexError):
        return ""
    if not program.startswith(("/", "~")):
        return ""  # found on the PATH inside, or not: that depends on the image
    there = (workspace, contract.CONFIG_DIR, *_IN_THE_IMAGE)
    if any(PurePosixPath(program).is_relative_to(place) for place in there):
        return ""
    return _OUTSIDE


def _login(directory: Path) -> list[Source]:
    about = logins.of(directory)
    login = logins.load(about) or logins.found_inside(about)
    if login is None:
        return []
    where = "profile" if about.moved else "config directory"
    details, kind, expires = [], login.get("subscriptionType"), login.get("expiresAt")
    if isinstance(kind, str) and kind in _KINDS:
        details.append(f"subscription {kind}")
    problem = ""
    if isinstance(expires, int | float):
        try:
            when = datetime.fromtimestamp(expires / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            when = None
        if when:
            details.append(f"access until {when:%Y-%m-%d %H:%M} UTC")
    if logins.is_refused(about, login):
        problem = f"it is over: pinnace auth login --profile {about.name}"
    elif login.get("refreshToken"):
        details.append("renewed outside by its gateway")
    return [Source("login", where, tuple(details), problem)]


def _conflicts(found: tuple[Source, ...]) -> tuple[str, ...]:
    names = [source.name for source in found]
    conflicts = []
    if {"ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"} <= set(names):
        conflicts.append(
            "ANTHROPIC_AUTH_TOKEN and ANTHROPIC_API_KEY: the CLI sends both; unset one of them"
        )
    switches = [name for name in names if name.startswith("CLAUDE_CODE_USE_")]
    if len(switches) > 1:
        conflicts.append(f"several providers are switched on; {switches[0]} wins")
    if names[1:] and "login" in names[1:]:
        conflicts.append(f"the profile's login is not used while {names[0]} is there")
    return tuple(conflicts)
