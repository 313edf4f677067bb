"""Services of the host that are reached from inside, and what carries connections to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pinnace_core.container import ContainerSpec

HOST: Final = "host.docker.internal"


class Relay(NamedTuple):
    """What carries connections on to a service of the host.

    Attributes:
        port: where it listens, on the host that containers know as `HOST`.
        during: keeps it there.
    """

    port: int
    during: Callable[[ContainerSpec], AbstractContextManager[object]]


class Local(NamedTuple):
    """A URL that leads to the host itself, in parts.

    Attributes:
        host: as a socket takes it.
        port: of the service.
        secret: it holds a name or a password, a query, or a path, which may be a key.
    """

    scheme: str
    user: str
    host: str
    port: int
    rest: str

    @property
    def secret(self) -> bool:
        """Whether parts of it must not be shown."""
        return bool(self.user) or self.rest not in {"", "/"}

    def moved(self, port: int) -> str:
        """Spell it as it is reached from inside."""
        return f"{self.scheme}{self.user}{HOST}:{port}{self.rest}"
