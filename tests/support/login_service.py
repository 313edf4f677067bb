"""A stand-in for the login service: it gives each token once, and refuses what was used before.

It is behind a proxy for tunnels, which knows its name: whoever has `HTTPS_PROXY` and trusts the
certificate asks it as the real one.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from tests.support.connect_proxy import head, pump

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The service, and where the CLI asks whose login it is.
NAMES: Final = ("platform.claude.com", "api.anthropic.com")
_SCOPES: Final = "user:inference user:profile"


class LoginService:
    """What it gives, and what it was asked.

    Attributes:
        certificate: a PEM file: who vouches for its name.
        proxy: the URL of the proxy that leads to it.
        bodies: of the requests.
        code: that begins a login.
        good: the one token that renews; whoever has another one is refused.
        count: of tokens that were given.
        seconds: for which a token is good.
        status: of its answers; 200: it works.
    """

    def __init__(self, place: Path, good: str) -> None:
        place.mkdir()
        self.certificate = place / "own.pem"
        _certificate(place)
        self.bodies: list[dict[str, Any]] = []
        self.code = "canary-code"
        self.good, self.count, self.seconds, self.status = good, 0, 3600, 200
        self._lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(200, {})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._send(*(service.answer(body) if "grant_type" in body else (200, {})))

            def _send(self, status: int, answer: dict[str, Any]) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *args: object) -> None:
                """Leave the test's own output readable."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, place / "own.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._front = socket.create_server(("127.0.0.1", 0))
        self.proxy = f"http://127.0.0.1:{self._front.getsockname()[1]}"

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and answer, as https://www.rfc-editor.org/rfc/rfc6749#section-5 says."""
        with self._lock:
            self.bodies.append(body)
            if self.status != 200:
                return self.status, {"error": "temporarily_unavailable"}
            begins = body["grant_type"] == "authorization_code" and body.get("code") == self.code
            if not begins and body.get("refresh_token") != self.good:
                return 400, {"error": "invalid_grant"}
            self.count += 1
            self.good = f"canary-renewing-{self.count}"
            return 200, {
                "access_token": f"canary-access-{self.count}",
                "refresh_token": self.good,
                "expires_in": self.seconds,
                **({"scope": _SCOPES} if begins else {}),
            }

    def serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._front.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._front.shutdown(socket.SHUT_RDWR)
        self._front.close()
        self._server.shutdown()
        self._server.server_close()

    def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            asked = head(client)
            if not asked or asked.split()[1].decode() not in {f"{name}:443" for name in NAMES}:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._server.server_port)) as there:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pump, args=(there, client), daemon=True)
                back.start()
                pump(client, there)
                back.join()


def _certificate(place: Path) -> None:
    names = ",".join(f"DNS:{name}" for name in NAMES)
    command = (
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=login", "-addext", f"subjectAltName={names}"),
        *("-keyout", str(place / "own.key"), "-out", str(place / "own.pem")),
    )
    subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def login_service(place: Path, good: str) -> Iterator[LoginService]:
    """Serve on the loopback.

    Args:
        place: a directory that it makes.
        good: the token that renews first.
    """
    service = LoginService(place, good)
    thread = threading.Thread(target=service.serve, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.close()
        thread.join(30)
