"""A small image registry on loopback that behaves as awkwardly as it is told."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import ssl
import struct
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

_POLL_SECONDS: Final = 0.01
_NO_LINGER: Final = struct.pack("ii", 1, 0)  # closing sends RST
_PIECE: Final = 1 << 16
_API: Final = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|tags)/(?P<what>.+)")


def digest_of(data: bytes) -> str:
    """Name some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def basic(user: str, password: str) -> str:
    """What a client sends that has logged in."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def error(code: str, message: str = "") -> bytes:
    """A body as registries explain themselves."""
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


@dataclass(frozen=True)
class Answer:
    """What goes back.

    Attributes:
        status: of HTTP.
        body: all of it.
        headers: besides the length.
        length: lies about the body's.
        resets_after: bytes of the request's body, instead of any answer.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    resets_after: int | None = None


@dataclass(frozen=True)
class Request:
    """What arrived: `path` without the query."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def authorization(self) -> str:
        """What the client says about itself."""
        return self.headers.get("Authorization", "")


@dataclass
class _Told:
    """An answer for the next `count` requests of this kind."""

    method: str
    pattern: str
    answer: Answer
    count: int


class FakeRegistry:
    """Knows blobs and manifests, of any repository.

    Attributes:
        blobs: by digest.
        manifests: bytes and media type, by digest and by tag.
        wants: what it lets in: anybody, a `basic` login, or a `token`.
        users: passwords by name, of both; an identity token is the password of nobody ("").
        page: tags on one page.
        requests: what arrived, in order.
        uploads: how many were begun.
        tokens: that are good; clear it and they have expired.
    """

    def __init__(self, *, wants: str = "", certificate: Path | None = None) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.wants = wants
        self.users: dict[str, str] = {}
        self.page = 1000
        self.challenge = ""
        self.requests: list[Request] = []
        self.uploads = 0
        self.tokens: dict[str, str] = {}
        self._told: list[_Told] = []
        self._server = _Server(self)
        self.port = self._server.server_port
        self.address = f"127.0.0.1:{self.port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )

    def __enter__(self) -> Self:
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(_POLL_SECONDS,), daemon=True).start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        if self._server.errors and kind is None:
            raise self._server.errors[0]

    def will(self, method: str, pattern: str, answer: Answer, *, count: int = 1) -> None:
        """Answer the next requests with this method and a path like `pattern`; in this order."""
        self._told.append(_Told(method, pattern, answer, count))

    def store(self, data: bytes, media_type: str, *tags: str) -> str:
        """Hold a manifest."""
        for name in (digest_of(data), *tags):
            self.manifests[name] = (data, media_type)
        return digest_of(data)

    def seen(self, method: str, pattern: str = "") -> list[Request]:
        """Find requests."""
        return [r for r in self.requests if r.method == method and re.search(pattern, r.path)]

    def told(self, method: str, path: str) -> Answer | None:
        """Take what the test wants to be answered."""
        for told in self._told:
            if told.count > 0 and told.method == method and re.search(told.pattern, path):
                told.count -= 1
                return told.answer
        return None

    def answer(self, request: Request) -> Answer:
        """Answer as a registry should."""
        if request.path == "/token":
            return self._give_token(request)
        if refusal := self._refuse(request):
            return refusal
        found = _API.fullmatch(request.path)
        if not found:
            return Answer(404, error("UNSUPPORTED"))
        if found["kind"] == "tags":
            return self._list(request)
        if found["kind"] == "manifests":
            return self._manifest(request, found["what"])
        return self._blob(request, found["what"])

    def _refuse(self, request: Request) -> Answer | None:
        if self.wants == "basic":
            logins = {basic(user, password) for user, password in self.users.items()}
            challenge = self.challenge or 'Basic realm="here"'
            good = request.authorization in logins
        elif self.wants == "token":
            actions = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}
            action = actions.get(request.method, "pull,push")
            name = request.path.split("/", 2)[2].rsplit("/", 2)[0].removesuffix("/blobs")
            scope = f"repository:{name}:{action}"
            realm = f"http://{self.address}/token"
            challenge = self.challenge or (
                f'Bearer realm="{realm}",service="the registry",scope="{scope}"'
            )
            good = action in self.tokens.get(request.authorization.removeprefix("Bearer "), "")
        else:
            return None
        headers = {"WWW-Authenticate": challenge}
        return None if good else Answer(401, error("UNAUTHORIZED", "who are you?"), headers)

    def _give_token(self, request: Request) -> Answer:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        user = request.query.get("account", [""])[0]
        if form:
            good = form.get("grant_type") == "refresh_token"
            good = good and form.get("refresh_token") == self.users.get("")
            scopes = form["scope"].split()
        else:
            login = basic(user, self.users.get(user, "")) if user else ""
            good = request.authorization == login
            scopes = request.query["scope"]
        if not good:
            return Answer(401, error("UNAUTHORIZED", "wrong password"))
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = " ".join(scopes)
        name = "access_token" if form else "token"
        return Answer(200, json.dumps({name: token, "expires_in": 60}).encode())

    def _list(self, request: Request) -> Answer:
        tags = sorted(name for name in self.manifests if ":" not in name)
        if not self.manifests:
            return Answer(404, error("NAME_UNKNOWN"))
        last = request.query.get("last", [""])[0]
        rest = [tag for tag in tags if tag > last]
        page, more = rest[: self.page], len(rest) > self.page
        body = json.dumps({"name": "x", "tags": page or None}).encode()
        link = f'<{request.path}?last={page[-1]}&n={self.page}>; rel="next"' if more else ""
        return Answer(200, body, {"Link": link} if link else {})

    def _manifest(self, request: Request, reference: str) -> Answer:
        if request.method == "PUT":
            stored = self.store(request.body, request.headers["Content-Type"], reference)
            return Answer(201, headers={"Docker-Content-Digest": stored})
        if reference not in self.manifests:
            return Answer(404, error("MANIFEST_UNKNOWN"))
        data, media_type = self.manifests[reference]
        if request.method == "DELETE":
            self.manifests = {k: v for k, v in self.manifests.items() if v[0] != data}
            return Answer(202)
        headers = {"Content-Type": media_type, "Docker-Content-Digest": digest_of(data)}
        return Answer(200, data, headers)

    def _blob(self, request: Request, what: str) -> Answer:
        if request.method == "POST":
            self.uploads += 1
            path = f"{request.path}{self.uploads}?_state=a%2Fb%3D%3D"
            return Answer(202, headers={"Location": path})
        if request.method == "PUT":
            return self._finish(request)
        if request.method == "DELETE":
            return Answer(204)
        if what not in self.blobs:
            return Answer(404, error("BLOB_UNKNOWN"))
        return Answer(200, self.blobs[what])

    def _finish(self, request: Request) -> Answer:
        digest = digest_of(request.body)
        # One session, one attempt: this one does not take up what broke off.
        if request.query["_state"] != ["a/b=="] or not request.path.endswith(f"/{self.uploads}"):
            return Answer(404, error("BLOB_UPLOAD_UNKNOWN"))
        if request.query["digest"] != [digest]:
            return Answer(400, error("DIGEST_INVALID", "provided digest did not match"))
        self.blobs[digest] = request.body
        return Answer(201, headers={"Docker-Content-Digest": digest})


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, registry: FakeRegistry) -> None:
        self.registry = registry
        self.errors: list[BaseException] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def shutdown_request(self, request: Any) -> None:
        """Close without the polite end of sending, which would come before an RST."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what is a mistake of ours; clients may leave at any time."""
        del request, client_address
        error = sys.exception()
        if error and not isinstance(error, OSError):
            self.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: object) -> None:
        """Leave the test's own output readable."""

    def do_GET(self) -> None:
        registry = self.server.registry
        address = urlsplit(self.path)
        told = registry.told(self.command, address.path)
        size = int(self.headers.get("Content-Length", 0))
        if told and told.resets_after is not None:
            self.rfile.read(min(size, told.resets_after))
            self._record(address.path, address.query, b"")
            self._reset()
            return
        request = self._record(address.path, address.query, self._read(size))
        self._send(told or registry.answer(request))

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _read(self, size: int) -> bytes:
        pieces: deque[bytes] = deque()
        while size > 0 and (piece := self.rfile.read(min(size, _PIECE))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _record(self, path: str, query: str, body: bytes) -> Request:
        request = Request(self.command, path, parse_qs(query), dict(self.headers), body)
        self.server.registry.requests.append(request)
        return request

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    def _send(self, answer: Answer) -> None:
        length = len(answer.body) if answer.length is None else answer.length
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        if length != len(answer.body):
            self.close_connection = True
