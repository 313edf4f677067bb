"""An npm registry that serves a few tarballs to who has its token."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

_HOST: Final = "127.0.0.1"
_POLL_SECONDS: Final = 0.05
_TARBALLS: Final = "/-/"


class NpmRegistry:
    """Serves on loopback.

    Args:
        token: who lacks it is refused.
        tarballs: by package and version.
    """

    def __init__(self, token: str, tarballs: Mapping[tuple[str, str], bytes]) -> None:
        self.token = token
        self.tarballs = tarballs
        self.served: list[str] = []
        self._server = _Server(self)
        self.address = f"{_HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(_POLL_SECONDS,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def document(self, package: str) -> bytes:
        """Describe a package as npm's registry does."""
        versions = {}
        for (name, version), tarball in self.tarballs.items():
            if name == package:
                integrity = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
                address = f"http://{self.address}/{name}{_TARBALLS}{version}.tgz"
                dist = {"tarball": address, "integrity": f"sha512-{integrity}"}
                versions[version] = {"name": name, "version": version, "dist": dist}
        return json.dumps({"name": package, "versions": versions, "dist-tags": {}}).encode()

    def tarball(self, path: str) -> bytes:
        """Return what an address in a document means."""
        package, _, file = path.partition(_TARBALLS)
        return self.tarballs[package, file.removesuffix(".tgz")]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, registry: NpmRegistry) -> None:
        self.registry = registry
        super().__init__((_HOST, 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *args: object) -> None:
        """Leave the test's own output readable."""

    def do_GET(self) -> None:
        registry, path = self.server.registry, unquote(self.path).lstrip("/")
        if self.headers["Authorization"] != f"Bearer {registry.token}":
            self._answer(HTTPStatus.UNAUTHORIZED, b"{}")
            return
        registry.served.append(path)
        found = registry.tarball(path) if _TARBALLS in path else registry.document(path)
        self._answer(HTTPStatus.OK, found)

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
