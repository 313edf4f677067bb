"""An API that keeps the head of every request as it came, byte by byte."""

from __future__ import annotations

import re
import socketserver
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import Self

MARK: Final = "reached the recorder"
_LENGTH: Final = re.compile(rb"(?i)\ncontent-length: *([0-9]+)")
_CHUNKED: Final = re.compile(rb"(?i)\ntransfer-encoding: *chunked")
_UPGRADE: Final = re.compile(rb"(?i)\nupgrade:")


class Recorder:
    """Answers everything with 200, and switches protocols for whoever wants that."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self._server = _Server(self.heads)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens, on all of this machine's addresses."""
        return int(self._server.server_address[1])


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    timeout = 20

    def handle(self) -> None:
        while head := self._head():
            self.server.heads.append(head)
            if _UPGRADE.search(head) or head.startswith(b"CONNECT "):
                switching = _UPGRADE.search(head) is not None
                status = b"101 Switching Protocols" if switching else b"200 OK"
                more = b"Upgrade: h2c\r\nConnection: Upgrade\r\n" if switching else b""
                self.wfile.write(b"HTTP/1.1 " + status + b"\r\n" + more + b"\r\n")
                continue
            trailers = self._body(head)
            if trailers:
                self.server.heads.append(b"trailers\r\n" + trailers)
            body = MARK.encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def _head(self) -> bytes:
        lines = b""
        try:
            while line := self.rfile.readline():
                lines += line
                if line in {b"\r\n", b"\n"} and lines.strip():
                    return lines
        except OSError:
            pass
        return b""

    def _body(self, head: bytes) -> bytes:
        if not _CHUNKED.search(head):
            length = _LENGTH.search(head)
            self.rfile.read(int(length[1]) if length else 0)
            return b""
        while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
            self.rfile.read(size + 2)
        trailers = b""
        while (line := self.rfile.readline()).strip():
            trailers += line
        return trailers


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, heads: list[bytes]) -> None:
        self.heads = heads
        super().__init__(("0.0.0.0", 0), _Handler)  # noqa: S104 (containers reach it)
