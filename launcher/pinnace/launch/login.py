"""Log in: the pinned CLI, alone in a container, with nothing of the user's but the terminal.

It has the engine's network, an empty directory for a project, one for what it writes, and no key.
What it has made of a login goes where logins are kept; the rest is removed.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace import image as images
from pinnace.agent import claude_config, logins
from pinnace.config import Settings, levels
from pinnace.context import load_context
from pinnace.launch import start
from pinnace.request import RunRequest
from pinnace_core import console
from pinnace_core.errors import PinnaceError
from pinnace_core.files import make_directory

if TYPE_CHECKING:
    from pinnace.agent.logins import Login
    from pinnace.context import Context
    from pinnace_core.host import HostFacts

NEW: Final = ".new-"
"""How names of directories begin in which a login is being made."""
_ARGUMENTS: Final = ("auth", "login")
# What of the settings counts: which image and engine, and what a network needs.
_KEPT: Final = (
    *("variant", "repository", "provision", "engine", "runtime", "user_agent"),
    *("memory", "pids", "cpus", "gateway_network", "certificates", "profile"),
    *("audit", "audit_size", "audit_days"),
)
_NO_LOGIN: Final = (
    "Claude has made no login; an account of the Console has keys instead: make one there, and set "
    "ANTHROPIC_API_KEY"
)
_DROPPED: Final = ("ANTHROPIC_", "CLAUDE", "PINNACE_")


def log_in(here: Context, login: Login) -> int:
    """Log in; return the CLI's exit code.

    Raises:
        PinnaceError: of any kind that a launch has; or the login cannot be kept.
    """
    version = str(images.wanted(here).version)
    logins.prepare()
    place = Path(tempfile.mkdtemp(prefix=NEW, dir=logins.directory()))
    try:
        config, project = (make_directory(place / name) for name in ("config", "project"))
        request = RunRequest(claude_arguments=_ARGUMENTS, claude_version=version)
        alone = load_context(request, _facts(here.facts, project))
        code = start.launched(_plain(alone, here.config.settings, config))
        return code or _keep(config, login)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _facts(facts: HostFacts, project: Path) -> HostFacts:
    kept = {n: v for n, v in facts.environment.items() if not n.startswith(_DROPPED)}
    return facts._replace(cwd=str(project), environment=kept)


def _plain(alone: Context, settings: Settings, config: Path) -> Context:
    """Return the context without what a login has no use for."""
    kept = {name: getattr(settings, name) for name in _KEPT}
    opened = levels.BUILT_IN["open"]
    bare = Settings(
        **kept,
        isolation=opened.name,
        config_directory=str(config),
        proxy=True,
        git_identity=False,
        memory_note=False,
    )
    return alone._replace(config=alone.config._replace(settings=bare, level=opened))


def _keep(config: Path, login: Login) -> int:
    """Keep what Claude made; return an exit code."""
    found = logins.load(logins.of(config))
    if found is None:
        console.stderr(f"pinnace: {_NO_LOGIN}")
        return 1
    logins.replace(login, found)
    try:
        logins.remember_account(login, claude_config.account(config))
    except PinnaceError as error:
        # It is only what is shown.
        console.stderr(f"pinnace: {error}")
    console.stderr(f"pinnace: the login of profile {login.name} is kept in '{login.file}'")
    return 0
