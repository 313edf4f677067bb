"""URLs of the host's own services: inside, `localhost` is the container.

Where Claude has the engine's usual network, such a service is at the same port of its own loopback:
a gateway leads there. Elsewhere the user names the ports, with `--service`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pinnace.gateway.endpoint import BASE_URL
from pinnace.plan import Contribution
from pinnace.plan.variables import by_name, plain
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace.config import Settings
    from pinnace.plan import Inputs

PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
NO_PROXY: Final = "NO_PROXY"
_HERE: Final = "127.0.0.1"
_URL: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)?(?P<user>[^/?#@]*@)?"
    r"(?P<host>localhost\.?|127(?:\.[0-9]{1,3}){3}|0\.0\.0\.0|\[::1\]|\[::\]|host\.docker\.internal)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
_PORTS: Final = {"https://": 443, "socks5://": 1080, "socks5h://": 1080, "socks4://": 1080}
_HIGHEST: Final = 65535


class Local(NamedTuple):
    """A URL that leads to the host itself, in parts.

    Attributes:
        port: of the service.
    """

    scheme: str
    user: str
    port: int
    rest: str

    @property
    def secret(self) -> bool:
        """Whether it holds a name or a password, a query, or a path, which may be a key."""
        return bool(self.user) or self.rest not in {"", "/"}

    def inside(self) -> str:
        """Spell it as it is reached from inside."""
        return f"{self.scheme}{self.user}{_HERE}:{self.port}{self.rest}"


def parsed(url: str) -> Local | None:
    """Take a URL apart; None if it does not lead to the host itself."""
    found = _URL.fullmatch(url.strip())
    if found is None:
        return None
    scheme = found["scheme"] or ""
    port = int(found["port"] or _PORTS.get(scheme.lower(), 80))
    if not 0 < port <= _HIGHEST:
        return None
    return Local(scheme, found["user"] or "", port, found["rest"] or "")


def found(settings: Settings, environment: Mapping[str, str]) -> dict[str, Local]:
    """Return what leads to the host itself, by the names of the variables that go in."""
    names = (
        name
        for name in environment
        if (name.startswith("ANTHROPIC_") and name.endswith("_BASE_URL") and name != BASE_URL)
        or (name.upper() in PROXIES and (settings.proxy or name in settings.environment_names))
        or (name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith("_ENDPOINT"))
    )
    return {name: url for name in names if (url := parsed(environment[name]))}


def contribute(inputs: Inputs) -> Contribution:
    """Pass proxies if that was asked for, and have URLs of the host's lead to the gateway."""
    settings, environment = inputs.settings, inputs.facts.environment
    passed = [
        name for name in environment if settings.proxy and name.upper() in (*PROXIES, NO_PROXY)
    ]
    urls = found(settings, environment).items()
    moved = (((by_name if u.secret else plain)(name, u.inside())) for name, u in urls)
    return Contribution(variables=(*map(by_name, passed), *moved))
