"""What Claude's own state has run in a project: MCP servers, and what old versions kept there.

Whoever works inside can add to it (`claude mcp add`), and the next launch would run it. So it
waits, as changed settings do, each entry by itself: what the profile has, what the user approved,
and what he added by a command of his own, counts. https://code.claude.com/docs/en/mcp
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pinnace.agent import claude_config, user_settings
from pinnace.agent.claude_config import STATE_FILE
from pinnace.agent.user_settings import Decision, Memory
from pinnace_core.errors import PinnaceError
from pinnace_core.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pinnace.agent.places import Place

_SERVERS: Final = "mcpServers"
_PROJECTS: Final = "projects"
# Settings now, by the CLI's own words; some versions have read them here, too.
_ALONE: Final = frozenset(
    {
        *("env", "hooks", "statusLine", "apiKeyHelper", "awsAuthRefresh", "awsCredentialExport"),
        *("gcpAuthRefresh", "otelHeadersHelper", "proxyAuthHelper"),
        *("enabledPlugins", "extraKnownMarketplaces"),
    }
)
# https://code.claude.com/docs/en/mcp: those that add what their words name.
_ADDING: Final = (("mcp", "add"), ("mcp", "add-json"))


def decide(
    path: Path, state: Mapping[str, Any], servers: Mapping[str, Any], memory: Memory
) -> Decision:
    """Decide what the state may have run; its document is one of entries.

    Args:
        path: of the state.
        state: as it is there.
        servers: of the user, in all projects.
        memory: of the time before.
    """

    def unapproved(own: Mapping[str, Any]) -> dict[str, Any]:
        # Only a launch in a project where something was added.
        from pinnace.config import files

        return {
            name: value
            for name, value in own.items()
            if not files.is_approved(approval(path, name), user_settings.content({name: value}))
        }

    users = {_key(_SERVERS, name): value for name, value in servers.items()}
    return user_settings.decide(users, entries(state), memory, unapproved=unapproved, ours={})


def decision(place: Place, servers: Mapping[str, Any]) -> Decision:
    """Return what the state in a project may have run; what lies there is an agent's work.

    Args:
        place: where Claude's files are.
        servers: of the user, in all projects.
    """
    path = place.config / STATE_FILE
    memory = user_settings.load(place.memory).get(STATE_FILE, Memory())
    try:
        return decide(path, _read(path), servers, memory)
    except RecursionError:
        # A launch makes it anew.
        return decide(path, {}, servers, Memory())


def entries(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a state has run, by where it stands."""
    found = {_key(name): state[name] for name in sorted(_ALONE & state.keys()) if state[name]}
    found |= {_key(_SERVERS, name): value for name, value in _servers(state).items()}
    for cwd, project in (state.get(_PROJECTS) or {}).items():
        found |= {_key(_PROJECTS, cwd, _SERVERS, n): v for n, v in _servers(project).items()}
    return found


def let_run(state: dict[str, Any], wanted: Mapping[str, Any]) -> None:
    """Change a state so that it has these run, and nothing else."""
    if entries(state) == wanted and _is_plain(state):
        return
    for name in _ALONE & state.keys():
        del state[name]
    for holder in (state, *state.get(_PROJECTS, {}).values()):
        if _SERVERS in holder:
            holder[_SERVERS] = {}
    for text, value in wanted.items():
        *above, last = json.loads(text)
        holder = state
        for name in above:
            holder = holder.setdefault(name, {})
        holder[last] = value


def shown(name: str) -> str:
    """Return how an entry is called."""
    return ".".join(json.loads(name))


def approval(path: Path, name: str) -> str:
    """Return what an entry's approval is of."""
    return f"{path} {name}"


def adds(arguments: Sequence[str]) -> bool:
    """Return whether a command adds a server, and starts no agent that could."""
    return tuple(arguments[:2]) in _ADDING


def adopt(place: Place, servers: Mapping[str, Any], arguments: Sequence[str]) -> Iterator[str]:
    """Approve what a command of the user's own has added; return how that is called.

    Args:
        place: where Claude's files are.
        servers: of the user, in all projects.
        arguments: of the command; what they do not name is another's.

    Raises:
        CannotWriteError: the approval cannot be written.
    """
    from pinnace.config import files

    path = place.config / STATE_FILE
    for name, value in decision(place, servers).waiting.items():
        if value is not None and json.loads(name)[-1] in arguments[2:]:
            files.approve(approval(path, name), user_settings.content({name: value}))
            yield f"{shown(name)} = {json.dumps(value)}"


def forget(place: Place, servers: Mapping[str, Any]) -> bool:
    """Forget what waits for approval; return whether anything did.

    Raises:
        CannotWriteError: it cannot be written.
    """
    found, path = decision(place, servers), place.config / STATE_FILE
    if not found.waiting:
        return False
    own = {name: value for name, value in found.memory.own.items() if name not in found.waiting}
    kept = {STATE_FILE: Memory(found.document, own)}
    user_settings.save(place.memory, user_settings.load(place.memory) | kept)
    document = _read(path)
    let_run(document, found.document)
    write_atomic(path, claude_config.dumps(document, path), mode=0o600)
    return True


def revoke(place: Place) -> Iterator[str]:
    """Take all approvals of a state's entries back; return what they were of."""
    from pinnace.config import files

    start = approval(place.config / STATE_FILE, "[")
    for one in files.approvals():
        if one.path.startswith(start) and files.revoke(one.path):
            yield one.path


def _key(*names: str) -> str:
    """Return where an entry stands: names may hold anything."""
    return json.dumps(names)


def _servers(holder: Mapping[str, Any]) -> dict[str, Any]:
    found = holder.get(_SERVERS)
    return found if isinstance(found, dict) else {}


def _is_plain(state: Mapping[str, Any]) -> bool:
    """Return whether servers stand where they can be told."""
    holders = (state, *(state.get(_PROJECTS) or {}).values())
    return all(isinstance(one.get(_SERVERS, {}), dict) for one in holders)


def _read(path: Path) -> dict[str, Any]:
    try:
        return claude_config.read_document(path)
    except PinnaceError:
        return {}
