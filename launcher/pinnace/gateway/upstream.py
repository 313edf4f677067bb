"""The proxy that this machine goes through, a company's say: the gateway goes through it, too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pinnace.gateway import HOST, VIRTUAL_HOST, Upstream, endpoint, headers
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace.gateway import Gateway

SOCKET: Final = "proxy"
"""Of the host's own proxy, if it is one."""
API_PORT: Final = 3131
"""In the gateway: connections that the proxy carries to the API."""
_PORT: Final = 3130
_USUAL_PORT: Final = 80
_NAMES: Final = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY")
_URL: Final = (
    r"(?:http://)?(?:(?P<account>[^/?#@]*)@)?(?P<host>[A-Za-z0-9._-]+|\[::1\])"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)
_DIRECT: Final = r"(?i)(?:\*?\.)?([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::[0-9]+)?"
_ADDRESS: Final = r"[0-9.]+"
_LAST: Final = """\
cache_peer_access upstream deny near
cache_peer_access upstream allow all
always_direct allow near
never_direct allow all
"""


def read(environment: Mapping[str, str]) -> Upstream | None:
    """Return the proxy that the environment names for https, if it names one.

    Raises:
        UsageError: it is none that a gateway can go through.
    """
    names = [name for name in _NAMES if environment.get(name, "").strip()]
    direct = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if not names or direct.strip() == "*":
        return None
    found = re.fullmatch(_URL, environment[names[0]].strip())
    if found is None:
        raise UsageError(
            f"the gateway cannot go through the proxy that {names[0]} names",
            hint="write it as http://[NAME:PASSWORD@]HOST:PORT; it knows no other kind, "
            "as https:// or socks5://",
        )
    host = found["host"].strip("[]").lower()
    return Upstream(
        host,
        int(found["port"] or _USUAL_PORT),
        found["account"] or "",
        tuple(sorted(_direct(direct))),
        endpoint.is_local(host),
    )


def _direct(text: str) -> set[str]:
    """Return the names that are reached directly, with all below them."""
    found = (re.fullmatch(_DIRECT, one) for one in re.split(r"[,\s]+", text))
    return {m[1].lower() for m in found if m and not re.fullmatch(_ADDRESS, m[1])}


def is_direct(upstream: Upstream, host: str) -> bool:
    """Return whether a name is reached directly."""
    return any(host == name or host.endswith(f".{name}") for name in upstream.direct)


def files(gateway: Gateway) -> dict[str, bytes]:
    """Return the files of a gateway that lead through the proxy, or say that there is none."""
    upstream = gateway.upstream
    if upstream is None:
        empty = ("egress-upstream.conf", "tunnel-upstream.conf", "forwards", "account")
        return dict.fromkeys(empty, b"")
    peer = "\n".join(_peer(upstream))
    inner = "cache_peer_access upstream deny looked_into"
    ended = "cache_peer_access upstream deny with_headers"
    return {
        "egress-upstream.conf": f"{peer}\n{inner}\n{_LAST}".encode(),
        "tunnel-upstream.conf": f"{peer}\n{ended}\n{_LAST}".encode(),
        "forwards": "".join(_forwards(gateway, upstream)).encode(),
        "account": _decoded(upstream.account).encode(),
    }


def _peer(upstream: Upstream) -> list[str]:
    """Return what Squid is told of the proxy: http://www.squid-cache.org/Doc/config/cache_peer/."""
    host, port = ("127.0.0.1", _PORT) if upstream.local else (upstream.host, upstream.port)
    options = "name=upstream no-query no-digest no-netdb-exchange proxy-only default"
    account = f" login={_encoded(upstream.account)}" if upstream.account else ""
    names = " ".join(f".{name}" for name in upstream.direct) or ".invalid"
    return [f"cache_peer {host} parent {port} 0 {options}{account}", f"acl near dstdomain {names}"]


def _forwards(gateway: Gateway, upstream: Upstream) -> list[str]:
    """Return ports in the gateway, and what socat connects them with."""
    here = f"UNIX-CONNECT:{HOST}/{SOCKET}.sock"
    there = f"TCP:{VIRTUAL_HOST}:{upstream.port}" if gateway.volume else here
    lines = [f"{_PORT} {there}\n"] if upstream.local else []
    api = gateway.endpoint
    carried = [(API_PORT, api.host, api.port)] if carries(gateway) else []
    carried += [(port, name, headers.PORT) for name, port in carried_hosts(gateway).items()]
    host, port = ("127.0.0.1", _PORT) if upstream.local else (upstream.host, upstream.port)
    account = ",proxy-authorization-file=/etc/pinnace/account" if upstream.account else ""
    for own, name, target in carried:
        lines.append(f"{own} PROXY:{host}:{name}:{target},proxyport={port}{account}\n")
    return lines


def carried_hosts(gateway: Gateway) -> dict[str, int]:
    """Return the hosts with headers that the proxy carries connections to, and ports for them."""
    if gateway.upstream is None:
        return {}
    names = [n for n in headers.hosts(gateway) if not is_direct(gateway.upstream, n)]
    return {name: API_PORT + 1 + index for index, name in enumerate(names)}


def carries(gateway: Gateway) -> bool:
    """Return whether the proxy carries requests to the API."""
    api, upstream = gateway.endpoint, gateway.upstream
    return upstream is not None and not api.local and not is_direct(upstream, api.host)


def _encoded(account: str) -> str:
    """Spell an account for Squid, which decodes it."""
    from urllib.parse import quote, unquote

    return ":".join(quote(unquote(part), safe="") for part in account.split(":", 1))


def _decoded(account: str) -> str:
    from urllib.parse import unquote

    return unquote(account)
