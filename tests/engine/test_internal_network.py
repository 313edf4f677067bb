"""Launches into which no socket crosses: their way out is a network of their own.

Neither gVisor nor Kata can be had everywhere, so an engine of the tests' own knows runc by the name
of such a runtime. All else is as it would be, but for what such a sandbox itself does.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_images import contract
from tests.engine.conftest import KEY, VERSION, await_beats
from tests.support import outside, recorder
from tests.support.messages_api import Text, ToolUse
from tests.support.own_engine import own_engine
from tests.support.recorder import Recorder
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi
    from tests.support.outside import Outside
    from tests.support.own_engine import OwnEngine

pytestmark = pytest.mark.xdist_group("an engine with a closed runtime")

_PATIENCE_SECONDS: Final = 60
_BRIDGE: Final = "172.17.0.1"
_MARK: Final = "reached the machine"
# Listens on all addresses of the machine that the engine runs on; notes names that it is asked for.
_MACHINE: Final = f"""
import http.server, socket, sys, threading
class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write({_MARK.encode()!r})
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind((sys.argv[1], 53))
threading.Thread(target=Server(("::", 8080), Pages).serve_forever, daemon=True).start()
print("ready", flush=True)
while True:
    question, sender = names.recvfrom(512)
    print(question, flush=True)
    names.sendto(question[:2] + b"\\x81\\x83" + question[4:], sender)
"""
# What of these is there: a port, an answer to a question, IPv6's link. The first address of one's
# own network is where a bridge has its own.
_TRIALS: Final = """
import json, socket, struct, sys
def connected(address):
    with socket.create_connection(address, timeout=3):
        pass
def answered(address):
    labels = b"".join(bytes([len(n)]) + n.encode() for n in sys.argv[1].split("."))
    question = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(3)
        one.sendto(question, address)
        # That a name server has nobody to ask is not an answer.
        if one.recv(512)[3] & 15 not in (0, 3):
            raise OSError("refused")
def linked():
    index = socket.if_nametoindex("eth0")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        one.sendto(b"", ("ff02::1", 9, 0, index))
first = ".".join([*socket.gethostbyname(socket.gethostname()).split(".")[:2], "0", "1"])
reached = []
for text in sys.argv[2:]:
    host, _, port = text.rpartition(":")
    try:
        if port == "53":
            answered((host, 53))
        elif host == "link":
            linked()
        else:
            connected((first if host == "first" else host, int(port)))
        reached.append(text)
    except OSError:
        pass
print(json.dumps(reached))
"""


@pytest.fixture(scope="module")
def engine(image: str, gateway_image: str) -> Iterator[OwnEngine]:
    """An engine with such a runtime; its machine listens, and is its name server."""
    assert image
    with own_engine(runtimes={"runsc": {"path": "runc"}}, dns=[_BRIDGE]) as made:
        made.load(contract.local_name(VERSION, contract.DEFAULT_VARIANT), gateway_image)
        yield made


@pytest.fixture
def closed(isolated: Launcher, engine: OwnEngine) -> Iterator[Launcher]:
    """`pinnace` with such a runtime; in the end, nothing of its own is left."""
    isolated.environment |= {"DOCKER_HOST": engine.endpoint, "PINNACE_RUNTIME": "runsc"}
    try:
        yield isolated
    finally:
        isolated.end()
        for container in engine.docker("ps", "-aq", f"--filter=label={_NETWORK}").split():
            engine.docker("rm", "--force", container)
        engine.docker("network", "prune", "--force", f"--filter=label={_NETWORK}")


_NETWORK: Final = contract.LABEL_RUN_NETWORK


@pytest.fixture(scope="module")
def away(
    engine: OwnEngine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outside]:
    """The world outside of that engine."""
    place = tmp_path_factory.mktemp("outside") / "certificate"
    yield from outside.outside(place, image, engine.environment)


@pytest.fixture
def machine(engine: OwnEngine, tmp_path: Path) -> Iterator[Path]:
    """What the engine's machine is asked for, in a file."""
    said = tmp_path / "machine"
    with said.open("wb") as output:
        command = engine.beside(sys.executable, "-c", _MACHINE, _BRIDGE)
        process = subprocess.Popen(command, stdout=output)
    try:
        wait_until(lambda: said.read_bytes().startswith(b"ready"), "the machine listens")
        yield said
    finally:
        subprocess.run(engine.beside("kill", str(process.pid)), check=True)
        process.wait(_PATIENCE_SECONDS)


def _inside(launcher: Launcher, script: str) -> str:
    done = launcher.run("shell", text=script)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _curl(*urls: str, options: str = "") -> str:
    ask = f"curl -s -m 20 -o /dev/null -w '%{{http_code}} %{{http_connect}}\\n' {options}"
    return "\n".join(f"{ask} {url}" for url in urls) + "\ntrue\n"


def _tried(name: str, targets: Sequence[str]) -> str:
    return f"python3 - {name} {' '.join(targets)} <<'END'\n{_TRIALS}\nEND\n"


def _beside(engine: OwnEngine, *arguments: str) -> str:
    """Run a container that is no launch's; return what it printed."""
    return engine.docker("run", "--rm", "--entrypoint=", *arguments)


def _left(engine: OwnEngine) -> list[str]:
    """Name what is there of launches: networks, relays, containers."""
    label = f"--filter=label={_NETWORK}"
    networks = engine.docker("network", "ls", "--format={{.Name}}", label).split()
    return [*networks, *engine.docker("ps", "-a", "--format={{.Names}}", label).split()]


@pytest.fixture
def open_shell(closed: Launcher) -> Iterator[subprocess.Popen[str]]:
    """A launch that goes on, and takes commands."""
    shell = closed.start("shell", stdin=subprocess.PIPE)
    assert _said(shell, "echo up") == "up"
    yield shell
    if shell.poll() is None:
        assert shell.stdin
        shell.stdin.close()
        assert shell.wait(_PATIENCE_SECONDS) == 0


def _said(shell: subprocess.Popen[str], command: str) -> str:
    """Return the line that a command prints in a launch that goes on."""
    assert shell.stdin
    assert shell.stdout
    print(command, file=shell.stdin, flush=True)
    return shell.stdout.readline().strip()


def test_claude_answers_says_why_and_has_no_key(
    closed: Launcher, api: MessagesApi, engine: OwnEngine
) -> None:
    look = "env; ls /sys/class/net /run/pinnace/sockets; cat /proc/net/if_inet6"
    api.reply_with(ToolUse("Bash", {"command": look}), Text("done"))
    done = closed.run("--dangerously-skip-permissions", "-p", "look")

    assert done.stdout == "done\n", done.stderr
    assert done.stderr.count("runtime runsc: no socket crosses") == 1
    result = json.dumps(api.requests[-1]["messages"])
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:28080" in result
    assert "egress.sock" not in result
    assert "fe80" not in result
    assert KEY not in result
    assert {one.get("x-api-key") for one in api.headers if "x-api-key" in one} == {KEY}
    assert _left(engine) == []


def test_what_is_allowed_is_reached_and_nothing_else(closed: Launcher, away: Outside) -> None:
    closed.environment |= {
        "PINNACE_GATEWAY_NETWORK": away.network,
        "PINNACE_CERTIFICATES": str(away.authority),
        "PINNACE_ALLOW": f"{outside.LISTED},{outside.PLAIN}:80",
    }
    urls = (f"https://{outside.LISTED}/", f"http://{outside.PLAIN}/", f"https://{outside.OTHER}/")
    direct = (f"https://{outside.LISTED}/", f"https://{away.address}/")
    git = f"git ls-remote https://{outside.LISTED}/x.git </dev/null 2>/dev/null\n"
    ssh = f"ssh -o BatchMode=yes {outside.OTHER} </dev/null 2>&1\n"
    script = _curl(*urls) + _curl(*direct, options="--noproxy '*'") + git + ssh + "true"
    found = _inside(closed, script).splitlines()

    assert found[:5] == ["200 200", "200 000", "000 403", "000 000", "000 000"]
    assert f"{outside.OTHER}:22: Forbidden" in " ".join(found[5:])
    assert any(str(one["path"]).startswith("/x.git/info/refs") for one in away.asked())


def test_neither_the_host_nor_others_nor_names_are_reached(
    closed: Launcher, engine: OwnEngine, away: Outside, machine: Path, image: str
) -> None:
    closed.environment["PINNACE_GATEWAY_NETWORK"] = away.network
    other = _beside(engine, "-d", image, "socat", "TCP-LISTEN:8080,fork", "PIPE")
    shown = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    neighbour = engine.docker("inspect", f"--format={shown}", other)
    targets = [
        *(f"{host}:8080" for host in ("first", _BRIDGE, neighbour)),
        *(f"{_BRIDGE}:53", "127.0.0.11:53", f"{away.address}:443", "169.254.169.254:80", "link:0"),
    ]
    try:
        network = f"--network={away.network}"
        bare = _beside(engine, network, image, "python3", "-c", _TRIALS, "bare.example", *targets)
        found = _inside(closed, _tried("leak.example", targets))
        named = _inside(closed, "getent hosts leak.example; getent hosts github.com; echo $?")
    finally:
        engine.docker("rm", "--force", other)

    # Without any of it, all this would prove nothing.
    assert {f"{_BRIDGE}:8080", f"{_BRIDGE}:53", "127.0.0.11:53"} <= set(json.loads(bare))
    assert f"{away.address}:443" in json.loads(bare)
    assert b"bare" in machine.read_bytes()
    assert json.loads(found) == []
    assert named == "2\n"
    assert b"leak" not in machine.read_bytes()


def test_launches_do_not_reach_each_other_nor_does_anybody_the_gateway(
    closed: Launcher, open_shell: subprocess.Popen[str], engine: OwnEngine, image: str
) -> None:
    _said(open_shell, "socat TCP-LISTEN:3000,fork PIPE & sleep 0.5; echo up")
    own = _said(open_shell, "hostname -i")
    relay = _said(open_shell, "cat /run/pinnace/sockets/address")
    targets = [f"{own}:3000", f"{relay}:28080", f"{relay}:23128"]
    reached = _said(open_shell, _tried("x.example", targets))
    # In this project, `shell` would be one in the same container.
    other = replace(closed, project=closed.place / "other", children=[])
    other.project.mkdir()
    (other.project / ".claude-version").write_text(f"{VERSION}\n")
    found = _inside(other, _tried("x.example", targets))
    beside = _beside(engine, image, "python3", "-c", _TRIALS, "x.example", *targets)
    label = f"--filter=label={contract.LABEL_RUN_GATEWAY}"
    gateways = engine.docker("ps", "-q", label).split()
    listening = [engine.docker("exec", one, "cat", "/proc/net/tcp") for one in gateways]
    rows = [row.split() for one in listening for row in one.splitlines()[1:]]

    assert json.loads(reached) == targets
    assert json.loads(found) == []
    assert json.loads(beside) == []
    # Of the gateway, nothing listens on its network: 0A is the state, 0100007F its own loopback.
    assert {r[1].partition(":")[0] for r in rows if r[3] == "0A"} <= {"0100007F", "0B00007F"}


def test_services_and_ports_are_as_ever(closed: Launcher) -> None:
    with Recorder() as service:
        closed.environment["PINNACE_SERVICES"] = f"9123:{service.port}"
        ask = "curl -s http://127.0.0.1:9123/; echo; curl -s http://127.0.0.1:9124/; true"
        found = _inside(closed, ask)
    assert found == f"{recorder.MARK}\n"

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    closed.environment["PINNACE_PORTS"] = f"{port}:3000"
    shell = closed.start("shell", stdin=subprocess.PIPE)
    serve = "cd /tmp; echo hello >index.html; python3 -m http.server -b 127.0.0.1 3000 2>/dev/null"
    assert _said(shell, f"({serve}) >/dev/null & sleep 1; echo up") == "up"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html", timeout=30) as answer:
        assert answer.read() == b"hello\n"
    shell.communicate(timeout=_PATIENCE_SECONDS)


def test_a_killed_gateway_comes_back_and_without_the_relay_there_is_nothing(
    closed: Launcher, open_shell: subprocess.Popen[str], engine: OwnEngine
) -> None:
    ask = "curl -s -m 5 -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:28080/v1/models"
    first = _said(open_shell, ask)
    label = f"--filter=label={contract.LABEL_RUN_GATEWAY}={closed.project}"
    (gateway,) = engine.docker("ps", "-q", label).split()
    (root,) = Path(closed.environment["HOME"]).glob(".local/state/pinnace/gateway/*/")
    (root / "config" / "idle").write_text("4\n")
    engine.docker("kill", gateway)
    wait_until(lambda: _said(open_shell, ask) == first, "it comes back")
    # And stays, beyond the time that it waits for others.
    await_beats(closed)
    assert _said(open_shell, ask) == first
    (relay,) = engine.docker("ps", "-q", f"--filter=label={contract.LABEL_RUN_RELAY}").split()
    engine.docker("kill", relay)

    assert first != "000"
    assert _said(open_shell, ask) == "000"
    assert _said(open_shell, "curl -s -m 5 https://github.com; echo $?") != "0"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_launch_that_is_ended_leaves_nothing(
    open_shell: subprocess.Popen[str], engine: OwnEngine, how: signal.Signals
) -> None:
    assert len(_left(engine)) == 3
    open_shell.send_signal(how)
    open_shell.wait(_PATIENCE_SECONDS)

    assert _left(engine) == []


@pytest.mark.parametrize("by", ["the next launch", "gc"])
def test_what_a_killed_launcher_left_goes(
    closed: Launcher, open_shell: subprocess.Popen[str], engine: OwnEngine, by: str
) -> None:
    open_shell.kill()
    open_shell.wait(_PATIENCE_SECONDS)
    assert len(_left(engine)) == 3
    if by == "gc":
        done = closed.run("gc", "--yes", "--json", "--newest=1000000")
        gone = {(one["scope"], one["why"]) for one in json.loads(done.stdout)["result"]["gone"]}
        assert ("networks", "its launcher is gone") in gone
        assert _left(engine) == []
    else:
        assert closed.run("run", "--", "--version").returncode == 0
        wait_until(lambda: _left(engine) == [], "the reaper removes it")


def test_an_open_level_has_a_network_besides(
    closed: Launcher, engine: OwnEngine, machine: Path
) -> None:
    closed.environment["PINNACE_ISOLATION"] = "open"
    ask = f"curl -s http://{_BRIDGE}:8080/; echo; getent hosts leads.example; hostname -i"
    *said, addresses = _inside(closed, ask).splitlines()
    done = closed.run("-p", "hi")

    assert said == [_MARK]
    assert b"leads" in machine.read_bytes()
    assert len(addresses.split()) == 2
    assert done.stdout == "Hello from the stand-in\n", done.stderr
    assert _left(engine) == []


def test_a_runtime_that_sockets_cross_is_as_ever(closed: Launcher) -> None:
    done = closed.run("run", "--runtime-sockets", "-p", "hi")
    assert done.stdout == "Hello from the stand-in\n", done.stderr
    assert "no socket crosses" not in done.stderr
