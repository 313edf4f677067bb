"""Claude without a network and without keys, in real containers, through a real gateway."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import pytest

from pinnace_images import contract
from tests.engine.conftest import KEY, await_beats, docker
from tests.support import outside
from tests.support.connect_proxy import connect_proxy
from tests.support.messages_api import Text, ToolUse

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi
    from tests.support.outside import Outside

pytestmark = pytest.mark.promise()
_PATIENCE_SECONDS: Final = 60


def _inside(launcher: Launcher, script: str) -> str:
    done = launcher.run("shell", text=script)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _asked(launcher: Launcher, *urls: str, options: str = "") -> list[str]:
    """Return what curl is told inside: the status, or that of a tunnel and its own exit code."""
    ask = "curl -s -m 20 -o /dev/null -w '%{http_code} %{http_connect} %{exitcode}\\n'"
    return _inside(
        launcher, "\n".join(f"{ask} {options} {url}" for url in urls) + "\ntrue"
    ).splitlines()


@pytest.mark.promise(each=True)
def test_claude_answers_and_has_neither_a_network_nor_a_key(
    isolated: Launcher, api: MessagesApi
) -> None:
    script = (
        "ls /sys/class/net; cat /etc/resolv.conf; env; cat /proc/[0-9]*/environ | tr '\\0' '\\n'"
    )
    api.reply_with(ToolUse("Bash", {"command": script}), Text("done"))
    done = isolated.run("--dangerously-skip-permissions", "-p", "look")

    assert done.stdout == "done\n", done.stderr
    result = json.dumps(api.requests[-1]["messages"])
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:28080" in result
    assert "eth0" not in result
    assert KEY not in result
    sent = [{name.lower(): value for name, value in one.items()} for one in api.headers]
    assert {one.get("x-api-key") for one in sent} == {KEY}
    assert not [one for one in sent if "x-pinnace-launch" in one]


def test_the_key_is_nowhere_that_others_can_look(isolated: Launcher) -> None:
    assert isolated.run("-p", "hi").returncode == 0
    own = isolated.project.parent
    containers = [*_gateways(isolated)]
    described = docker("inspect", *containers)
    arguments = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True)
    holding = [path for path in own.rglob("*") if path.is_file() and _holds(path)]

    assert containers
    assert KEY not in described + arguments.stdout
    # The one place: what the gateway reads, in a directory that is closed to all others.
    assert [path.name for path in holding] == ["haproxy.cfg"]
    closed = next(p for p in holding[0].parents if p.name == "gateway")
    assert closed.stat().st_mode & 0o077 == 0


def _holds(path: Path) -> bool:
    return KEY.encode() in path.read_bytes()


def _gateways(launcher: Launcher) -> list[str]:
    label = f"--filter=label={contract.LABEL_RUN_GATEWAY}={launcher.project}"
    return docker("ps", "-q", label).split()


def test_a_token_and_headers_are_put_on_outside(isolated: Launcher, api: MessagesApi) -> None:
    del isolated.environment["ANTHROPIC_API_KEY"]
    isolated.environment |= {
        "ANTHROPIC_AUTH_TOKEN": "canary-token",
        "ANTHROPIC_CUSTOM_HEADERS": "X-Team: 100 % canary",
    }
    assert isolated.run("-p", "hi").returncode == 0
    sent = [{name.lower(): value for name, value in one.items()} for one in api.headers]

    assert {one.get("authorization") for one in sent} == {"Bearer canary-token"}
    assert {one.get("x-team") for one in sent} == {"100 % canary"}
    assert "canary" not in _inside(isolated, "env; cat /proc/[0-9]*/environ")


def test_a_key_in_a_file_of_secrets_stays_outside_and_others_go_in(
    isolated: Launcher, api: MessagesApi, tmp_path: Path
) -> None:
    del isolated.environment["ANTHROPIC_API_KEY"]
    file = tmp_path / "secrets"
    file.write_text(f"ANTHROPIC_API_KEY={KEY}\nOTHER=for inside\n", encoding="utf-8")
    file.chmod(0o600)
    isolated.environment["PINNACE_SECRETS"] = str(file)
    shown = _inside(isolated, "echo $OTHER; env; ls /run/pinnace/secrets")
    assert isolated.run("-p", "hi").returncode == 0

    assert "for inside" in shown
    assert KEY not in shown
    assert "ANTHROPIC_API_KEY" not in shown.rpartition("\n\n")[2].splitlines()[-1:]
    assert {k: v for k, v in api.headers[-1].items() if k.lower() == "x-api-key"} != {}


def test_the_list_and_nothing_else_is_reached(connected: Launcher, world: Outside) -> None:
    allowed = _asked(
        connected,
        f"https://{outside.LISTED}/",
        f"https://{outside.BELOW}/",
        f"http://{outside.PLAIN}/",
    )
    refused = _asked(
        connected,
        f"https://{outside.OTHER}/",
        "https://below.example/",
        f"http://{outside.LISTED}/",
        f"-p http://{outside.PLAIN}/",
        f"https://{world.address}/",
        f"http://{world.address}/",
        "https://api.anthropic.com/",
        "http://127.0.0.1:3129/ --noproxy ''",
    )

    assert allowed == ["200 200 0", "200 200 0", "200 000 0"]
    assert [line for line in refused if line not in {"000 403 56", "403 000 0"}] == []


def test_without_the_proxy_there_is_nothing(connected: Launcher, world: Outside) -> None:
    found = _asked(
        connected,
        f"https://{outside.LISTED}/",
        f"https://{world.address}/",
        "http://172.17.0.1/",
        "http://host.docker.internal/",
        "'http://[fd00::1]/'",
        options="--noproxy '*'",
    )

    assert {line.split()[0] for line in found} == {"000"}


def test_another_name_inside_a_tunnel_is_cut(connected: Launcher, world: Outside) -> None:
    before = len(world.asked())
    name, other = outside.LISTED, outside.OTHER
    found = _asked(connected, f"https://{other}/", options=f"--connect-to {other}:443:{name}:443")

    assert found == ["000 200 35"]
    assert len(world.asked()) == before


def test_who_asked_for_what_is_in_the_log(connected: Launcher) -> None:
    _asked(connected, f"https://{outside.OTHER}/", f"https://{outside.LISTED}/")
    lines = [line.split() for line in _log(connected).splitlines()]
    seen = {(line[3], line[4], line[5]) for line in lines}
    account = base64.b64decode(unquote(lines[0][1]).removeprefix("Basic "))

    assert {(outside.OTHER, "443", "403"), (outside.LISTED, "443", "200")} <= seen
    assert account.startswith(b"pinnace-project-")


def _log(launcher: Launcher) -> str:
    state = Path(launcher.environment["HOME"]) / ".local" / "state" / "pinnace" / "network"
    return "".join(path.read_text() for path in state.glob("*/egress.log"))


def test_programs_find_the_way_by_themselves(connected: Launcher, world: Outside) -> None:
    script = f"""
    git ls-remote https://{outside.LISTED}/x.git </dev/null
    git ls-remote https://{outside.OTHER}/x.git </dev/null 2>&1
    python3 -c 'import urllib.request as u; u.urlopen("https://{outside.LISTED}/python")'
    ssh -o BatchMode=yes {outside.OTHER} </dev/null 2>&1
    true
    """
    found = _inside(connected, script)
    paths = [str(one["path"]) for one in world.asked()]

    assert any(path.startswith("/x.git/info/refs") for path in paths)
    assert "/python" in paths
    assert "response 403" in found
    assert f"{outside.OTHER}:22: Forbidden" in found


def test_launches_share_a_gateway_and_find_it_without_the_engine(isolated: Launcher) -> None:
    first = isolated.run("-p", "hi")
    (gateway,) = _gateways(isolated)
    children = [isolated.start("-p", "hi") for _ in range(5)]
    assert [child.wait(_PATIENCE_SECONDS) for child in children] == [0] * 5, first.stderr

    assert _gateways(isolated) == [gateway]


def test_many_launches_at_once_start_one(isolated: Launcher) -> None:
    children = [isolated.start("-p", "hi") for _ in range(6)]

    assert [child.wait(_PATIENCE_SECONDS * 2) for child in children] == [0] * 6
    assert len(_gateways(isolated)) == 1


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_killed_gateway_comes_back_while_claude_runs(isolated: Launcher, how: str) -> None:
    shell = isolated.start("shell", stdin=subprocess.PIPE)
    assert shell.stdin
    assert shell.stdout
    ask = "curl -s -m 5 -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:28080/v1/models"
    print(ask, file=shell.stdin, flush=True)
    first = shell.stdout.readline()
    (gateway,) = _gateways(isolated)
    (root,) = Path(isolated.environment["HOME"]).glob(".local/state/pinnace/gateway/*/")
    (root / "config" / "idle").write_text("4\n")
    docker(how, gateway)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    codes = []
    while time.monotonic() < deadline:
        print(ask, file=shell.stdin, flush=True)
        codes.append(shell.stdout.readline().strip())
        if codes[-1] == first.strip():
            break
        time.sleep(0.2)
    # The new one stays for who was there before it, also beyond the time that it waits for others.
    await_beats(isolated)
    print(ask, file=shell.stdin, flush=True)
    codes.append(shell.stdout.readline().strip())
    shell.stdin.close()
    assert shell.wait(_PATIENCE_SECONDS) == 0

    assert first.strip() != "000"
    assert codes[-1] == first.strip()
    assert _gateways(isolated) != [gateway]


def test_a_gateway_that_cannot_start_ends_the_launch(isolated: Launcher) -> None:
    isolated.environment["PINNACE_GATEWAY_NETWORK"] = "pinnace-test-nowhere"
    done = isolated.run("-p", "hi")

    assert done.returncode == 69, done.stderr
    assert "pinnace-test-nowhere" in done.stderr
    assert _gateways(isolated) == []


def test_a_dry_run_starts_nothing(isolated: Launcher) -> None:
    done = isolated.run("run", "--dry-run", "-p", "hi")

    assert done.returncode == 0, done.stderr
    assert "--network=none" in done.stdout
    assert "start a gateway" in done.stderr
    assert KEY not in done.stdout
    assert _gateways(isolated) == []


def test_what_a_repository_says_about_the_api_leads_nowhere(
    isolated: Launcher, world: Outside
) -> None:
    settings = isolated.project / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": f"http://{world.address}"}}))
    isolated.environment["PINNACE_GATEWAY_NETWORK"] = world.network
    before = len(world.asked())
    done = isolated.run("-p", "hi")

    assert (done.returncode, done.stdout) == (0, "Hello from the stand-in\n"), done.stderr
    assert len(world.asked()) == before


def test_the_gateway_ends_when_nobody_uses_it(isolated: Launcher) -> None:
    assert isolated.run("-p", "hi").returncode == 0
    (gateway,) = _gateways(isolated)
    (root,) = Path(isolated.environment["HOME"]).glob(".local/state/pinnace/gateway/*/")
    # As after two minutes: it reads that number when it starts.
    (root / "config" / "idle").write_text("2\n")
    docker("kill", gateway)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while root.exists() and time.monotonic() < deadline:
        time.sleep(0.2)

    assert not root.exists()
    assert _gateways(isolated) == []


def test_a_keeper_that_is_told_to_end_takes_the_gateway_along(isolated: Launcher) -> None:
    assert isolated.run("-p", "hi").returncode == 0
    (root,) = Path(isolated.environment["HOME"]).glob(".local/state/pinnace/gateway/*/")
    found = subprocess.run(["pgrep", "-f", f"keeper {root}"], check=True, capture_output=True)
    os.kill(int(found.stdout.split()[0]), signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while root.exists() and time.monotonic() < deadline:
        time.sleep(0.2)

    assert not root.exists()
    assert _gateways(isolated) == []


def test_a_decision_counts_at_once_and_its_refusals_are_told(connected: Launcher) -> None:
    shell = connected.start("shell", stdin=subprocess.PIPE)
    assert shell.stdin
    assert shell.stdout
    ask = f"curl -s -o /dev/null -w '%{{http_connect}}\\n' https://{outside.OTHER}/"
    answers = []
    for verb in ("", "allow", "deny"):
        if verb:
            assert connected.run("network", verb, outside.OTHER).returncode == 0
            # Squid keeps an answer for a second.
            time.sleep(2.1)
        print(ask, file=shell.stdin, flush=True)
        answers.append(shell.stdout.readline().strip())
    _, said = shell.communicate(timeout=_PATIENCE_SECONDS)
    logged = connected.run("network", "log", "--refused")

    assert answers == ["403", "200", "403"]
    assert f"refused 2 requests, to {outside.OTHER}" in said
    assert logged.stdout.count(f"{outside.OTHER}:443") == 2


def test_a_service_of_this_machine_is_reached_by_its_port(
    isolated: Launcher, api: MessagesApi
) -> None:
    isolated.environment["PINNACE_SERVICES"] = f"9123:{api.port}"
    found = _asked(isolated, "http://127.0.0.1:9123/v1/models", "http://127.0.0.1:9124/")

    assert found[0].split()[0] != "000"
    assert found[1].split()[0] == "000"


def test_a_port_inside_is_opened_here(isolated: Launcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    isolated.environment["PINNACE_PORTS"] = f"{port}:3000"
    shell = isolated.start("shell", stdin=subprocess.PIPE)
    assert shell.stdin
    assert shell.stdout
    serve = (
        "cd /tmp; echo hello >index.html; python3 -m http.server -b 127.0.0.1 3000 2>/dev/null &"
    )
    there = "until curl -s -o index --noproxy '*' http://127.0.0.1:3000/; do sleep 0.1; done"
    print(f"{serve}\n{there}; echo up", file=shell.stdin, flush=True)
    assert shell.stdout.readline() == "up\n"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html", timeout=30) as answer:
        assert answer.read() == b"hello\n"
    taken = isolated.run("port", f"{port}:3000")
    shell.stdin.close()
    assert shell.wait(_PATIENCE_SECONDS) == 0

    assert taken.returncode == 69, taken.stderr
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_port_is_opened_while_a_launch_runs(isolated: Launcher) -> None:
    shell = isolated.start("shell", stdin=subprocess.PIPE)
    assert shell.stdin
    assert shell.stdout
    serve = "socat TCP-LISTEN:3000,bind=127.0.0.1,fork PIPE &"
    print(f"{serve}\nsleep 0.5; echo up", file=shell.stdin, flush=True)
    assert shell.stdout.readline() == "up\n"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    opened = isolated.start("port", f"{port}:3000")
    assert opened.stdout
    assert opened.stdout.readline() == f"http://127.0.0.1:{port}\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"there and back")
        assert connection.recv(100) == b"there and back"
    opened.send_signal(signal.SIGINT)

    assert opened.wait(_PATIENCE_SECONDS) in {0, 130}


def test_the_gateway_goes_through_the_proxy_of_this_machine(
    isolated: Launcher, world: Outside
) -> None:
    with connect_proxy("user:pass@%word", world.address) as proxy:
        isolated.environment |= {
            "HTTPS_PROXY": f"http://user:pass%40%25word@127.0.0.1:{proxy.port}",
            "PINNACE_CERTIFICATES": str(world.authority),
            "PINNACE_ALLOW": outside.LISTED,
            "ANTHROPIC_BASE_URL": f"https://{outside.BELOW}",
        }
        found = _asked(isolated, f"https://{outside.LISTED}/", f"https://{outside.OTHER}/")
        shown = _inside(
            isolated,
            "env; curl -s -H 'x-api-key: mine' http://127.0.0.1:28080/v1/models",
        )

    assert found == ["200 200 0", "000 403 56"]
    assert set(proxy.asked) == {f"{outside.LISTED}:443", f"{outside.BELOW}:443"}
    assert proxy.refused == []
    assert "word" not in shown
    arrived = [one for one in world.asked() if one["path"] == "/v1/models"]
    assert {k.lower(): v for k, v in arrived[-1]["headers"].items()}["x-api-key"] == KEY


def test_locked_reaches_the_api_alone_and_changes_no_file(connected: Launcher) -> None:
    connected.environment["PINNACE_ISOLATION"] = "locked"
    assert connected.run("network", "allow", outside.OTHER).returncode == 0
    (connected.project / "there").touch()
    found = _asked(connected, f"https://{outside.LISTED}/", f"https://{outside.OTHER}/")
    shown = _inside(connected, "touch x; rm there; touch ~/y /tmp/z && echo memory")
    done = connected.run("-p", "hi")

    assert found == ["000 403 56"] * 2
    assert shown == "memory\n"
    assert sorted(p.name for p in connected.project.iterdir()) == [".claude-version", "there"]
    assert done.stdout == "Hello from the stand-in\n", done.stderr


def test_a_group_is_what_the_images_clients_load_from(isolated: Launcher) -> None:
    isolated.environment["PINNACE_ALLOW"] = "pip"
    assert _inside(isolated, "true") == ""
    shown = isolated.run("network", "show", "--json")
    asked = "from pip._internal.models.index import PyPI; print(PyPI.file_storage_domain)"
    name = _inside(isolated, f"python3 -c '{asked}'").strip()
    rows = json.loads(shown.stdout)["result"]["rules"]

    assert name in {row["destination"] for row in rows}
    assert isolated.run("network", "allow", "pip", "--for", "1h").returncode == 0
    assert isolated.run("network", "allow", "cargo").returncode == 64


def test_the_levels_are_told(isolated: Launcher) -> None:
    listed = isolated.run("isolation", "list")
    shown = isolated.run("isolation", "show", "--json")

    assert [line.split()[:2] for line in listed.stdout.splitlines()][1] == ["*", "standard"]
    assert json.loads(shown.stdout)["result"]["level"] == "standard"
