"""A world outside for gateways: a network of the engine's with servers that have names.

Its addresses are of the ranges kept for documentation: public as far as any rule goes, nobody's.
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.support import certificates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_RANGES: Final = ("192.0.2", "198.51.100", "203.0.113")
_SIZE: Final = 16
_ATTEMPTS: Final = 60
LISTED: Final = "listed.example"
OTHER: Final = "other.example"
BELOW: Final = "a.below.example"
PLAIN: Final = "plain.example"
NAMES: Final = (LISTED, OTHER, BELOW, PLAIN)
# Says what it was asked, on standard output and to the client: a path of digits is that many bytes.
_SERVER: Final = """
import http.server, json, ssl, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        asked = {"method": self.command, "path": self.path, "headers": dict(self.headers)}
        print(json.dumps(asked), flush=True)
        name = self.path[1:]
        body = bytes(int(name)) if name.isdigit() else json.dumps(asked).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_PUT = do_GET
    def log_message(self, *_):
        pass
Server = http.server.ThreadingHTTPServer
plain, other, encrypted = (Server(("", port), Handler) for port in (80, 8080, 443))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/certificate/own.pem", "/certificate/own.key")
encrypted.socket = context.wrap_socket(encrypted.socket, server_side=True)
for server in (plain, other):
    threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
encrypted.serve_forever()
"""


@dataclass(frozen=True)
class StandIn:
    """What answers there.

    Attributes:
        names: of it.
        command: that is run as root, beside its certificate in `/certificate`. It says `ready`, and
            a line of JSON for each request.
        mounts: directories inside, by those of this machine; read-only.
    """

    names: tuple[str, ...]
    command: tuple[str, ...]
    mounts: Mapping[Path, str]


ECHO: Final = StandIn(NAMES, ("python3", "-c", _SERVER), {})
"""It says what it was asked."""


@dataclass(frozen=True)
class Outside:
    """The network and the server on it.

    Attributes:
        network: its name.
        container: the server's name.
        address: of the server.
        authority: a PEM file: who vouches for the server's names.
        engine: variables that lead to the engine; None: as usual.
    """

    network: str
    container: str
    address: str
    authority: Path
    engine: Mapping[str, str] | None = None

    def asked(self) -> list[dict[str, Any]]:
        """Return what the server was asked until now."""
        lines = _docker("logs", self.container, engine=self.engine).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def outside(
    place: Path,
    image: str,
    engine: Mapping[str, str] | None = None,
    *,
    stand_in: StandIn = ECHO,
) -> Iterator[Outside]:
    """Make it; remove it in the end.

    Args:
        place: for its certificates; made.
        image: that it is run in.
        engine: variables that lead to the engine; None: as usual.
        stand_in: what answers there.
    """
    made = certificates.make(place, *stand_in.names)
    mounts = {place: "/certificate", **stand_in.mounts}
    network = _network(engine)
    container = f"pinnace-test-outside-{secrets.token_hex(4)}"
    try:
        _docker(
            *("run", "--detach", "--rm", f"--name={container}", f"--network={network}"),
            *(f"--network-alias={name}" for name in stand_in.names),
            *(f"--volume={source}:{target}:ro" for source, target in mounts.items()),
            *("--user=0", "--entrypoint=", image, *stand_in.command),
            engine=engine,
        )
        _await(container, engine)
        shown = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = _docker("inspect", f"--format={shown}", container, engine=engine)
        yield Outside(network, container, address, made.authority, engine)
    finally:
        removed = ["docker", "rm", "--force", container]
        subprocess.run(removed, check=False, capture_output=True, env=engine)
        # A gateway that is being removed is on it still.
        for _ in range(_ATTEMPTS):
            done = subprocess.run(["docker", "network", "rm", network], check=False, env=engine)
            if done.returncode == 0:
                break
            time.sleep(0.5)


def _network(engine: Mapping[str, str] | None) -> str:
    """Make a network in a range that nobody has taken: tests run beside each other."""
    ranges = [one for one in _RANGES if not _is_this_machines(one)]
    for _ in range(_ATTEMPTS):
        start = secrets.randbelow(256 // _SIZE) * _SIZE
        subnet = f"{secrets.choice(ranges)}.{start}/28"
        name = f"pinnace-test-{secrets.token_hex(4)}"
        command = ["docker", "network", "create", f"--subnet={subnet}", name]
        done = subprocess.run(command, check=False, capture_output=True, env=engine)
        if done.returncode == 0:
            return name
    raise AssertionError("no range is free for a network")


def _is_this_machines(start: str) -> bool:
    """Return whether this machine is itself in a range: a virtual one may be, and be cut off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        try:
            # Nothing is sent: it only gets an address.
            client.connect((f"{start}.1", 9))
        except OSError:
            return False
        return str(client.getsockname()[0]).startswith(f"{start}.")


def _await(container: str, engine: Mapping[str, str] | None) -> None:
    for _ in range(_ATTEMPTS):
        if "ready" in _docker("logs", container, engine=engine):
            return
        time.sleep(0.25)
    raise AssertionError("the server outside does not start")


def _docker(*arguments: str, engine: Mapping[str, str] | None) -> str:
    command = ["docker", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=engine)
    return done.stdout.strip()
