"""The engine's own BuildKit, reached as a builder that is somewhere else.

The engine lets a client that asks for it speak gRPC to its BuildKit over the engine's own socket.
A relay that asks, and then only passes bytes on, is a BuildKit on a TCP port: what `docker buildx`
calls a remote builder.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import socketserver
import subprocess
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HOST: Final = "127.0.0.1"
_PIECE: Final = 64 * 1024
_POLL_SECONDS: Final = 0.05
_ASK: Final = (
    b"POST /grpc HTTP/1.1\r\nHost: docker\r\n"
    b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n"
)


@contextlib.contextmanager
def remote_builder(environment: Mapping[str, str]) -> Iterator[str]:
    """Add a remote builder to the docker client of `environment`; return its name."""
    name = f"pinnace-test-{secrets.token_hex(4)}"
    with _Relay(_engine_socket(environment)) as relay:
        threading.Thread(target=relay.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()
        place = f"tcp://{_HOST}:{relay.server_address[1]}"
        try:
            _docker(environment, "buildx", "create", f"--name={name}", "--driver=remote", place)
            try:
                yield name
            finally:
                _docker(environment, "buildx", "rm", name)
        finally:
            relay.shutdown()


def _engine_socket(environment: Mapping[str, str]) -> str:
    endpoint = _docker(
        environment, "context", "inspect", "--format={{.Endpoints.docker.Host}}"
    ).strip()
    assert endpoint.startswith("unix://"), f"the engine is not on this machine: {endpoint}"
    return endpoint.removeprefix("unix://")


def _docker(environment: Mapping[str, str], *arguments: str) -> str:
    program = shutil.which("docker", path=environment["PATH"]) or "docker"
    done = subprocess.run(
        [program, *arguments],
        env=dict(environment),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


class _Relay(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False  # buildx keeps its connections

    def __init__(self, engine_socket: str) -> None:
        self.engine_socket = engine_socket
        super().__init__((_HOST, 0), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: _Relay
    request: socket.socket

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self.server.engine_socket)
            engine.sendall(_ASK)
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                # One at a time: what comes after the headers is the client's.
                byte = engine.recv(1)
                assert byte, f"the engine does not let us speak to its BuildKit: {answer!r}"
                answer += byte
            assert answer.startswith(b"HTTP/1.1 101 "), answer
            there = threading.Thread(target=_pass_on, args=(self.request, engine))
            there.start()
            _pass_on(engine, self.request)
            there.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Pass on until the source ends, and say so to the target."""
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
