"""Read where the user's requests to the API go."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pinnace.gateway import Credentials, Endpoint
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE_URL: Final = "ANTHROPIC_BASE_URL"
KEY: Final = "ANTHROPIC_API_KEY"
TOKEN: Final = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105 (a name)
SETUP_TOKEN: Final = "CLAUDE_CODE_OAUTH_TOKEN"  # noqa: S105 (a name)
HEADERS: Final = "ANTHROPIC_CUSTOM_HEADERS"
CREDENTIALS: Final = (KEY, TOKEN, SETUP_TOKEN)
OUTSIDE: Final = (BASE_URL, *CREDENTIALS, HEADERS)
"""Variables whose values the gateway has, and nobody inside."""
# Of Claude Code, where nothing else is said: https://docs.claude.com/en/api/overview
_USUAL: Final = Endpoint("https", "api.anthropic.com", 443)
# Patterns here are compiled where one is needed: every launch comes by.
_URL: Final = (
    r"(?i)(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\.?)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._~!$&()*+,;=:@%-]*)*)"
)
_LOCAL: Final = r"(?i)localhost|127(?:\.[0-9]{1,3}){3}|0\.0\.0\.0|::1|::|host\.docker\.internal"
_USUAL_PORTS: Final = {"https": 443, "http": 80}
_HIGHEST_PORT: Final = 65535
_NAME: Final = r"[A-Za-z0-9!#$&*+.^_`|~-]+"
# What HAProxy can quote: see `haproxy`.
_UNQUOTABLE: Final = r"['\x00-\x1f\x7f]"


def endpoint(environment: Mapping[str, str]) -> Endpoint:
    """Return where requests go.

    Raises:
        UsageError: the URL makes no sense, or holds a name and a password.
    """
    text = environment.get(BASE_URL, "").strip()
    if not text:
        return _USUAL
    found = re.fullmatch(_URL, text)
    scheme = found["scheme"].lower() if found is not None else ""
    port = int(found["port"] or _USUAL_PORTS[scheme]) if found is not None else 0
    if found is None or not 0 < port <= _HIGHEST_PORT:
        raise UsageError(
            f"{BASE_URL} is no URL that requests can be sent to",
            hint="write it as https://HOST[:PORT][/PATH]; names and passwords go into "
            f"{HEADERS} or {TOKEN}",
        )
    host = found["host"].strip("[]").rstrip(".").lower()
    return Endpoint(scheme, host, port, found["path"].rstrip("/"), is_local(host))


def is_local(host: str) -> bool:
    """Return whether a name or an address is this machine's own, on its loopback."""
    return re.fullmatch(_LOCAL, host) is not None


def credentials(environment: Mapping[str, str]) -> Credentials:
    """Return what the API is to be shown.

    Raises:
        UsageError: one of them cannot be in a header.
    """
    values = {name: environment.get(name, "").strip() for name in CREDENTIALS}
    for name, value in values.items():
        if value and re.search(_UNQUOTABLE, value):
            raise UsageError(
                f"{name} holds a character that no key has", hint="set it to the key alone"
            )
    # Claude Code, too, takes the setup-token only where there is no other one.
    return Credentials(
        values[KEY], values[TOKEN] or values[SETUP_TOKEN], headers(environment.get(HEADERS, ""))
    )


def headers(text: str) -> tuple[tuple[str, str], ...]:
    """Read headers as Claude Code does: `NAME: VALUE`, one a line.

    Raises:
        UsageError: a line is none.
    """
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        named = colon and re.fullmatch(_NAME, name.strip())
        if not named or re.search(_UNQUOTABLE, value.strip()):
            raise UsageError(
                f"{HEADERS} holds a line that is no header",
                hint="write NAME: VALUE, one a line; a value without single quotes",
            )
        found.append((name.strip(), value.strip()))
    return tuple(found)
