"""Headers of the user's own, for hosts that they name: put on by the gateway, never inside.

TLS ends in the gateway for these hosts alone. Its certificate is of an authority that the gateway
makes and that only agents' containers trust; it can vouch for no other name (`files/start`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pinnace.config.types import HEADER
from pinnace.gateway import Header
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pinnace.gateway import Gateway

PRIVATE: Final = "/run/pinnace/private"
"""In the gateway: the key of its authority, which stays the same as long as anybody uses it."""
EXTRA: Final = "extra.pem"
"""Beside the sockets: what is trusted besides the usual authorities."""
ALL: Final = "all.pem"
"""Beside the sockets: all that is trusted."""
PORT: Final = 443
"""Squid leads a tunnel to a server of its own choice only at the port that was asked for."""
_VARIABLE: Final = r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}"
# What this header, and the others of a connection, say is the gateway's business.
_RESERVED: Final = frozenset(
    {"host", "connection", "content-length", "te", "trailer", "transfer-encoding", "upgrade"}
)
_BASIC: Final = r"(?i)basic +([^ ]*:.*)"


def variables(settings: Iterable[str]) -> tuple[str, ...]:
    """Return the variables that settings name: inside, they hold placeholders."""
    return tuple(dict.fromkeys(name for text in settings for name in re.findall(_VARIABLE, text)))


def named(settings: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts that settings name."""
    return tuple(dict.fromkeys(text.partition(" ")[0] for text in settings))


def read(settings: Iterable[str], values: Mapping[str, str]) -> tuple[Header, ...]:
    """Return the headers that settings name.

    Args:
        settings: `HOST NAME: VALUE`, where `${VARIABLE}` stands for a variable's value.
        values: of variables.

    Raises:
        UsageError: a variable is not there; a header is there twice, or the gateway's own.
    """
    found: dict[tuple[str, str], Header] = {}
    for text in settings:
        header = _header(text, values)
        key = (header.host, header.name.lower())
        if key in found or key[1] in _RESERVED:
            raise UsageError(
                f"network.headers: {header.name} for {header.host} is "
                f"{'there twice' if key in found else 'set by the gateway'}",
                hint="remove it there",
            )
        found[key] = header
    return tuple(sorted(found.values()))


def _header(text: str, values: Mapping[str, str]) -> Header:
    parts = re.fullmatch(HEADER, text)
    assert parts is not None  # noqa: S101 (settings are of this form)

    def value(match: re.Match[str]) -> str:
        said = values.get(match[1], "").strip()
        if not said or not said.isprintable() or "'" in said:
            raise UsageError(
                f"network.headers: {match[1]}, for {parts['host']}, is "
                f"{'no text for a header' if said else 'not set'}",
                hint=f"set {match[1]}, here or in a file of secrets; or remove the header",
            )
        return said

    whole = re.sub(_VARIABLE, value, parts["value"].rstrip())
    return Header(parts["host"], parts["name"], _encoded(whole))


def _encoded(value: str) -> str:
    """Encode a name and a password, as `Authorization: Basic` wants them (RFC 7617)."""
    account = re.fullmatch(_BASIC, value)
    if account is None:
        return value
    import binascii

    encoded = binascii.b2a_base64(account[1].encode(), newline=False)
    return f"Basic {encoded.decode()}"


def hosts(gateway: Gateway) -> tuple[str, ...]:
    """Return the hosts that get headers."""
    return tuple(dict.fromkeys(header.host for header in gateway.headers))


def files(gateway: Gateway) -> dict[str, bytes]:
    """Return the files that lead tunnels to these hosts to where TLS ends.

    http://www.squid-cache.org/Doc/config/cache_peer/
    """
    found = hosts(gateway)
    lines = (
        f"acl with_headers dstdomain {' '.join(found) or 'none.invalid'}",
        *(_PEER if found else ()),
    )
    return {
        "headers": "".join(f"{host}\n" for host in found).encode(),
        "tunnel-headers.conf": "".join(f"{line}\n" for line in lines).encode(),
    }


_PEER: Final = (
    f"cache_peer 127.0.0.1 parent {PORT} 0 originserver name=headers no-query no-digest proxy-only",
    "cache_peer_access headers allow with_headers",
    "cache_peer_access headers deny all",
    "always_direct deny with_headers",
    "never_direct allow with_headers",
)
