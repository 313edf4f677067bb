"""An engine as it is in a virtual machine, for all that a client can tell.

A socket before the real engine's passes everything on, but says in `info` that this is Docker
Desktop. So a launch relies on nothing but what crosses into such a machine.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import socketserver
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENGINE: Final = "/var/run/docker.sock"
_INFO: Final = re.compile(rb"GET (/v[0-9.]+)?/info HTTP/1\.0")


class _Handler(socketserver.BaseRequestHandler):
    request: socket.socket

    def handle(self) -> None:
        first = self.request.recv(1 << 16)
        with socket.socket(socket.AF_UNIX) as engine, contextlib.suppress(OSError):
            engine.connect(_ENGINE)
            engine.sendall(first)
            if _INFO.match(first):
                self.request.sendall(_renamed(b"".join(iter(lambda: engine.recv(1 << 16), b""))))
                return
            back = threading.Thread(target=_copied, args=(engine, self.request))
            back.start()
            _copied(self.request, engine)
            back.join()


def _renamed(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    said = json.dumps({**json.loads(body), "OperatingSystem": "Docker Desktop"}).encode()
    return head.split(b"\r\n")[0] + b"\r\nContent-Length: %d\r\n\r\n" % len(said) + said


def _copied(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def virtual_machine() -> Iterator[str]:
    """Give the endpoint of such an engine."""
    place = Path(tempfile.mkdtemp(prefix="pn-"))
    server = socketserver.ThreadingUnixStreamServer(str(place / "s"), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"unix://{place / 's'}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        shutil.rmtree(place)
