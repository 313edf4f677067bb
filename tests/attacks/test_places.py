"""Where a key could lie, and who else could come near: seen from outside, and from others."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.attacks.conftest import another_project, connects
from tests.engine.conftest import KEY, docker
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.attacks.conftest import Scene

pytestmark = pytest.mark.xdist_group("attacks on keys")
_PORT: Final = 9000
_CODE: Final = "curl -s -m 20 -o /dev/null -w '%{http_code}\\n'"
_FLOOD: Final = """
import resource, socket, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
made = []
in_vain = 0
end = time.monotonic() + int(sys.argv[3])
while len(made) < int(sys.argv[2]) and in_vain < 100 and time.monotonic() < end:
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(1)
    try:
        one.connect(sys.argv[1])
        made.append(one)
        in_vain = 0
    except OSError:
        # None of those that wait is taken just now: perhaps none ever is.
        in_vain += 1
        time.sleep(0.1)
print(len(made), flush=True)
sys.stdin.read()
"""


def _inspected(_: Scene, container: str) -> str:
    return docker("inspect", container)


def _environ(_: Scene, container: str) -> str:
    number = docker("inspect", "--format={{.State.Pid}}", container)
    return Path(f"/proc/{number}/environ").read_text()


def _arguments(_: Scene, container: str) -> str:
    return docker("top", container, "-eo", "pid,args")


def _logged(_: Scene, container: str) -> str:
    return docker("logs", container)


def _variables(_: Scene, container: str) -> str:
    return docker("exec", container, "env")


_PLACES: Final[dict[str, tuple[Callable[[Scene, str], str], bool]]] = {
    "what the engine knows": (_inspected, True),
    "the first process's environment": (_environ, True),
    "what the engine runs inside": (_variables, True),
    "arguments of processes": (_arguments, False),
    "logs": (_logged, False),
}


@pytest.mark.parametrize("place", _PLACES)
def test_a_place_holds_no_key(scene: Scene, place: str) -> None:
    look, bare = _PLACES[place]

    assert KEY not in look(scene, scene.ours())
    assert KEY not in look(scene, scene.gateway())
    assert (KEY in look(scene, scene.bare)) == bare


def test_events_of_the_engine_tell_no_key(scene: Scene) -> None:
    told = docker("events", f"--since={scene.begun}", f"--until={int(time.time()) + 1}")

    assert scene.gateway()[:12] in told
    assert KEY not in told


def test_processes_of_this_machine_have_no_key_in_their_arguments(scene: Scene) -> None:
    assert scene.shell is not None
    done = subprocess.run(["ps", "-ewwo", "args"], check=True, capture_output=True, text=True)

    assert str(scene.root) in done.stdout
    assert KEY not in done.stdout


def test_the_keeper_has_no_key_in_its_environment(scene: Scene) -> None:
    pattern = f"pinnace.gateway.keeper {scene.root}"
    found = subprocess.run(["pgrep", "-f", pattern], check=True, capture_output=True, text=True)
    texts = [Path(f"/proc/{number}/environ").read_text() for number in found.stdout.split()]

    assert [text for text in texts if KEY in text] == []


def test_files_have_no_key_but_the_one_that_the_gateway_reads(scene: Scene) -> None:
    files = [path for path in scene.launcher.place.rglob("*") if path.is_file()]
    holding = [path for path in files if KEY.encode() in path.read_bytes()]

    assert holding == [scene.root / "config" / "haproxy.cfg"]
    assert scene.root.parent.stat().st_mode & 0o077 == 0


def test_nobody_reaches_the_agent(scene: Scene) -> None:
    serve = ("python3", "-m", "http.server", str(_PORT), "--bind=0.0.0.0")
    docker("exec", "--detach", scene.bare, *serve)
    docker("exec", "--detach", scene.ours(), *serve)
    wait_until(lambda: connects(_address(scene.bare), _PORT), "it serves")

    assert _from_another(scene, _address(scene.bare), _PORT)
    assert _address(scene.ours()) == ""


def test_another_container_does_not_reach_the_gateway(scene: Scene) -> None:
    address = _address(scene.gateway())

    assert address
    assert [port for port in (3128, 3129, 8080) if _from_another(scene, address, port)] == []


def _address(container: str) -> str:
    shown = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return docker("inspect", f"--format={shown}", container)


def _from_another(scene: Scene, address: str, port: int) -> bool:
    script = f"import socket; socket.create_connection(({address!r}, {port}), 2)"
    command = ["docker", "exec", scene.zone.container, "python3", "-c", script]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize(("name", "number"), [("egress", 2000), ("api", 2000), ("lease", 1100)])
def test_many_connections_harm_nobody_else(scene: Scene, name: str, number: int) -> None:
    """While one launch holds them, one of another project has its own; afterwards all is well."""
    ask = f"{_CODE} http://127.0.0.1:28080/v1/models"
    flood, opened = _flood(scene, name, number, seconds=20)
    with another_project(scene.world.network, scene.recorder.port) as other:
        meanwhile = other.run("shell", text=ask)
    _end(flood)
    afterwards = scene.launcher.run("shell", text=ask)

    assert opened > number / 4
    assert meanwhile.stdout == "200\n", meanwhile.stderr
    assert afterwards.stdout == "200\n", afterwards.stderr


def test_who_takes_all_leases_keeps_no_launch_of_its_project_from_starting(scene: Scene) -> None:
    flood, opened = _flood(scene, "lease", 2000, seconds=200)
    meanwhile = scene.launcher.run("run", "--", "--version")
    _end(flood)

    assert 500 < opened < 2000
    assert meanwhile.returncode == 0, meanwhile.stderr


def _flood(
    scene: Scene, name: str, number: int, *, seconds: int
) -> tuple[subprocess.Popen[str], int]:
    """Open connections to one of the gateway's sockets, to be held; return how many there are."""
    (scene.launcher.project / "flood.py").write_text(_FLOOD)
    flood = scene.launcher.start("shell", stdin=subprocess.PIPE)
    assert flood.stdin
    assert flood.stdout
    place = f"/run/pinnace/sockets/{name}.sock"
    print(f"exec python3 flood.py {place} {number} {seconds}", file=flood.stdin, flush=True)
    return flood, int(flood.stdout.readline())


def _end(flood: subprocess.Popen[str]) -> None:
    assert flood.stdin
    flood.stdin.close()
    flood.wait(60)


def test_who_kills_its_relays_is_alone_without_a_network(scene: Scene) -> None:
    ask = f"{_CODE} http://127.0.0.1:28080/v1/models"
    with another_project(scene.world.network, scene.recorder.port) as own:
        killed = own.run("shell", text=f"{ask}; pkill socat; {ask}; true")
        # Another container: a shell joins one that runs.
        afterwards = own.run("shell", text=ask)
    elsewhere = scene.launcher.run("shell", text=ask)

    assert killed.stdout.split() == ["200", "000"]
    assert afterwards.stdout == "200\n", afterwards.stderr
    assert elsewhere.stdout == "200\n", elsewhere.stderr
