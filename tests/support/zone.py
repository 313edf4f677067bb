"""A name server of the tests' own, in a container: its answers are theirs to choose.

It notes every question that it gets. Beside it, a port answers over http, and one repeats
datagrams.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MARK: Final = "reached the zone"
_ATTEMPTS: Final = 60
# Of several lists of addresses, each question gets the next one.
_SERVER: Final = """
import http.server, ipaddress, itertools, json, socket, socketserver, struct, sys, threading
names, port, mark = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
turns = {(n, kind): itertools.cycle(lists) for n, lists in names.items() for kind in (1, 28)}
def answer(question):
    place, labels = 12, []
    while size := question[place]:
        labels.append(question[place + 1 : place + 1 + size].decode("latin-1"))
        place += size + 1
    kind = struct.unpack("!H", question[place + 1 : place + 3])[0]
    name = ".".join(labels).lower()
    print(json.dumps({"name": name, "type": kind}), flush=True)
    found = next(turns.get((name, kind), iter([[]])))
    packed = [ipaddress.ip_address(one).packed for one in found]
    records = [one for one in packed if len(one) == {1: 4, 28: 16}.get(kind)]
    code = 0 if name in names else 3
    head = question[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(records), 0, 0)
    tail = [struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(one)) + one for one in records]
    return head + question[12 : place + 5] + b"".join(tail)
class Datagrams(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(answer(self.request[0]), self.client_address)
class Streams(socketserver.StreamRequestHandler):
    def handle(self):
        said = answer(self.rfile.read(struct.unpack("!H", self.rfile.read(2))[0]))
        self.wfile.write(struct.pack("!H", len(said)) + said)
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(self.request[0], self.client_address)
class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(mark.encode())
    def log_message(self, *_):
        pass
servers = (
    socketserver.ThreadingUDPServer(("", 53), Datagrams),
    socketserver.ThreadingTCPServer(("", 53), Streams),
    socketserver.ThreadingUDPServer(("", port), Echo),
    http.server.ThreadingHTTPServer(("", port), Pages),
)
for server in servers:
    threading.Thread(target=server.serve_forever).start()
print("ready", flush=True)
"""


@dataclass(frozen=True)
class Zone:
    """The name server.

    Attributes:
        container: its name.
        address: of it.
        port: of its other two services.
    """

    container: str
    address: str
    port: int

    def asked(self) -> set[str]:
        """Return the names that it was asked for until now."""
        lines = _docker("logs", self.container).splitlines()
        return {json.loads(line)["name"] for line in lines if line.startswith("{")}


def zone(
    image: str, network: str, port: int, names: Mapping[str, Sequence[Sequence[str]]]
) -> Iterator[Zone]:
    """Make it, and remove it in the end.

    Args:
        image: to run it in.
        network: to join.
        port: of its other services.
        names: lists of addresses; `self` stands for its own.
    """
    container = f"pinnace-test-zone-{secrets.token_hex(4)}"
    used = ("docker", "network", "inspect", "--format={{(index .IPAM.Config 0).Subnet}}", network)
    subnet = subprocess.run(used, check=True, capture_output=True, text=True).stdout.strip()
    front, _, last = subnet.partition("/")[0].rpartition(".")
    # Known before it starts, and not among those that the engine gives away first.
    address = f"{front}.{int(last) + 13}"
    whole = {
        name: [[address if one == "self" else one for one in addresses] for addresses in lists]
        for name, lists in names.items()
    }
    try:
        _docker(
            *("run", "--detach", "--rm", f"--name={container}", f"--network={network}"),
            *(f"--ip={address}", "--user=0", "--entrypoint=", image),
            *("python3", "-c", _SERVER, json.dumps(whole), str(port), MARK),
        )
        for _ in range(_ATTEMPTS):
            if "ready" in _docker("logs", container):
                break
            time.sleep(0.25)
        else:
            raise AssertionError("the name server does not start")
        yield Zone(container, address, port)
    finally:
        subprocess.run(["docker", "rm", "--force", container], check=False, capture_output=True)


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
