"""Let one container reach a service that listens on the host's loopback address only.

On Linux, containers reach the host at the gateway of the engine's bridge, where such a service does
not listen. The relay listens there, on a port of its own, as long as the launcher lives, and
carries connections on for the addresses of that one container.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from typing import TYPE_CHECKING, Final

from pinnace.plan import Resource
from pinnace.plan.contributors.loopback import Relay
from pinnace_core.errors import PinnaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pinnace.plan.contributors.loopback import Local
    from pinnace_core.container import ContainerSpec
    from pinnace_core.engine import Engine

_BACKLOG: Final = 64
_CHUNK: Final = 1 << 16
_CONNECT_SECONDS: Final = 10.0


def gateway(engine: Engine) -> str | None:
    """Return the host's IPv4 address on the engine's bridge, as containers see it."""
    with contextlib.suppress(PinnaceError):
        return engine.gateway()
    return None


def listen(url: Local, address: str, engine: Engine) -> Relay | None:
    """Listen for connections to `url`; None if the address is not this machine's.

    So it is where the engine runs in a virtual machine or in a network of its own.
    """
    try:
        server = socket.create_server((address, 0), backlog=_BACKLOG)
    except OSError:
        return None

    @contextlib.contextmanager
    def during(plan: ContainerSpec) -> Iterator[None]:
        allowed = _Allowed(lambda: addresses(engine, plan.name))
        _start(lambda: _serve(server, (url.host, url.port), allowed))
        try:
            yield
        finally:
            # Closing alone would leave the thread that accepts, and the port, as they are.
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()

    return Relay(server.getsockname()[1], Resource(during))


def addresses(engine: Engine, container: str) -> set[str]:
    """Return the addresses of a container; none if it is not there."""
    with contextlib.suppress(PinnaceError):
        return engine.addresses(container)
    return set()


class _Allowed:
    """The addresses of one container; asked for until they are known, they do not change."""

    def __init__(self, ask: Callable[[], set[str]]) -> None:
        self._ask = ask
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, address: str) -> bool:
        with self._lock:
            self._known = self._known or self._ask()
            return address in self._known


def _start(work: Callable[[], None]) -> None:
    """Run a thread that takes no signals: those are for the launcher's main thread."""
    everything = signal.valid_signals() if hasattr(signal, "valid_signals") else set()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, everything)
    try:
        threading.Thread(target=work, daemon=True).start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(server: socket.socket, target: tuple[str, int], allowed: Callable[[str], bool]) -> None:
    with contextlib.suppress(OSError):  # closed: the run has ended
        while True:
            client, (peer, *_) = server.accept()
            _start(lambda c=client, p=peer: _carry(c, p, target, allowed))  # type: ignore[misc]


def _carry(
    client: socket.socket, peer: str, target: tuple[str, int], allowed: Callable[[str], bool]
) -> None:
    with client:
        if not allowed(peer):
            return
        try:
            service = socket.create_connection(target, timeout=_CONNECT_SECONDS)
        except OSError:
            return
        with service:
            service.settimeout(None)
            back = threading.Thread(target=_pump, args=(service, client), daemon=True)
            back.start()
            _pump(client, service)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes until the source ends, and tell the sink so."""
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
