"""Where a repository is."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pinnace_core.errors import UsageError

HUB: Final = "docker.io"
_HUB_SERVER: Final = "registry-1.docker.io"
_HUB_ALIASES: Final = {HUB, "index.docker.io", _HUB_SERVER}
_LONGEST: Final = 255
# The grammar of the distribution specification.
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?|\[[0-9a-f:.]+\](?::[0-9]+)?")
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")


@dataclass(frozen=True)
class Place:
    """A repository, and where it is.

    Attributes:
        host: as in `docker login`, with its port if it has one.
        name: the repository's, within its registry.
        plain: whether it is spoken to without encryption.
    """

    host: str
    name: str
    plain: bool

    @classmethod
    def parse(cls, text: str) -> Place:
        """Understand HOST[:PORT]/NAME, or the short names of Docker Hub.

        Raises:
            UsageError: it is something else, or names a tag or a digest.
        """
        first, slash, rest = text.partition("/")
        named = bool(slash) and (first == "localhost" or not {".", ":"}.isdisjoint(first))
        host, name = (first, rest) if named else (HUB, text)
        if host in _HUB_ALIASES:
            host, name = HUB, name if "/" in name else f"library/{name}"
        if not _is_host(host) or not _NAME.fullmatch(name) or len(name) > _LONGEST:
            raise _no_repository(text)
        return cls(host, name, is_loopback(host))

    @property
    def origin(self) -> str:
        """Where its registry answers."""
        server = _HUB_SERVER if self.host == HUB else self.host
        return f"{'http' if self.plain else 'https'}://{server}"

    @property
    def login(self) -> str:
        """The command that makes the docker client, and us, known to its registry."""
        return "docker login" if self.host == HUB else f"docker login {self.host}"

    def __str__(self) -> str:
        return f"{self.host}/{self.name}"


def _is_host(text: str) -> bool:
    if not _HOST.fullmatch(text):
        return False
    try:
        parts = urlsplit(f"//{text}")
        return parts.port != 0 and (text[0] != "[" or bool(ipaddress.IPv6Address(parts.hostname)))
    except ValueError:
        return False


def _no_repository(text: str) -> UsageError:
    # What stands before an @ may be a password.
    shown = f"…{text[text.rindex('@') :]}" if "@" in text else text
    return UsageError(
        f"'{shown}' is not a repository",
        hint="write HOST/NAME in lower case, without a tag, a digest, or https://",
    )


def is_loopback(host: str) -> bool:
    """Return whether a host, with or without a port, is this machine."""
    bare = host[1:].partition("]")[0] if host.startswith("[") else host
    bare = bare if bare.count(":") > 1 else bare.partition(":")[0]
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return bare == "localhost"
