"""A gateway where things break: whatever does, Claude reaches no more than is allowed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pinnace.gateway.directory import Directory
from pinnace_images import contract
from tests.engine.conftest import KEY, containers_of, docker, end_keepers
from tests.support import outside
from tests.support.full_disk import Disk, small_disk
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher
    from tests.support.own_engine import OwnEngine

_PATIENCE_SECONDS: Final = 60
_PAGE: Final = 4096
_IN_MEMORY: Final = "runtime/pinnace/gateway/*/"
_MANY: Final = 50
# `pinnace shell` would go into the first launch.
_SHELL_OF_ITS_OWN: Final = """
from pinnace import request
from pinnace.launch import start
from pinnace_core.host import HostFacts
raise SystemExit(start.run(request.parse(())._replace(program="/bin/bash"), HostFacts.detect()))
"""
# Begins a tunnel, says so, and waits for its end.
_HOLDER: Final = """
import http.client, ssl
tunnel = http.client.HTTPSConnection("127.0.0.1", 23128, context=ssl.create_default_context())
tunnel.set_tunnel("{name}")
tunnel.request("GET", "/")
print(tunnel.getresponse().read() != b"", flush=True)
tunnel.sock.settimeout({patience})
print(tunnel.sock.recv(1), flush=True)
"""
_STATE: Final = Path(".local", "state")
# Squid keeps an answer for a second, and counts whole ones.
_COUNTS_SECONDS: Final = 2.1


class Inside:
    """A shell inside, which is asked one thing after the other."""

    def __init__(self, launcher: Launcher) -> None:
        self.child = launcher.start("shell", stdin=subprocess.PIPE)
        self.said("echo up")

    def said(self, command: str) -> str:
        """Run a command that says one line."""
        assert self.child.stdin
        assert self.child.stdout
        print(command, file=self.child.stdin, flush=True)
        line = self.child.stdout.readline().strip()
        assert line, self.child.communicate(timeout=_PATIENCE_SECONDS)[1]
        return line

    def tunnel(self, name: str) -> str:
        """Return what the gateway says of a tunnel to a name: 200, 403; 000 if it says nothing."""
        ask = "curl -s -m 10 -o /dev/null -w '%{http_connect}\\n'"
        return self.said(f"{ask} https://{name}/ || true")

    def api(self) -> str:
        """Return what the API says; 000 if it is not reached."""
        ask = "curl -s -m 5 -o /dev/null -w '%{http_code}\\n'"
        return self.said(f"{ask} http://127.0.0.1:28080/v1/models || true")

    def end(self) -> str:
        """End it; return what was said on standard error."""
        _, errors = self.child.communicate(timeout=_PATIENCE_SECONDS)
        assert self.child.returncode == 0, errors
        return errors


def _gateways(launcher: Launcher) -> list[str]:
    label = f"--filter=label={contract.LABEL_RUN_GATEWAY}={launcher.project}"
    return docker("ps", "-q", label).split()


def _directories(launcher: Launcher) -> list[Directory]:
    places = launcher.place.glob("home/.local/state/pinnace/gateway/*/")
    return [
        Directory(root) for root in (*places, *launcher.place.glob("runtime/pinnace/gateway/*/"))
    ]


def _keeper(launcher: Launcher) -> int:
    (found,) = _directories(launcher)
    asked = ["pgrep", "-f", f"pinnace.gateway.keeper {found.root}"]
    return int(subprocess.run(asked, check=True, capture_output=True).stdout.split()[0])


def _with_key(place: Path) -> list[str]:
    key = KEY.encode()
    return [p.name for p in place.rglob("*") if p.is_file() and key in p.read_bytes()]


def _temporary(place: Path) -> list[str]:
    return [path.name for path in place.rglob("*.tmp")]


@pytest.fixture
def state(launcher: Launcher) -> Iterator[Disk]:
    """The disk that Pinnace's own files are on."""
    with small_disk(Path(launcher.environment["HOME"]) / _STATE) as made:
        yield made


@pytest.fixture
def runtime(launcher: Launcher) -> Iterator[Disk]:
    """The memory that gateways' directories are in."""
    with small_disk(launcher.place / "runtime") as made:
        launcher.environment["XDG_RUNTIME_DIR"] = str(made.place)
        yield made


@pytest.mark.parametrize("which", ["state", "runtime"])
def test_where_a_disk_is_full_no_launch_begins_and_nothing_is_left(
    isolated: Launcher, state: Disk, runtime: Disk, which: str
) -> None:
    # What is known of the image, and the directories, are there.
    assert isolated.run("run", "--dry-run").returncode == 0
    disk = {"state": state, "runtime": runtime}[which]
    refused, pages = 0, 0
    disk.fill()
    while (done := isolated.run("-p", "hi")).returncode != 0:
        # Nothing, or a whole gateway that ends by itself: then it was the record that had no room.
        left = _with_key(isolated.place), len(_gateways(isolated))
        temporary = _temporary(isolated.place)
        disk.free()
        refused, pages = refused + 1, pages + 2
        disk.fill(but=pages * _PAGE)

        # What the gateway itself cannot write, it says.
        assert done.returncode in {69, 73}, done.stderr
        assert "No space left" in done.stderr
        assert "hint: " in done.stderr
        assert left in (([], 0), (["haproxy.cfg"], 1))
        assert temporary == []

    assert refused > 2
    assert done.stdout == "Hello from the stand-in\n", done.stderr


def test_a_launch_needs_room_for_its_record_and_none_for_its_gateway(
    isolated: Launcher, state: Disk, runtime: Disk
) -> None:
    assert isolated.run("-p", "hi").returncode == 0
    runtime.fill()
    done = isolated.run("-p", "hi")
    state.fill()
    refused = isolated.run("-p", "hi")
    state.free()
    again = isolated.run("-p", "hi")

    assert (done.returncode, done.stdout) == (0, "Hello from the stand-in\n"), done.stderr
    assert refused.returncode == 73, refused.stderr
    assert "No space left" in refused.stderr
    assert (again.returncode, again.stdout) == (0, "Hello from the stand-in\n"), again.stderr


def test_what_is_refused_on_a_full_disk_is_refused(
    connected: Launcher, state: Disk, runtime: Disk
) -> None:
    shell = Inside(connected)
    before = shell.tunnel(outside.LISTED)
    runtime.fill()
    denied = connected.run("network", "deny", outside.LISTED)
    time.sleep(_COUNTS_SECONDS)
    after = shell.tunnel(outside.LISTED)
    state.fill()
    undecided = connected.run("network", "allow", outside.LISTED)
    time.sleep(_COUNTS_SECONDS)
    still = shell.tunnel(outside.LISTED)
    runtime.free()
    state.free()
    assert connected.run("network", "allow", outside.LISTED).returncode == 0
    time.sleep(_COUNTS_SECONDS)
    again = shell.tunnel(outside.LISTED)
    shell.end()

    assert denied.returncode == 0, denied.stderr
    assert undecided.returncode == 73, undecided.stderr
    assert (before, after, still, again) == ("200", "403", "403", "200")


def test_a_gateway_that_cannot_write_goes_on_and_comes_back(
    connected: Launcher, state: Disk, runtime: Disk
) -> None:
    shell = Inside(connected)
    for disk in (state, runtime):
        disk.fill()
    full = [shell.tunnel(name) for name in (outside.LISTED, outside.OTHER)]
    (gateway,) = _gateways(connected)
    docker("kill", gateway)
    wait_until(lambda: shell.api() != "000", "a gateway without a log")
    restarted = [shell.tunnel(name) for name in (outside.LISTED, outside.OTHER)]
    for disk in (state, runtime):
        disk.free()
    shell.tunnel("third.example")
    logged = connected.run("network", "log", "--refused")
    shell.end()

    assert full == restarted == ["200", "403"]
    assert "third.example" in logged.stdout


def test_without_its_keeper_a_gateway_heeds_what_is_decided(connected: Launcher) -> None:
    shell = Inside(connected)
    os.kill(_keeper(connected), signal.SIGKILL)
    before = shell.tunnel(outside.LISTED)
    denied = connected.run("network", "deny", outside.LISTED)
    time.sleep(_COUNTS_SECONDS)
    after = shell.tunnel(outside.LISTED)
    shell.end()

    assert denied.returncode == 0, denied.stderr
    assert (before, after) == ("200", "403")


@pytest.mark.parametrize("is_denied_elsewhere", [False, True])
def test_a_connection_that_is_open_ends_when_its_host_is_denied(
    connected: Launcher, *, is_denied_elsewhere: bool
) -> None:
    """Also where what is written on the list stays the same, in another order."""
    if is_denied_elsewhere:
        everywhere = connected.run("network", "deny", outside.LISTED, "--everywhere")
        here = connected.run("network", "allow", outside.LISTED)
        assert (everywhere.returncode, here.returncode) == (0, 0)
    shell = Inside(connected)
    script = shlex.quote(_HOLDER.format(name=outside.LISTED, patience=_PATIENCE_SECONDS))
    begun = shell.said(f"exec 5< <(python3 -c {script} 2>&1); read -ru 5 line; echo $line")
    denied = connected.run("network", "deny", outside.LISTED)
    ended = shell.said("read -ru 5 line; echo $line")
    others = shell.tunnel(outside.BELOW)
    allowed = connected.run("network", "allow", outside.LISTED)
    time.sleep(_COUNTS_SECONDS)
    again = shell.tunnel(outside.LISTED)
    shell.end()

    assert (denied.returncode, allowed.returncode) == (0, 0)
    assert (begun, ended) == ("True", "b''")
    assert (others, again) == ("200", "200")


def test_after_gateway_and_keeper_were_killed_the_next_launch_mends_it(isolated: Launcher) -> None:
    shell = Inside(isolated)
    first = shell.api()
    (gateway,) = _gateways(isolated)
    keeper = _keeper(isolated)
    os.kill(keeper, signal.SIGKILL)
    docker("kill", gateway)
    without = shell.api()
    done = isolated.run("-p", "hi")
    wait_until(lambda: shell.api() != "000", "the way out of who was there before")
    shell.end()

    assert (first != "000", without) == (True, "000")
    assert done.stdout == "Hello from the stand-in\n", done.stderr
    assert len(_gateways(isolated)) == 1
    assert _keeper(isolated) != keeper


def test_fifty_launches_at_once_share_one_and_leave_nothing(connected: Launcher) -> None:
    """Each asks for something of its own, through the proxy and from the API."""
    assert connected.run("run", "--dry-run").returncode == 0
    connected.program = [sys.executable, "-c", _SHELL_OF_ITS_OWN]
    children = [connected.start(stdin=subprocess.PIPE) for _ in range(_MANY)]
    for number, child in enumerate(children):
        assert child.stdin
        child.stdin.write(
            f"curl -sS https://{outside.LISTED}/of-{number}\n"
            "curl -s -o /dev/null -w '\n%{http_code}' http://127.0.0.1:28080/v1/models\n"
        )
    said = [child.communicate(timeout=_PATIENCE_SECONDS * 3) for child in children]
    answers = [output for output, _ in said]
    gateways, kept = _gateways(connected), _directories(connected)
    left = containers_of(connected.project)
    end_keepers(connected.place)

    assert [child.returncode for child in children] == [0] * _MANY, said
    asked = [json.loads(answer.partition("\n")[0])["path"] for answer in answers]
    assert asked == [f"/of-{number}" for number in range(_MANY)]
    assert len({answer.partition("\n")[2] for answer in answers}) == 1
    assert (len(gateways), len(kept), left) == (1, 1, [])
    assert (_gateways(connected), _directories(connected)) == ([], [])
    assert list(connected.place.glob("home/.local/state/pinnace/runs/*")) == []


@pytest.mark.parametrize(
    ("used", "killed"),
    [(False, False), (True, False), (True, True)],
    ids=["unused, stopped", "in use, stopped", "in use, killed"],
)
def test_after_the_engine_was_restarted_the_next_launch_works(
    isolated: Launcher, engine: OwnEngine, *, used: bool, killed: bool
) -> None:
    isolated.environment["DOCKER_HOST"] = engine.endpoint
    assert isolated.run("-p", "hi").returncode == 0
    shell = Inside(isolated) if used else None
    with engine.ended(killed=killed):
        meanwhile = isolated.run("-p", "hi")
        if shell:
            assert shell.child.wait(_PATIENCE_SECONDS) != 0
    done = isolated.run("-p", "hi")
    shown = engine.docker("ps", "-a", "--format={{.Names}}").splitlines()
    (directory,) = _directories(isolated)
    end_keepers(isolated.place)

    assert meanwhile.returncode == 69, meanwhile.stderr
    assert (done.returncode, done.stdout) == (0, "Hello from the stand-in\n"), done.stderr
    assert [name.rpartition("-")[0] for name in shown] == [f"pinnace-gateway-{directory.root.name}"]
    assert engine.docker("ps", "-aq") == ""
    assert _directories(isolated) == []
