"""The gateway: a container beside the agents' that is their only way out, and holds their keys.

An agent's container has no network. A directory of unix sockets leads from it to a gateway: Squid
answers for the names on a list, HAProxy puts the real credentials on what goes to the API. One
gateway serves all launches of the same project, policy, credentials and endpoint.

`definition` says what one is, `haproxy` writes the part of its configuration that differs,
`directory` is where it lies on the host, `start` sees that it runs, `keeper` keeps it running.

Named tuples for the same reason as in `plan`: every launch makes some.
"""

from __future__ import annotations

import json
from typing import Final

from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

SOCKETS: Final = contract.GATEWAY_SOCKETS
"""In the gateway, and read-only in the agents' containers."""
HOST: Final = "/run/pinnace/host"
"""In the gateway: sockets to services of the host."""
LAUNCHES: Final = "/run/pinnace/launches"
"""In the gateway: a socket for who launches, which nobody inside sees."""
FORM: Final = 3
"""Of what gateways and launches agree on; with another one, none waits for an older Pinnace's."""
EGRESS_PORT: Final = 23128
API_PORT: Final = 28080
"""Both on the agent's loopback; what is developed there listens at rounder ones."""
API_URL: Final = f"http://127.0.0.1:{API_PORT}"
"""Where the API is, for who is inside."""
VIRTUAL_HOST: Final = "host.docker.internal"
"""This machine, for containers in a virtual machine of it."""
IDLE_SECONDS: Final = 120


class Endpoint(NamedTuple):
    """Where requests to the API go.

    Attributes:
        scheme: `https` or `http`.
        host: a name or an address.
        port: of it.
        path: that requests' paths are put behind; without a slash at its end.
        local: it is one of this machine's, on its loopback.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    local: bool = False


class Upstream(NamedTuple):
    """A proxy that the gateway itself goes through.

    Attributes:
        host: a name or an address.
        port: of it.
        account: `NAME:PASSWORD`, encoded as in a URL; or empty.
        direct: names that are reached without it, with all below them.
        local: it is one of this machine's, on its loopback.
    """

    host: str
    port: int
    account: str = ""
    direct: tuple[str, ...] = ()
    local: bool = False

    def __repr__(self) -> str:
        """Return it without the account."""
        return f"Upstream({self.host}:{self.port})"


class Credentials(NamedTuple):
    """What the API is shown; none of it goes inside.

    Attributes:
        key: for `x-api-key`.
        token: for `Authorization: Bearer`.
        headers: more of them, by their names.
        login: the config directory whose login is shown; empty: none. Not its token: that changes.
        helper: a command of the user's that says a key; empty: none.
    """

    key: str = ""
    token: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    login: str = ""
    helper: str = ""

    def __repr__(self) -> str:
        """Return it without what is in it: not even a debugger's list shows that."""
        return "Credentials(...)"


class Header(NamedTuple):
    """A header that requests to a host get.

    Attributes:
        host: its name, in lower case.
        name: of the header.
        value: of it.
    """

    host: str
    name: str
    value: str

    def __repr__(self) -> str:
        """Return it without its value."""
        return f"Header({self.host} {self.name})"


DENIED: Final = -1


class Rule(NamedTuple):
    """A destination that is allowed, or not.

    Attributes:
        host: a name, or `*.NAME` for all below it; lower case.
        port: of it.
        until: allowed until then, in seconds since 1970; 0: always; `DENIED`: never.
    """

    host: str
    port: int = 443
    until: int = 0

    def __str__(self) -> str:
        """Return it as users write it."""
        return self.host if self.port == 443 else f"{self.host}:{self.port}"  # noqa: PLR2004


class Decision(NamedTuple):
    """A rule of the user's.

    Attributes:
        rule: it.
        project: path of the workspace that it is about; empty: all.
    """

    rule: Rule
    project: str = ""


class Gateway(NamedTuple):
    """All that makes one gateway another than the next.

    Attributes:
        project: path of the workspace, on the host.
        endpoint: of the API.
        credentials: for it.
        headers: that the user's hosts get, sorted.
        rules: of the settings; what the user allows while it runs comes on top.
        locked: what the user allows while it runs does not count.
        trusted: extra CA certificates (PEM).
        services: ports of services on this machine's loopback that it leads to.
        upstream: the proxy that it goes through, if any.
        network: of the engine's, that it joins; empty: the engine's default.
        volume: its sockets lie in a volume: the engine runs in a virtual machine, which sees no
            socket of this machine.
        user: who launches, by number: root in somebody's home has one of its own.
        idle: seconds without any launch until it ends.
    """

    project: str
    endpoint: Endpoint
    credentials: Credentials = Credentials()
    headers: tuple[Header, ...] = ()
    rules: tuple[Rule, ...] = ()
    locked: bool = False
    trusted: bytes = b""
    services: tuple[int, ...] = ()
    upstream: Upstream | None = None
    network: str = ""
    volume: bool = False
    user: int = 0
    idle: int = IDLE_SECONDS

    @property
    def key(self) -> str:
        """Identify it: 16 hexadecimal digits, which tell nothing of what is in it."""
        # What `hashlib` wraps: that loads OpenSSL, which costs every launch 2 ms.
        from _blake2 import blake2b

        content = json.dumps((FORM, self), default=bytes.hex).encode()
        return blake2b(content, digest_size=8).hexdigest()

    @property
    def volume_name(self) -> str:
        """Of its sockets, if they lie in one."""
        return f"pinnace-gateway-{self.key}"

    def service(self, socket: str, port: int) -> str:
        """Spell the address, in the gateway, of a service of this machine, as HAProxy takes it.

        Args:
            socket: its name, where the keeper carries connections on.
            port: of the service.
        """
        return f"{VIRTUAL_HOST}:{port}" if self.volume else f"unix@{HOST}/{socket}.sock"

    def __repr__(self) -> str:
        """Return it without what is in it."""
        return f"Gateway({self.key})"
