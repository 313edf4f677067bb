"""A real registry on loopback, and a proxy before it that fails as it is told."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import pytest

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Self

When: TypeAlias = "Callable[[str, str], bool]"
"""Chooses requests, by method and by path with its query."""
Exchange: TypeAlias = tuple[str, str, int]
"""Method, path with its query, and status: 0 where the connection was dropped instead."""

_HOST: Final = "127.0.0.1"
# Below those that the kernel hands out: nobody takes it while the registry is down. Each worker
# has a part of them.
_WORKER: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 12
_PORTS: Final = range(20_000, 32_000)[_WORKER::12]
_PATIENCE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_PIECE: Final = 64 * 1024
_NO_LINGER: Final = struct.pack("ii", 1, 0)  # closing sends RST
_TLS_HANDSHAKE: Final = b"\x16"
_NOT_FORWARDED: Final = {
    "connection",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


class RealRegistry:
    """Debian's registry with a directory of its own; what it stores outlives its process."""

    def __init__(self, directory: Path, *, password: tuple[str, str] | None = None) -> None:
        self._program = shutil.which("docker-registry") or shutil.which("registry") or _no_program()
        self._directory = directory
        self._config = directory / "config.yml"
        self._log = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.storage = directory / "storage"
        self.storage.mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        self.address = f"{_HOST}:{self.port}"
        self._configure(password)

    def _configure(self, password: tuple[str, str] | None) -> None:
        # No cache: it would remember what a collection has removed.
        config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.storage)},
                "delete": {"enabled": True},
                "redirect": {"disable": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            # The secret signs the state of uploads, which go on after a restart.
            "http": {"addr": self.address, "secret": "not a secret"},
        }
        if password:
            user, word = password
            file = self._directory / "htpasswd"
            file.write_text(f"{user}:{_bcrypt(word)}\n", encoding="utf-8")
            config["auth"] = {"htpasswd": {"realm": "pinnace", "path": str(file)}}
        # JSON is YAML, too.
        self._config.write_text(json.dumps(config), encoding="utf-8")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve, until it answers; after an end on the same port, with what was stored."""
        if self._process:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "serve", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for the test
            )
        try:
            wait_until(self._answers, "the registry does not answer")
        except BaseException:
            self.kill()
            raise

    def _answers(self) -> bool:
        if not self._process or self._process.poll() is not None:
            raise AssertionError(f"the registry ended: {self._log.read_text(errors='replace')}")
        with contextlib.closing(http.client.HTTPConnection(_HOST, self.port)) as connection:
            try:
                connection.request("GET", "/v2/")
                status = connection.getresponse().status
            except (OSError, http.client.HTTPException):
                return False
        return status in {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED}

    def stop(self) -> None:
        """End it as an administrator would."""
        if self._process:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        self.kill()

    def kill(self) -> None:
        """End it at once, in the middle of what it is doing."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def size(self) -> int:
        """Add up what is stored: blobs, links and unfinished uploads, in bytes."""
        total = 0
        for path in self.storage.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # an upload that has just ended
                total += path.stat().st_size if path.is_file() else 0
        return total

    def blob_digests(self) -> set[str]:
        """List the stored blobs: layers, configurations and manifests, of all repositories."""
        found = self._blobs.glob("*/*/*/data")
        return {f"{path.parts[-4]}:{path.parts[-2]}" for path in found}

    def blob_bytes(self, digest: str) -> bytes:
        """Return what a stored blob holds."""
        algorithm, _, value = digest.partition(":")
        return (self._blobs / algorithm / value[:2] / value / "data").read_bytes()

    @property
    def _blobs(self) -> Path:
        return self.storage / "docker" / "registry" / "v2" / "blobs"

    def collect_garbage(self, *, untagged: bool = False) -> None:
        """Remove what no manifest refers to; nothing may be uploaded meanwhile.

        With `untagged` also manifests without a tag. This registry counts the children of a
        tagged index among them.
        """
        options = ["--delete-untagged"] if untagged else []
        command = [self._program, "garbage-collect", *options, str(self._config)]
        done = subprocess.run(
            command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert done.returncode == 0, done.stdout


def _no_program() -> NoReturn:
    pytest.fail("the program docker-registry is missing: run scripts/engine up, or install it")


def _free_port() -> int:
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((_HOST, port))
            return port


def _bcrypt(password: str) -> str:
    """Hash as the registry wants it: Python's `crypt` ends with 3.12, the C library's stays."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    hashed: bytes | None = library.crypt(password.encode(), b"$2b$04$" + b"." * 22)
    assert hashed
    return hashed.decode()


@dataclass
class _Fault:
    """Something that goes wrong `count` times."""

    count: int
    when: When
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    after_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def meets(self, method: str, path: str) -> bool:
        return self.count > 0 and self.when(method, path)

    def take(self) -> bool:
        with self._lock:
            self.count -= 1
            return self.count >= 0


class FaultyProxy:
    """Passes everything on to a registry, except what it was told to spoil."""

    def __init__(self, registry: RealRegistry) -> None:
        self.registry = registry
        self.log: list[Exchange] = []
        self._hooks: list[Callable[[str, str], object]] = []
        self._refusals: list[_Fault] = []
        self._cuts: list[_Fault] = []
        self._server = _Server(self)
        self.port = self._server.server_port
        self.address = f"{_HOST}:{self.port}"

    def __enter__(self) -> Self:
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(_POLL_SECONDS,), daemon=True).start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.drop_connections()
        if self._server.errors and kind is None:
            raise self._server.errors[0]

    def fail(
        self,
        count: int,
        status: int = 429,
        when: When = lambda _method, _path: True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next `count` requests that `when` chooses with a status; none is passed on."""
        self._refusals.append(_Fault(count, when, status=status, headers=headers or {}))

    def cut(self, count: int, after_bytes: int, when: When = lambda _method, _path: True) -> None:
        """Drop the connection of the next `count` requests after so much of their bodies.

        A request whose body is not longer than that goes through, and does not count.
        """
        self._cuts.append(_Fault(count, when, after_bytes=after_bytes))

    def on_request(self, callback: Callable[[str, str], object]) -> None:
        """Call back with method and path before a request is looked at; what it raises fails."""
        self._hooks.append(callback)

    def call_hooks(self, method: str, path: str) -> None:
        """Tell all who want to know."""
        for hook in tuple(self._hooks):
            hook(method, path)

    def refusal(self, method: str, path: str) -> _Fault | None:
        """Take what refuses a request, if anything does."""
        faults = tuple(self._refusals)
        return next((one for one in faults if one.meets(method, path) and one.take()), None)

    def cut_for(self, method: str, path: str) -> _Fault | None:
        """Find what would cut a request, without taking it: the body may be too short."""
        return next((one for one in tuple(self._cuts) if one.meets(method, path)), None)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # an engine opens many connections at once
    daemon_threads = True  # an exit does not wait for a hook that hangs

    def __init__(self, proxy: FaultyProxy) -> None:
        self.proxy = proxy
        self.connections: set[socket.socket] = set()
        self.errors: list[BaseException] = []
        super().__init__((_HOST, 0), _Handler)

    def drop_connections(self) -> None:
        """End those that clients keep for later."""
        for connection in tuple(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        """Close without the polite end of sending, which would come before an RST."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what a hook raised; clients may leave at any time."""
        del request, client_address
        error = sys.exception()
        if error and not isinstance(error, ConnectionError):
            self.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        super().finish()
        self.server.connections.discard(self.connection)

    def log_message(self, *args: object) -> None:
        """Leave the test's own output readable."""

    def handle(self) -> None:
        """Refuse TLS as Go's servers do: the engine takes that as a sign to go on without."""
        if self.connection.recv(1, socket.MSG_PEEK) == _TLS_HANDSHAKE:
            self.connection.recv(_PIECE)  # what is left unread would make an RST of the end
            self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        else:
            super().handle()

    def do_GET(self) -> None:
        proxy = self.server.proxy
        proxy.call_hooks(self.command, self.path)
        if refusal := proxy.refusal(self.command, self.path):
            deque(self._body(), maxlen=0)  # who is still sending might not see the answer
            self._refuse(refusal)
            return
        registry = proxy.registry
        upstream = http.client.HTTPConnection(_HOST, registry.port, timeout=_PATIENCE_SECONDS)
        with contextlib.closing(upstream):
            try:
                self._pass_on(upstream)
                answer = upstream.getresponse()
            except (OSError, http.client.HTTPException):
                self._record(0)
                self._reset()
                return
            self._record(answer.status)
            try:
                self._answer(answer)
            except (OSError, http.client.HTTPException):
                self._reset()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _record(self, status: int) -> None:
        self.server.proxy.log.append((self.command, self.path, status))

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    def _pass_on(self, upstream: http.client.HTTPConnection) -> None:
        """Send the request, its host included: the registry's redirects lead back here."""
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _NOT_FORWARDED:
                upstream.putheader(name, value)
        if self._chunked:
            upstream.putheader("Transfer-Encoding", "chunked")
        upstream.endheaders()
        body = self._cut_body()
        try:
            for piece in body:
                upstream.send(_chunk(piece) if self._chunked else piece)
            if self._chunked:
                upstream.send(_chunk(b""))
        except _ClientLeftError:
            raise
        except ConnectionError:
            deque(body, maxlen=0)  # the registry may have answered before the end

    def _cut_body(self) -> Iterator[bytes]:
        cut = self.server.proxy.cut_for(self.command, self.path)
        sent = 0
        for piece in self._body():
            if cut and sent + len(piece) > cut.after_bytes and cut.take():
                yield piece[: cut.after_bytes - sent]
                raise _ClientLeftError
            sent += len(piece)
            yield piece

    @property
    def _chunked(self) -> bool:
        return "chunked" in self.headers.get("Transfer-Encoding", "").lower()

    def _body(self) -> Iterator[bytes]:
        if not self._chunked:
            yield from self._read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self._line().partition(b";")[0], 16):
            yield from self._read(size)
            self._line()
        while self._line().strip():
            pass  # trailers

    def _line(self) -> bytes:
        line = self.rfile.readline(_PIECE)
        if not line.endswith(b"\n"):
            raise _ClientLeftError
        return line

    def _read(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self.rfile.read1(min(size, _PIECE))
            if not piece:
                raise _ClientLeftError
            size -= len(piece)
            yield piece

    def _refuse(self, refusal: _Fault) -> None:
        self._record(refusal.status)
        error = {"code": "UNKNOWN", "message": "told to fail", "detail": None}
        body = json.dumps({"errors": [error]}).encode()
        self.send_response(refusal.status)
        for name, value in refusal.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _NOT_FORWARDED:
                self.send_header(name, value)
        # `length` is 0 wherever there is no body, whatever the headers say.
        chunked = answer.length is None
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := answer.read1(_PIECE):
            self.wfile.write(_chunk(piece) if chunked else piece)
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        if chunked:
            self.wfile.write(_chunk(b""))


class _ClientLeftError(ConnectionError):
    """The rest of a body does not come, or shall not."""


def _chunk(piece: bytes) -> bytes:
    """Wrap a piece of a body without a known length; an empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)
