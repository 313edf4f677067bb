"""Launches on an engine in a virtual machine: no socket of this machine crosses into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace_images import contract
from tests.engine.conftest import KEY, docker
from tests.support.messages_api import Text, ToolUse
from tests.support.recorder import MARK, Recorder
from tests.support.virtual_machine import virtual_machine
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi


@pytest.fixture
def virtual(isolated: Launcher, api: MessagesApi) -> Iterator[Launcher]:
    """`pinnace` with such an engine; services of this machine are on its loopback."""
    with virtual_machine() as endpoint:
        isolated.environment |= {
            "DOCKER_HOST": endpoint,
            "ANTHROPIC_BASE_URL": api.url_for("localhost"),
        }
        yield isolated
        isolated.end()


def _gateways(launcher: Launcher) -> list[str]:
    label = f"--filter=label={contract.LABEL_RUN_GATEWAY}={launcher.project}"
    return docker("ps", "-q", label).split()


def _volumes(launcher: Launcher) -> list[str]:
    (root,) = Path(launcher.environment["HOME"]).glob(".local/state/pinnace/gateway/*/")
    return docker("volume", "ls", "-q", f"--filter=name=pinnace-gateway-{root.name}").split()


def test_claude_answers_through_a_volume_and_has_no_key(
    virtual: Launcher, api: MessagesApi
) -> None:
    look = "env; ls /sys/class/net; touch /run/pinnace/sockets/x"
    api.reply_with(ToolUse("Bash", {"command": look}), Text("done"))
    done = virtual.run("--dangerously-skip-permissions", "-p", "look")

    assert done.stdout == "done\n", done.stderr
    result = json.dumps(api.requests[-1]["messages"])
    assert KEY not in result
    assert "eth0" not in result
    assert "Read-only file system" in result
    assert {one.get("x-api-key") for one in api.headers if "x-api-key" in one} == {KEY}
    (gateway,) = _gateways(virtual)
    mounts = json.loads(docker("inspect", "--format={{json .Mounts}}", gateway))
    assert {m["Destination"]: m["Type"] for m in mounts}[contract.GATEWAY_SOCKETS] == "volume"

    again = virtual.run("-p", "hi")
    assert again.returncode == 0, again.stderr
    assert _gateways(virtual) == [gateway]


def test_services_and_names_are_reached_as_the_user_says(virtual: Launcher) -> None:
    ask = "curl -s -o /dev/null -w '%{http_code} %{http_connect}\\n' https://a.example"
    with Recorder() as service:
        script = f"curl -s http://127.0.0.1:{service.port}; echo; {ask}"
        virtual.environment["PINNACE_SERVICES"] = str(service.port)
        done = virtual.run("shell", text=script)
        assert done.stdout.splitlines() == [MARK, "000 403"], done.stderr
    assert virtual.run("network", "allow", "a.example").returncode == 0
    # What the gateway goes by from the next question on; no name server is asked here.
    (gateway,) = _gateways(virtual)
    read = docker("exec", gateway, "cat", f"{contract.GATEWAY_CONFIG}/allow")
    assert "a.example 443 0" in read.splitlines()


def test_a_killed_gateway_comes_back_and_an_idle_one_leaves_nothing(virtual: Launcher) -> None:
    assert virtual.run("-p", "hi").returncode == 0
    (gateway,) = _gateways(virtual)
    (volume,) = _volumes(virtual)
    (root,) = Path(virtual.environment["HOME"]).glob(".local/state/pinnace/gateway/*/")
    # As after two minutes: it reads that number when it starts.
    (root / "config" / "idle").write_text("4\n")
    docker("kill", gateway)

    wait_until(lambda: _gateways(virtual) not in ([], [gateway]), "it is started again")
    wait_until(lambda: not root.exists(), "it ends")
    assert _gateways(virtual) == []
    assert volume not in docker("volume", "ls", "-q").split()
    assert virtual.run("-p", "hi").returncode == 0
