"""What attacks share: a launch through a gateway, and a bare container beside it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace_images import contract
from tests.attacks import attempts
from tests.engine.conftest import (
    KEY,
    api,
    docker,
    image,
    launcher,
    launching,
    once,
    other,
    pytest_generate_tests,
    tmp_path,
    way_to_begin,
    world,
)
from tests.support import outside
from tests.support.recorder import Recorder
from tests.support.zone import Zone, zone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher
    from tests.support.outside import Outside

__all__ = [
    "api",
    "image",
    "launcher",
    "once",
    "other",
    "pytest_generate_tests",
    "tmp_path",
    "way_to_begin",
    "world",
]
_PATIENCE_SECONDS: Final = 60
_PROGRAM: Final = Path(attempts.__file__)
# Names that are on the list, and where they lead.
_LEADING: Final = {
    "public-and-private": [["self", "HOST"]],
    "public": [["self"]],
    "private": [["HOST"]],
    "mapped-private": [["::ffff:HOST"]],
    "metadata": [["169.254.169.254"]],
    "metadata6": [["fd00:ec2::254"]],
    "loopback": [["127.0.0.1"]],
    "loopback6": [["::1"]],
    "unspecified": [["0.0.0.0"]],  # noqa: S104 (an answer)
    "link": [["fe80::1"]],
    "unique": [["fd00::1"]],
    "loopback-at-the-second-proxy": [["127.0.0.1"]],
    "rebind": [["self"], ["HOST"]],
    "rebind-tunnel": [["self"], ["HOST"]],
}


@dataclass
class Scene:
    """A launch that is attacked from inside, and what is around it.

    Attributes:
        launcher: of ours.
        recorder: the API.
        world: the servers outside.
        zone: the name server.
        image: of both containers.
        host: an address of this machine.
        begun: seconds since 1970, before all of it.
        bare: the container beside ours.
        shell: in ours.
    """

    launcher: Launcher
    recorder: Recorder
    world: Outside
    zone: Zone
    image: str
    host: str
    begun: int
    bare: str = ""
    shell: subprocess.Popen[str] | None = None
    results: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """Where the gateway lies."""
        (found,) = Path(self.launcher.environment["HOME"]).glob(".local/state/pinnace/gateway/*/")
        return found

    def ours(self) -> str:
        """Return the container of the launch."""
        label = f"--filter=label={contract.LABEL_RUN_WORKSPACE}={self.launcher.project}"
        (found,) = docker("ps", "-q", label).split()
        return found

    def gateway(self) -> str:
        """Return the container of its gateway."""
        label = f"--filter=label={contract.LABEL_RUN_GATEWAY}={self.launcher.project}"
        (found,) = docker("ps", "-q", label).split()
        return found

    def attack(self, group: str) -> dict[str, dict[str, dict[str, Any]]]:
        """Try a group of attacks in both; return results by `ours` and `bare`, and by name."""
        if group not in self.results:
            lines = {"ours": self._in_ours(group), "bare": self._in_bare(group)}
            seen = self._seen()
            self.results[group] = {
                where: {one["name"]: _judged(one, seen) for one in map(json.loads, found)}
                for where, found in lines.items()
            }
        return self.results[group]

    def inside(self, script: str) -> str:
        """Return what a script says in ours."""
        return docker("exec", self.ours(), "/bin/bash", "-c", script)

    def _configuration(self, *, proxied: bool) -> str:
        port = self.recorder.port
        api = ["127.0.0.1", 28080] if proxied else ["host.docker.internal", port]
        made = {"proxied": proxied, "world": self.world.address, "zone": self.zone.address}
        return json.dumps(
            {**made, "port": port, "host": self.host, "api": api, "key": [KEY[:9], KEY[9:]]}
        )

    def _in_ours(self, group: str) -> list[str]:
        assert self.shell is not None
        assert self.shell.stdin
        assert self.shell.stdout
        configuration = self._configuration(proxied=True)
        print(f"python3 attempts.py {group} '{configuration}'; echo END", file=self.shell.stdin)
        self.shell.stdin.flush()
        lines = []
        while (line := self.shell.stdout.readline()) and line != "END\n":
            lines.append(line)
        return lines

    def _in_bare(self, group: str) -> list[str]:
        configuration = self._configuration(proxied=False)
        program = ("python3", "/w/attempts.py", group, configuration)
        return docker("exec", self.bare, *program).splitlines()

    def _seen(self) -> str:
        asked = [json.dumps(one) for one in self.world.asked()]
        heads = [head.decode("latin-1") for head in self.recorder.heads]
        return "\n".join((*self.zone.asked(), *asked, *heads))


def _judged(one: dict[str, Any], seen: str) -> dict[str, Any]:
    through = one["through"] or bool(one.get("trace") and one["trace"] in seen)
    return {**one, "through": through}


@pytest.fixture(scope="module")
def scene(image: str, world: Outside, way_to_begin: str) -> Iterator[Scene]:
    """Start a launch, its gateway with a name server of the tests', and a bare container."""
    with fresh_place() as place, Recorder() as recorder:
        port, host, begun = recorder.port, _host(), int(time.time())
        names = {
            f"{name}.zone.example": [[one.replace("HOST", host) for one in list_] for list_ in all_]
            for name, all_ in _LEADING.items()
        } | {name: [[world.address]] for name in outside.NAMES}
        for made in zone(image, world.network, port, names):
            with launching(place, f"http://127.0.0.1:{port}", way_to_begin) as launcher:
                launcher.environment |= _environment(world, port)
                found = Scene(launcher, recorder, world, made, image, host, begun)
                with _running(found):
                    yield found


def _environment(world: Outside, port: int) -> dict[str, str]:
    allowed = [outside.LISTED, "*.below.example", f"{outside.PLAIN}:80"]
    allowed += [f"{name}.zone.example:{p}" for name in _LEADING for p in (443, port, 3129)]
    return {
        "PINNACE_ISOLATION": "standard",
        "ANTHROPIC_API_KEY": KEY,
        "PINNACE_GATEWAY_NETWORK": world.network,
        "PINNACE_CERTIFICATES": str(world.authority),
        "PINNACE_ALLOW": ",".join(allowed),
    }


@contextmanager
def fresh_place() -> Iterator[Path]:
    """Make a directory that any user reaches."""
    made = Path(tempfile.mkdtemp(prefix="pinnace-test-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


def _host() -> str:
    shown = "--format={{(index .IPAM.Config 0).Gateway}}"
    return docker("network", "inspect", shown, "bridge")


@contextmanager
def _running(found: Scene) -> Iterator[None]:
    """Run both containers."""
    shutil.copy(_PROGRAM, found.launcher.project)
    done = found.launcher.run("shell", text="true")
    assert done.returncode == 0, done.stderr
    # As after a start of the gateway's machine: it reads that file when it starts.
    text = f"dns_nameservers {found.zone.address}\n"
    for name in ("egress", "tunnel"):
        file = found.root / "config" / f"{name}-upstream.conf"
        file.write_text(text, encoding="utf-8")
    docker("kill", found.gateway())
    found.bare = docker(
        *("run", "--detach", "--rm", "--init", "--user=0", f"--network={found.world.network}"),
        *(f"--dns={found.zone.address}", "--add-host=host.docker.internal:host-gateway"),
        *(f"--volume={found.launcher.project}:/w", "--workdir=/w", "--entrypoint="),
        *(f"--env=ANTHROPIC_API_KEY={KEY}", found.image, "sleep", "600"),
    )
    try:
        found.shell = found.launcher.start("shell", stdin=subprocess.PIPE)
        assert found.shell.stdin
        assert found.shell.stdout
        # The gateway that was killed may have given the lease; the next one is to be there.
        there = "until curl -s -o /dev/null http://127.0.0.1:28080/ready; do sleep 0.1; done"
        print(f"{there}; echo ready", file=found.shell.stdin, flush=True)
        assert found.shell.stdout.readline() == "ready\n"
        yield
        found.shell.stdin.close()
        assert found.shell.wait(_PATIENCE_SECONDS) == 0
    finally:
        docker("rm", "--force", found.bare)


@contextmanager
def another_project(network: str, port: int) -> Iterator[Launcher]:
    """Give a launcher of another project, for an API on a port of this machine's loopback."""
    with fresh_place() as place, launching(place, f"http://127.0.0.1:{port}") as launcher:
        launcher.environment |= {
            "PINNACE_ISOLATION": "standard",
            "ANTHROPIC_API_KEY": KEY,
            "PINNACE_GATEWAY_NETWORK": network,
        }
        yield launcher


def connects(address: str, port: int) -> bool:
    """Return whether somebody listens, as seen from this machine."""
    try:
        socket.create_connection((address, port), 2).close()
    except OSError:
        return False
    return True
