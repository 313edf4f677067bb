"""A config directory that the user named: what is in it that runs, and who put it there.

All launches that name it share it, and perhaps the Claude of this machine, outside of containers:
what one leaves there, the next would run. It is the user's, so nothing in it is written anew, as in
a project's own. What it has run when it is first used counts; what is added or changed from then on
waits for approval. Where there is a network, all of it does, as what a project's files have run.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pinnace.agent import claude_config, project_state, user_parts, user_settings
from pinnace.agent.claude_config import BYPASS_SETTING, SETTINGS_FILE, STATE_FILE
from pinnace.agent.project_settings import UNREADABLE, Wish
from pinnace.config import files
from pinnace_core.errors import PinnaceError, UnsafeRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pinnace.agent.user_parts import Part

_SEEN: Final = " (seen)"
# Beside them, Claude keeps notes in `plugins` at any launch: https://code.claude.com/docs/en/plugins
_OF_PLUGINS: Final = ("plugins/cache", "plugins/marketplaces", "plugins/repos")
_INSTALLED: Final = "plugins/installed_plugins.json"
_PLACE: Final = "installPath"
# They change what is in it by the user's own word, and start no agent.
_ADDING: Final = (
    *(("mcp", "add"), ("mcp", "add-json"), ("mcp", "remove"), ("plugin", "install")),
    *(("plugin", "uninstall"), ("plugin", "enable"), ("plugin", "disable"), ("plugin", "update")),
    ("plugin", "marketplace"),
)


def is_note(path: str) -> bool:
    """Return whether an approval is no user's: Pinnace's note of what it saw."""
    return path.endswith(_SEEN)


def adds(arguments: Sequence[str]) -> bool:
    """Return whether a command changes what is in it, and starts no agent that could."""
    return tuple(arguments[:2]) in _ADDING


def wishes(directory: Path) -> list[Wish]:
    """Return what its files have run, each file by itself; nothing is one, too."""
    settings = _read(directory / SETTINGS_FILE)
    asking = {n: v for n, v in sorted(settings.items()) if _asks(n) and v}
    state = project_state.entries(_read(directory / STATE_FILE, shape=True))
    running = {project_state.shown(name): value for name, value in sorted(state.items())}
    there = {part.name: "is there" for part in _found(directory, user_parts.ALWAYS)}
    plugins = directory / _INSTALLED
    return [
        Wish(str(plugins), _placed(_read(plugins, shape=True))),
        Wish(str(directory / SETTINGS_FILE), asking),
        Wish(str(directory / STATE_FILE), running),
        Wish(str(directory), there),
    ]


def _asks(name: str) -> bool:
    return name == UNREADABLE or (user_settings.asks(name) and name != BYPASS_SETTING)


def _read(path: Path, *, shape: bool = False) -> dict[str, Any]:
    try:
        return claude_config.read_document(path)
    except PinnaceError:
        return {} if shape else {UNREADABLE: path.name}


def _placed(document: object, where: str = "") -> dict[str, Any]:
    """Return where plugins are said to lie, by what they are; all else there changes by itself."""
    pairs: Iterable[tuple[object, object]] = ()
    if isinstance(document, dict):
        pairs = document.items()
    elif isinstance(document, list):
        pairs = enumerate(document)
    found: dict[str, Any] = {}
    for name, value in pairs:
        place = f"{where}.{name}".lstrip(".")
        found |= {place: value} if name == _PLACE else _placed(value, place)
    return found


def parts(directory: Path) -> list[Part]:
    """Return its directories of agents, hooks and the like, and its `CLAUDE.md`; no link is one."""
    return _found(directory, (*user_parts.ALWAYS, *_OF_PLUGINS))


def _found(directory: Path, names: Iterable[str]) -> list[Part]:
    named = [user_parts.Part(name, directory / name) for name in names]
    return [part for part in named if user_parts.fits(part.source, part) and _holds(part)]


def _holds(part: Part) -> bool:
    try:
        return part.is_file or any(part.source.iterdir())
    except OSError:
        return True


def waiting(directory: Path, *, network: bool) -> list[Wish]:
    """Return what is not approved.

    Args:
        directory: the config directory.
        network: nothing counts that was only seen before.
    """
    if not directory.is_dir():
        # In what is not there, nothing runs; that it cannot be made is said when it is.
        return []
    return [wish for wish in wishes(directory) if _waits(wish, network=network)]


def _waits(wish: Wish, *, network: bool) -> bool:
    seen = f"{wish.path}{_SEEN}"
    if files.is_approved(wish.path, wish.content):
        return False
    known = files.is_known(seen) or files.is_known(wish.path)
    changed = known and not files.is_approved(seen, wish.content)
    return changed or (network and bool(wish.values) and wish.path.endswith(".json"))


def require_approved(directory: Path, *, network: bool) -> None:
    """See that nothing in it runs that an agent may have put there.

    Raises:
        UnsafeRequestError: something waits for approval.
    """
    for wish in waiting(directory, network=network):
        what = ", ".join(wish.values) or "less than before"
        why = "isolation is open, and it has run there" if network else "changed, it has run"
        raise UnsafeRequestError(
            f"'{wish.path}' is not approved: {why}: {what}",
            hint=f"read it; if that is what you want: pinnace trust --config-dir '{directory}'",
        )


def remember(directory: Path) -> None:
    """Note what it has run; only where nothing waits.

    Raises:
        CannotWriteError: it cannot be noted.
    """
    for wish in wishes(directory):
        seen = f"{wish.path}{_SEEN}"
        if not files.is_approved(seen, wish.content):
            files.approve(seen, wish.content)


@contextmanager
def adopting(directory: Path) -> Iterator[None]:
    """Take over what a command of the user's own adds, if nothing waited before it."""
    clean = not waiting(directory, network=False)
    yield
    if not clean:
        return
    for wish in wishes(directory):
        if files.is_known(wish.path):
            files.approve(wish.path, wish.content)
    remember(directory)


def shown(wish: Wish) -> list[str]:
    """Return what is shown before it is approved."""
    rows = [f"  {name} = {json.dumps(value)}" for name, value in wish.values.items()]
    return [f"{wish.path} has for Claude, wherever it is named:", *(rows or ["  nothing"])]
