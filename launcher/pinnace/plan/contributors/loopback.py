"""URLs of the host's own services: inside, `localhost` is the container.

They are passed with another host's name, and a relay carries the connections on where the engine
does not do so itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from pinnace.plan import Contribution, Resource
from pinnace.plan.variables import by_name, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pinnace.config import Settings
    from pinnace.plan import Inputs
    from pinnace.plan.variables import Variable

HOST: Final = "host.docker.internal"
PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
NO_PROXY: Final = "NO_PROXY"
_URL: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)?(?P<user>[^/?#@]*@)?"
    r"(?P<host>localhost\.?|127(?:\.[0-9]{1,3}){3}|0\.0\.0\.0|\[::1\]|\[::\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
_PORTS: Final = {"https://": 443, "socks5://": 1080, "socks5h://": 1080, "socks4://": 1080}
_HIGHEST: Final = 65535


class Relay(NamedTuple):
    """What carries connections on to a service of the host.

    Attributes:
        port: where it listens, on the host that containers know as `HOST`.
        resource: keeps it there.
    """

    port: int
    resource: Resource


class Local(NamedTuple):
    """A URL that leads to the host itself, in parts.

    Attributes:
        host: as a socket takes it.
        port: of the service.
    """

    scheme: str
    user: str
    host: str
    port: int
    rest: str

    @property
    def secret(self) -> bool:
        """Whether it holds a name or a password, a query, or a path, which may be a key."""
        return bool(self.user) or self.rest not in {"", "/"}

    def moved(self, port: int) -> str:
        """Spell it as it is reached from inside."""
        return f"{self.scheme}{self.user}{HOST}:{port}{self.rest}"


def parsed(url: str) -> Local | None:
    """Take a URL apart; None if it does not lead to the host itself."""
    found = _URL.fullmatch(url.strip())
    if found is None:
        return None
    scheme = found["scheme"] or ""
    port = int(found["port"] or _PORTS.get(scheme.lower(), 80))
    if not 0 < port <= _HIGHEST:
        return None
    host = found["host"].strip("[].").lower()
    # What listens everywhere listens here, too.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (a name)
    return Local(scheme, found["user"] or "", host, port, found["rest"] or "")


def names(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """Name the variables that go in and may hold such a URL."""
    return [
        name
        for name in environment
        if (name.startswith("ANTHROPIC_") and name.endswith("_BASE_URL"))
        or (name.upper() in PROXIES and (settings.proxy or name in settings.environment_names))
        or (name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith("_ENDPOINT"))
    ]


def contribute(inputs: Inputs) -> Contribution:
    """Return what a launch adds; on Linux, with relays, which a dry run only announces."""
    settings, facts, engine = inputs.settings, inputs.facts, inputs.engine
    # Engines in a virtual machine reach the host's loopback by themselves.
    if facts.os != "linux" or engine.desktop:
        return moved(settings, facts.environment, listen=lambda _: None)
    failed: list[str] = []
    announced: list[Resource] = []

    def listen(url: Local) -> Relay | None:
        if inputs.dry_run:
            text = f"start a relay to port {url.port} of this machine"
            announced.extend([Resource(lambda _: None, lambda: text)] if engine.bridged else [])
            return None
        from pinnace.plan.contributors import relay
        from pinnace_core.engine import named

        client = named(engine.kind)
        address = relay.gateway(client) if engine.bridged else None
        made = relay.listen(url, address, client) if address else None
        if made is None:
            failed.append(
                f"port {url.port} of this machine may not be reached from inside: "
                "the service must listen on the engine's network, too"
            )
        return made

    found = moved(settings, facts.environment, listen=listen)
    return found._replace(notes=tuple(failed), resources=(*found.resources, *announced))


def moved(
    settings: Settings,
    environment: Mapping[str, str],
    *,
    listen: Callable[[Local], Relay | None],
) -> Contribution:
    """Pass proxies if that was asked for, and move what leads to the host.

    Args:
        settings: of the launch.
        environment: the host's variables.
        listen: starts a relay to a service; None if none can be, or none is needed.
    """
    local = {n: found for n in names(settings, environment) if (found := parsed(environment[n]))}
    services = {(url.host, url.port): url for url in local.values()}
    relays = {service: listen(url) for service, url in services.items()}
    variables = []
    for name, url in local.items():
        relay = relays[url.host, url.port]
        way = by_name if url.secret else plain
        variables.append(way(name, url.moved(relay.port if relay else url.port)))
    passed = _proxies(environment) if settings.proxy else []
    return Contribution(
        variables=(
            *variables,
            *(_exceptions(environment, passed) if local else []),
            *map(by_name, passed),
        ),
        resources=tuple(relay.resource for relay in relays.values() if relay),
    )


def _proxies(environment: Mapping[str, str]) -> list[str]:
    return [name for name in environment if name.upper() in (*PROXIES, NO_PROXY)]


def _exceptions(environment: Mapping[str, str], passed: Iterable[str]) -> list[Variable]:
    """Who is not to be asked through a proxy: the host has another name inside."""
    return [
        plain(name, f"{environment[name]},{HOST}")
        for name in passed
        if name.upper() == NO_PROXY
        and {"localhost", "127.0.0.1", "::1"} & set(re.split(r"[,\s]+", environment[name]))
    ]
