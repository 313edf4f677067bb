"""What a project's own Claude settings run, and where they have requests go.

Claude takes variables, hooks, helpers and servers from the project's files, at once: Pinnace has
answered its question whether to trust the directory. Where a container has no network, they reach
nothing. Where it has, they wait for the user's approval; permissions and all else do not.
https://code.claude.com/docs/en/settings, https://code.claude.com/docs/en/mcp
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.config import files
from pinnace_core.errors import UnsafeRequestError
from pinnace_core.files import read_untrusted
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from pinnace.config.project import Workspace
    from pinnace_core.host import HostFacts

_MOST_BYTES: Final = 8 << 20
# Whatever runs a program, or says which servers and plugins do.
_OF_SETTINGS: Final = frozenset(
    {
        *("env", "hooks", "statusLine", "subagentStatusLine", "fileSuggestion"),
        *("apiKeyHelper", "awsAuthRefresh", "awsCredentialExport", "gcpAuthRefresh"),
        *("otelHeadersHelper", "proxyAuthHelper"),
        *("enableAllProjectMcpServers", "enabledMcpjsonServers", "mcpServers"),
        *("enabledPlugins", "extraKnownMarketplaces"),
    }
)
UNREADABLE: Final = "what cannot be read"
_FILES: Final = {
    ".claude/settings.json": _OF_SETTINGS,
    ".claude/settings.local.json": _OF_SETTINGS,
    ".mcp.json": frozenset({"mcpServers"}),
}


class Wish(NamedTuple):
    """What one of the project's files asks for.

    Attributes:
        path: of the file.
        values: by name: `hooks`, `env.ANTHROPIC_BASE_URL`.
    """

    path: str
    values: Mapping[str, Any]

    @property
    def is_readable(self) -> bool:
        """Whether it can be shown what is asked for; else an approval is of whatever comes."""
        return UNREADABLE not in self.values

    @property
    def content(self) -> bytes:
        """What an approval is of: this alone, so that other changes of the file do not matter."""
        return json.dumps(self.values, sort_keys=True).encode()


def waiting(project: Workspace, facts: HostFacts) -> list[Wish]:
    """Return what is not approved; Claude reads the files of the directory that it starts in."""
    wishes = (
        Wish(str(path), values)
        for path in paths(project, facts)
        if (values := _values(path, _keys(path)))
    )
    return [w for w in wishes if not w.is_readable or not files.is_approved(w.path, w.content)]


def require_approved(project: Workspace, facts: HostFacts) -> None:
    """See that nothing of the project's alone runs beside a network.

    Raises:
        UnsafeRequestError: something waits for approval.
    """
    for wish in waiting(project, facts):
        require_readable(wish)
        raise UnsafeRequestError(
            f"isolation is open, and '{wish.path}' has something run there: "
            f"{', '.join(wish.values)}",
            hint="read it; if that is what you want: pinnace trust; or --isolation standard",
        )


def require_readable(wish: Wish) -> None:
    """See that what a file asks for can be shown.

    Raises:
        UnsafeRequestError: it cannot.
    """
    if not wish.is_readable:
        raise UnsafeRequestError(
            f"'{wish.path}' cannot be read, so nobody can approve it for isolation open",
            hint="make it a plain file of JSON; or remove it; or --isolation standard",
        )


def paths(project: Workspace, facts: HostFacts) -> list[Path]:
    """Return the project's files of Claude's that are there."""
    root, cwd = Path(project.source), Path(facts.cwd)
    places = (root, *(place for place in (cwd, *cwd.parents) if place.is_relative_to(root)))
    named = dict.fromkeys(place / name for place in places for name in _FILES)
    return [path for path in named if os.path.lexists(path)]


def bypasses(project: Workspace, facts: HostFacts) -> bool:
    """Return whether one of the project's files chooses bypass mode, or cannot be read."""
    return any(_bypasses(path) for path in paths(project, facts) if path.name != ".mcp.json")


def _bypasses(path: Path) -> bool:
    values = _values(path, frozenset({"permissions"}))
    permissions = values.get("permissions", {})
    mode = permissions.get("defaultMode") if isinstance(permissions, dict) else None
    return ("permissions" not in values and bool(values)) or mode == "bypassPermissions"


def _values(path: Path, keys: AbstractSet[str]) -> dict[str, Any]:
    try:
        document = json.loads(read_untrusted(path, most=_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        # Claude reads what it can of it, through links as well: nobody knows what.
        return {UNREADABLE: path.name}
    if not isinstance(document, dict):
        return {}
    # What is empty asks for nothing.
    found = {name: document[name] for name in sorted(keys & document.keys()) if document[name]}
    variables = found.pop("env", None)
    named = variables.items() if isinstance(variables, dict) else ()
    return {f"env.{name}": value for name, value in named} | found


def _keys(path: Path) -> AbstractSet[str]:
    return next(keys for name, keys in _FILES.items() if path.match(name))
