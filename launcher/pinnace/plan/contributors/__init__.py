"""What adds to a launch: every contributor is asked; those that nobody needs are not imported."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace import agent
from pinnace.agent import (
    claude_config,
    key_suffix,
    logins,
    places,
    project_config,
    user_parts,
)
from pinnace.agent.arguments import COMMANDS, may_name, read, wants_bypass
from pinnace.plan import Contribution, user
from pinnace.plan.contributors import git_worktree
from pinnace.plan.resources import Resource
from pinnace_core import console, host
from pinnace_core.container import Mount
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from pinnace.agent.logins import Login
    from pinnace.agent.places import Place
    from pinnace.plan import Inputs
    from pinnace_core.container import ContainerSpec
    from pinnace_core.host import HostFacts


# The modules here, in the order in which they contribute, and who needs them.
_CONTRIBUTORS: Final[tuple[tuple[str, Callable[[Inputs], object]], ...]] = (
    ("terminal", lambda _: True),
    ("policy", lambda _: True),
    ("memory", lambda inputs: inputs.settings.memory_note),
    ("git_config", lambda inputs: inputs.settings.git_identity),
    ("layers", lambda inputs: inputs.apart),
    (
        "git_worktree",
        lambda inputs: not inputs.apart and git_worktree.is_needed(inputs.project),
    ),
    ("session", lambda inputs: inputs.settings.session),
    # After it: a session is brought here once no other launch is at work on it.
    ("session_store", lambda inputs: inputs.settings.session_store),
    ("ssh", lambda inputs: inputs.settings.ssh_agent),
    ("mounts", lambda inputs: inputs.settings.caches or inputs.settings.mounts),
    ("devices", lambda inputs: inputs.settings.devices),
    ("private", lambda inputs: inputs.settings.private or _has_environment(inputs)),
    ("cloud", lambda inputs: inputs.settings.cloud or _has(inputs, start="CLAUDE_CODE_USE_")),
    ("certificates", lambda inputs: inputs.settings.certificates),
    ("loopback", lambda inputs: inputs.level.network and _reaches_out(inputs)),
    # Also without any: what a killed launch has left there is swept.
    (
        "secrets",
        lambda inputs: inputs.settings.secrets or _any_private(inputs.facts) or inputs.given,
    ),
    ("given", lambda inputs: inputs.given),
    ("files", lambda inputs: inputs.files),
)


_HELPER_NOTE: Final = (
    "the profile's settings name an apiKeyHelper: it runs inside, and what it says does not leave; "
    "name it in your own settings: auth.key-helper"
)


def contribute(inputs: Inputs) -> list[Contribution]:
    """Ask all contributors that a launch needs.

    Raises:
        PinnaceError: of any of its kinds: what was asked for cannot be had.
    """
    others: list[Contribution] = [
        _module(name).contribute(inputs) for name, needs in _CONTRIBUTORS if needs(inputs)
    ]
    if may_name(inputs.claude_arguments) and inputs.program == contract.CLAUDE_BINARY:
        others.append(_module("named_files").contribute(inputs, others))
    others.append(_module("protect").contribute(inputs, others))
    # The last: what the others pass of keys goes to the gateway.
    others.append(_module("network").contribute(inputs, others))
    found = [_config_directory(inputs, others), user.contribute(inputs.user), *others]
    if "CLAUDE_CONFIG_DIR" in inputs.facts.environment or "--session-mirror" in (
        inputs.claude_arguments
    ):
        return list(_module("client_config").moved(inputs, found))
    return found


def _module(name: str) -> Any:  # noqa: ANN401 (each has a `contribute`)
    # Not importlib: what that imports is not in the list of `-X importtime`.
    return __import__(f"{__name__}.{name}", fromlist=["contribute"])


def private_places(facts: HostFacts) -> list[Path]:
    """Return the directories for what is private to one launch, the best first: in memory."""
    found = []
    runtime = Path(facts.environment.get("XDG_RUNTIME_DIR", ""))
    if facts.os == "linux" and runtime.is_absolute() and _is_private(runtime, facts.uid):
        found.append(runtime / "pinnace" / "secrets")
    return [*found, host.directory("state") / "secrets"]


def gateway_places(facts: HostFacts) -> list[Path]:
    """Return the directories that gateways lie in, the one for new ones first."""
    return [place.with_name("gateway") for place in private_places(facts)]


def _is_private(place: Path, uid: int) -> bool:
    """See whose it is: `sudo -E` leaves another user's there, and some make one below `/tmp`."""
    try:
        status = place.stat()
    except OSError:
        return False
    return status.st_uid == uid and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _any_private(facts: HostFacts) -> bool:
    return any(place.is_dir() for place in private_places(facts))


def _has(inputs: Inputs, *, start: str = "", ends: tuple[str, ...] = ()) -> bool:
    """Return whether a variable is set that is called so, or that goes in by its name."""
    names, named = inputs.facts.environment, inputs.settings.environment_names
    return any(
        name.startswith(start) if start else name.endswith(ends) or name in named for name in names
    )


def _reaches_out(inputs: Inputs) -> bool:
    """Return whether a variable may lead to the host's own services."""
    return inputs.settings.proxy or _has(inputs, ends=("_URL", "_ENDPOINT"))


def _has_environment(inputs: Inputs) -> bool:
    """Return whether there is a Python environment of the host's to be warned of."""
    return os.path.exists(f"{inputs.project.source}/.venv/pyvenv.cfg")  # noqa: PTH110 (every launch)


def _account_notes(inputs: Inputs, place: Place) -> tuple[str, ...]:
    """Say that Claude will have no account, as far as names tell; the CLI only says `/login`."""
    settings, environment = inputs.settings, inputs.facts.environment
    known = any(environment.get(name) for name in agent.ACCOUNT_VARIABLES) or settings.key_helper
    elsewhere = settings.secrets or settings.cloud or _has(inputs, start="CLAUDE_CODE_USE_")
    asked = next(read(inputs.claude_arguments), None)
    other = asked is not None and asked.words[0] in {*COMMANDS, "--version", "-v", "--help", "-h"}
    if known or elsewhere or other or inputs.program != contract.CLAUDE_BINARY:
        return ()
    if logins.is_there(logins.of(place.account)):
        return ()
    if claude_config.has_helper(place.account):
        return (_HELPER_NOTE,)
    return ("there is no account yet: pinnace auth login, or set ANTHROPIC_API_KEY",)


def _login_outside(login: Login) -> Resource:
    """Return that a login is kept outside; placeholders stand inside."""

    def take_out(_: ContainerSpec) -> None:
        note = logins.take_out(login)
        if note:
            console.stderr(f"pinnace: {note}")

    def pending() -> str:
        settled = not login.moved or logins.is_settled(login)
        return "" if settled else f"let '{login.config / logins.FILE}' hold placeholders"

    return Resource(take_out, pending)


def place_of(inputs: Inputs) -> Place:
    """Return where Claude's files of a launch lie."""
    owner = inputs.user.owner_outside(inputs.facts)
    return places.choose(inputs.settings, inputs.facts, inputs.project, owner=owner)


def _config_directory(inputs: Inputs, others: Sequence[Contribution]) -> Contribution:
    """Mount Claude's config directory; an API key that goes in, in whatever way, is approved."""
    facts, owner = inputs.facts, inputs.user.owner_outside(inputs.facts)
    place = place_of(inputs)
    given = {v.name: v.value for c in others for v in c.variables if v.value is not None}
    suffix = key_suffix({**facts.environment, **given})
    if place.profile is None:
        return _users_own(inputs, place, suffix)
    named, hosts = inputs.settings.claude_home, user_parts.hosts_own(facts)
    parts = tuple(user_parts.parts(place.profile, hosts, named))
    config = project_config.ProjectConfig(
        place,
        inputs.project,
        home=Path(facts.home),
        lock=host.directory("state") / "config.lock",
        parts=parts,
        settings=user_parts.settings(place.profile, hosts, named),
        servers=user_parts.servers(place.profile),
        key_suffix=suffix,
        bypass=wants_bypass(inputs.claude_arguments),
        owner=owner,
        arguments=inputs.claude_arguments,
    )
    login = logins.of(place.account)._replace(config=place.config)
    return Contribution(
        mounts=(
            Mount(str(place.config), contract.CONFIG_DIR),
            *(part.mount for part in parts),
        ),
        notes=(
            *config.notes(),
            *user_parts.absent(parts, hosts, named),
            *_account_notes(inputs, place),
        ),
        resources=(
            Resource(lambda _: config.acquire(), config.pending),
            _login_outside(login),
        ),
    )


def _users_own(inputs: Inputs, place: Place, suffix: str) -> Contribution:
    """Mount a config directory that the user named: it is all there is."""
    # Only where such a directory is named.
    from pinnace.agent import own_config

    config = claude_config.ClaudeConfig(
        place.config,
        lock=host.directory("state") / "config.lock",
        workdir=inputs.project.workdir,
        key_suffix=suffix,
        bypass=wants_bypass(inputs.claude_arguments),
        owner=inputs.user.owner_outside(inputs.facts),
    )
    adds = own_config.adds(inputs.claude_arguments)
    if inputs.program == contract.CLAUDE_BINARY and not adds:
        own_config.require_approved(place.config, network=inputs.level.network)
    parts = () if adds else tuple(part.mount for part in own_config.parts(place.config))

    def acquire(_: ContainerSpec) -> AbstractContextManager[None] | None:
        config.prepare()
        if adds:
            return own_config.adopting(place.config)
        if inputs.program == contract.CLAUDE_BINARY:
            own_config.remember(place.config)
        return None

    return Contribution(
        mounts=(Mount(str(place.config), contract.CONFIG_DIR), *parts),
        notes=(*config.notes(), *_account_notes(inputs, place)),
        resources=(
            Resource(acquire, config.pending),
            _login_outside(logins.of(place.account)),
        ),
    )
