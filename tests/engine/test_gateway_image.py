"""The gateway's image, built by the real command on the real engine."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from pinnace_images import contract
from tests.engine.conftest import docker

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher

_COMMAND: Final = [sys.executable, "-m", "pinnace_builder", "gateway", "--json"]
# As launches run it, and as somebody whom the image does not know.
_ALONE: Final = (
    *("run", "--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
    *("--network=none", "--user=54321:65000", "--tmpfs=/tmp", "--tmpfs=/run/squid"),
)


def _built() -> dict[str, Any]:
    done = subprocess.run(_COMMAND, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)["result"]
    return result


def test_it_is_built_once_and_is_none_of_the_clis() -> None:
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: _built(), range(2))
    labels = json.loads(docker("image", "inspect", "--format={{json .Config.Labels}}", first["id"]))

    assert first["id"] == second["id"] == _built()["id"]
    assert not (first["built"] and second["built"])
    assert first["tags"][1] == contract.GATEWAY_NAME
    assert labels[contract.LABEL_GATEWAY] == str(contract.GATEWAY_VERSION)
    assert labels[contract.LABEL_BUILD_ID] == first["build_id"]
    assert contract.LABEL_CONTRACT not in labels
    assert contract.LABEL_VERSION not in labels


def test_it_has_what_a_gateway_needs_and_runs_without_any_right() -> None:
    script = """
    set -e
    printf 'http_port 127.0.0.1:3128\\npid_filename none\\n' >/tmp/squid.conf
    squid -k parse -f /tmp/squid.conf 2>/dev/null
    printf 'frontend f\\n mode tcp\\n bind unix@/tmp/f.sock\\n timeout client 1s\\n' >/tmp/f.cfg
    haproxy -c -f /tmp/f.cfg >/dev/null 2>&1
    find / -xdev -perm /6000 -type f 2>/dev/null || true
    find / -xdev -perm -o=w ! -type l ! -path '/proc/*' ! -path '/dev/*' 2>/dev/null || true
    """
    found = docker(*_ALONE, _built()["id"], "bash", "-c", script).splitlines()
    declared = {contract.GATEWAY_SOCKETS, contract.GATEWAY_LOGS}

    assert {path for path in found if "tmp" not in path} == declared | {"/run/lock"}


def test_the_launcher_does_not_take_it_for_claudes(launcher: Launcher) -> None:
    found = _built()
    done = launcher.run("images", "--json")

    assert found["id"] not in done.stdout
    assert contract.GATEWAY_REPOSITORY not in done.stdout
