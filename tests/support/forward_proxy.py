"""A proxy for plain HTTP that lets nobody through without a password."""

from __future__ import annotations

import base64
import contextlib
import http.client
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

_POLL_SECONDS: Final = 0.05
_PATIENCE_SECONDS: Final = 60.0
_PIECE: Final = 64 * 1024
_NOT_FORWARDED: Final = {"authorization", "connection", "host", "proxy-authorization"}
_NOT_ANSWERED: Final = {"connection", "keep-alive", "transfer-encoding"}


class ForwardProxy:
    """Serves on all addresses, so that containers and builds reach it.

    Args:
        login: who may pass, and with which password.
        hosts: where hosts really are that exist only behind the proxy; each wants a login too.
        host_login: that login.
    """

    def __init__(
        self, login: tuple[str, str], *, hosts: Mapping[str, str], host_login: tuple[str, str]
    ) -> None:
        self.login = _basic(login)
        self.hosts = hosts
        self.host_login = _basic(host_login)
        self.passed: list[str] = []
        """Addresses that were asked for with all passwords right."""
        self.refused: list[str] = []
        self._server = _Server(self)
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(_POLL_SECONDS,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _basic(login: tuple[str, str]) -> str:
    return f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: ForwardProxy) -> None:
        self.proxy = proxy
        super().__init__(("0.0.0.0", 0), _Handler)  # noqa: S104 (see above)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *args: object) -> None:
        """Leave the test's own output readable."""

    def do_GET(self) -> None:
        proxy, address = self.server.proxy, urlsplit(self.path)
        host = address.hostname or ""
        if self.headers["Proxy-Authorization"] != proxy.login:
            self._refuse(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
        elif host in proxy.hosts and self.headers["Authorization"] != proxy.host_login:
            self._refuse(HTTPStatus.UNAUTHORIZED)
        else:
            proxy.passed.append(self.path)
            self._pass_on(proxy.hosts.get(host, host), address.port or 80, address.path)

    def _refuse(self, status: HTTPStatus) -> None:
        self.server.proxy.refused.append(self.path)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _pass_on(self, host: str, port: int, path: str) -> None:
        kept = {k: v for k, v in self.headers.items() if k.lower() not in _NOT_FORWARDED}
        upstream = http.client.HTTPConnection(host, port, timeout=_PATIENCE_SECONDS)
        with contextlib.closing(upstream):
            upstream.request("GET", path, headers=kept)
            answer = upstream.getresponse()
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in _NOT_ANSWERED:
                    self.send_header(name, value)
            self.end_headers()
            while piece := answer.read1(_PIECE):
                self.wfile.write(piece)
