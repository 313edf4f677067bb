"""A proxy for tunnels (CONNECT) that wants a password, and knows names that nobody else does."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class ConnectProxy:
    """What it was asked for.

    Attributes:
        port: on the loopback.
        asked: `HOST:PORT` of each tunnel.
        refused: requests without the password.
    """

    def __init__(self, login: str, address: str) -> None:
        self._login = base64.b64encode(login.encode()).decode()
        self._address = address
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.asked: list[str] = []
        self.refused: list[str] = []

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            text = head(client).decode()
            if not text:
                return
            target = text.split()[1]
            if f"Basic {self._login}" not in text:
                self.refused.append(target)
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
            self.asked.append(target)
            with socket.create_connection((self._address, int(target.rpartition(":")[2]))) as there:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pump, args=(there, client), daemon=True)
                back.start()
                pump(client, there)
                back.join()


def head(client: socket.socket) -> bytes:
    """Read a request's head; nothing if the client has gone before its end."""
    found = b""
    while b"\r\n\r\n" not in found:
        data = client.recv(4096)
        if not data:
            return b""
        found += data
    return found


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the end, and hand that on."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def connect_proxy(login: str, address: str) -> Iterator[ConnectProxy]:
    """Serve on the loopback.

    Args:
        login: `NAME:PASSWORD`.
        address: where all names lead.
    """
    proxy = ConnectProxy(login, address)
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()
