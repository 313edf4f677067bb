"""What a project's own Claude settings say about where the user's keys go.

Claude takes `env` and the programs that give it keys from the project's settings, too: a cloned
repository can name another API host, which then gets the user's key with the first request. So
these wait for the user's approval; permissions, hooks and all else do not concern keys as such.
https://code.claude.com/docs/en/settings
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pinnace.config import files
from pinnace_core.errors import UnsafeRequestError
from pinnace_core.files import read_untrusted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace.config.project import Workspace
    from pinnace_core.host import HostFacts

_FILES: Final = (".claude/settings.json", ".claude/settings.local.json")
_MOST_BYTES: Final = 8 << 20
# Programs whose output Claude sends as keys, or that get them.
_HELPERS: Final = frozenset(
    {
        *("apiKeyHelper", "awsAuthRefresh", "awsCredentialExport", "gcpAuthRefresh"),
        *("otelHeadersHelper", "proxyAuthHelper"),
    }
)
# Of the variables, those that say where requests go, with what, and whom they trust.
_PREFIXES: Final = (
    "ANTHROPIC_",
    "AWS_",
    "AZURE_",
    "CLOUDSDK_",
    "GOOGLE_",
    "NODE_",
    "OTEL_",
    "SSL_",
)
_ENDINGS: Final = ("_PROXY", "_BASE_URL", "_ENDPOINT", "_CA_BUNDLE")
_OF_CLAUDE: Final = (
    *("CLAUDE_CODE_USE_", "CLAUDE_CODE_SKIP_", "CLAUDE_CODE_API", "CLAUDE_CODE_CLIENT"),
)


class Wish(NamedTuple):
    """What one of the project's files says about keys.

    Attributes:
        path: of the file.
        values: by name: `apiKeyHelper`, `env.ANTHROPIC_BASE_URL`.
    """

    path: str
    values: Mapping[str, Any]

    @property
    def content(self) -> bytes:
        """What an approval is of: this alone, so that other changes of the file do not matter."""
        return json.dumps(self.values, sort_keys=True).encode()


def waiting(project: Workspace, facts: HostFacts) -> list[Wish]:
    """Return what is not approved; Claude reads the files of the directory that it starts in."""
    wishes = (
        Wish(str(path), values) for path in paths(project, facts) if (values := _values(path))
    )
    return [wish for wish in wishes if not files.is_approved(wish.path, wish.content)]


def require_approved(project: Workspace, facts: HostFacts) -> None:
    """See that no key goes where only the project wants it.

    Raises:
        UnsafeRequestError: something waits for approval.
    """
    for wish in waiting(project, facts):
        raise UnsafeRequestError(
            f"'{wish.path}' decides where your keys go: {', '.join(wish.values)}",
            hint="read it; if that is what you want: pinnace trust",
        )


def paths(project: Workspace, facts: HostFacts) -> list[Path]:
    """Return the project's files of settings that are there."""
    root, cwd = Path(project.source), Path(facts.cwd)
    places = (root, *(place for place in (cwd, *cwd.parents) if place.is_relative_to(root)))
    named = dict.fromkeys(place / name for place in places for name in _FILES)
    return [path for path in named if os.path.lexists(path)]


def _values(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_untrusted(path, most=_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        # Claude reads what it can of it, through links as well: nobody knows what.
        return {"what cannot be read": path.name}
    if not isinstance(document, dict):
        return {}
    variables = document.get("env")
    named = variables.items() if isinstance(variables, dict) else ()
    found = {f"env.{name}": value for name, value in named if _is_about_keys(str(name))}
    return found | {name: document[name] for name in sorted(_HELPERS & document.keys())}


def _is_about_keys(name: str) -> bool:
    upper = name.upper()
    return upper.startswith((*_PREFIXES, *_OF_CLAUDE)) or upper.endswith(_ENDINGS)
