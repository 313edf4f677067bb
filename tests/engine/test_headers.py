"""Headers of the user's for hosts that they name: put on outside, and nowhere else."""

from __future__ import annotations

import base64
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace.agent import PLACEHOLDER
from tests.engine.conftest import containers_below, docker
from tests.support import outside
from tests.support.connect_proxy import connect_proxy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Launcher
    from tests.support.outside import Outside

TOKEN: Final = "ghp_canaryCanaryCanary0123456789"  # noqa: S105 (nobody's)
_HEADER: Final = f"{outside.LISTED} Authorization: Bearer ${{GITHUB_TOKEN}}"
_CURL: Final = "curl -sS -m 20 -w '\\n%{http_code} %{http_connect} %{exitcode}\\n'"
_REACHED: Final = "200 200 0"


@pytest.fixture
def given(connected: Launcher) -> Launcher:
    """A launch where one host gets a header."""
    connected.environment |= {"PINNACE_HEADERS": _HEADER, "GITHUB_TOKEN": TOKEN}
    return connected


def _inside(launcher: Launcher, script: str) -> str:
    done = launcher.run("shell", text=f"{script}\ntrue")
    assert done.returncode == 0, done.stderr
    return done.stdout


def _asked(launcher: Launcher, world: Outside, *requests: str) -> list[dict[str, Any]]:
    """Return what servers outside got of requests, each of which reaches one."""
    before = len(world.asked())
    said = _inside(launcher, "\n".join(f"{_CURL} {request}" for request in requests))
    assert [line for line in said.splitlines() if re.fullmatch(r"\d{3} \d{3} \d+", line)] == [
        _REACHED
    ] * len(requests), said
    return world.asked()[before:]


def _shown(asked: dict[str, Any], name: str) -> str | None:
    return {key.lower(): value for key, value in asked["headers"].items()}.get(name)


def test_the_named_host_gets_it_and_what_runs_inside_has_it_nowhere(
    given: Launcher, world: Outside
) -> None:
    (asked,) = _asked(given, world, f"-H 'Authorization: mine' https://{outside.LISTED}/it")
    shown = _inside(
        given,
        "env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n';"
        "cat /run/pinnace/sockets/*.pem; ls -R /run/pinnace",
    )

    assert _shown(asked, "authorization") == f"Bearer {TOKEN}"
    assert _shown(asked, "host") == outside.LISTED
    assert asked["path"] == "/it"
    assert TOKEN not in shown
    assert f"GITHUB_TOKEN={PLACEHOLDER}" in shown
    assert "PRIVATE KEY" not in shown
    described = containers_below(given.place)
    assert described
    assert TOKEN not in docker("inspect", *described)


def test_no_other_host_gets_it(given: Launcher, world: Outside) -> None:
    # The same server, by other names: it tells by the certificate's name, not by an address.
    asked = _asked(
        given,
        world,
        f"-H 'Host: {outside.LISTED}' https://{outside.BELOW}/",
        f"https://{outside.BELOW}/",
    )
    plain = _inside(given, f"curl -sS http://{outside.PLAIN}/")

    assert [_shown(one, "authorization") for one in asked] == [None, None]
    assert TOKEN not in plain


def test_another_host_is_not_named_to_it(given: Launcher, world: Outside) -> None:
    url, other = f"https://{outside.LISTED}/", outside.OTHER
    before = len(world.asked())
    said = _inside(
        given,
        "\n".join(
            f"{_CURL} {request}"
            for request in (
                f"-H 'Host: {other}' {url}",
                f"-H 'Host: {outside.LISTED}' -H 'Host: {other}' {url}",
                f"--request-target 'https://{other}/' {url}",
                f"-H 'X-Forwarded-Host: {other}' {url}",
                f"-H 'X-Original-URL: //{other}' {url}",
                f"-H 'Connection: authorization' {url}",
                f"-H 'authorization : other' {url}",
                f"-H 'Authorization: other' -H 'AUTHORIZATION: others' {url}",
                f"-X TRACE {url}",
                f"-H 'Transfer-Encoding: chunked' -d other {url}",
                f"--http2 {url}",
            )
        ),
    )
    asked = world.asked()[before:]

    assert len(asked) >= len(("chunked", "http2", "forwarded", "original", "twice")), said
    for one in asked:
        assert _shown(one, "host") == outside.LISTED
        assert _shown(one, "authorization") == f"Bearer {TOKEN}"
        assert one["path"] == "/"
        assert other not in str(one)
        assert one["method"] != "TRACE"


def test_another_name_in_the_tunnel_gets_no_further(given: Launcher, world: Outside) -> None:
    before = len(world.asked())
    # The tunnel is to the host with the header; what is said in it is another one.
    said = _inside(
        given,
        "\n".join(
            f"{_CURL} -k --connect-to {name}:443:{outside.LISTED}:443 https://{name}/"
            for name in (outside.BELOW, outside.OTHER)
        ),
    )

    assert "200 200" not in said
    assert world.asked()[before:] == []


def test_the_authority_counts_for_that_host_only_and_is_the_gateways(
    given: Launcher, tmp_path: Path
) -> None:
    pem = _inside(given, "cat /run/pinnace/sockets/extra.pem")
    last = pem[pem.rindex("-----BEGIN CERTIFICATE") :]
    told = subprocess.run(
        ("openssl", "x509", "-noout", "-text"),
        input=last,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "CA:TRUE, pathlen:0" in told
    permitted = told[told.index("Name Constraints: critical") :]
    assert re.findall(r"DNS:(\S+)", permitted) == [outside.LISTED]
    assert "IP:0.0.0.0/0.0.0.0" in permitted
    system = tmp_path / "system.pem"
    system.write_text(last)
    trusted = _inside(given, "cat /etc/ssl/certs/ca-certificates.crt")
    assert last.strip() not in trusted


def test_programs_trust_it(given: Launcher, world: Outside) -> None:
    before = len(world.asked())
    said = _inside(
        given,
        'python3 -c "import urllib.request as u; '
        f"print(u.urlopen('https://{outside.LISTED}/python').status)\"\n"
        f"git ls-remote https://{outside.LISTED}/git 2>&1",
    )
    asked = {one["path"].partition("?")[0]: one for one in world.asked()[before:]}

    assert {"/python", "/git/info/refs"} <= set(asked), said
    assert {_shown(one, "authorization") for one in asked.values()} == {f"Bearer {TOKEN}"}


def test_after_a_start_anew_what_runs_trusts_it_still(given: Launcher, world: Outside) -> None:
    script = (
        f"curl -sS -o /dev/null https://{outside.LISTED}/before; cp /run/pinnace/sockets/all.pem "
        "~/read; echo ready; read -r; curl -sS -o /dev/null --retry 30 --retry-all-errors "
        f"--retry-delay 1 --cacert ~/read https://{outside.LISTED}/after; echo $?"
    )
    child = given.start("shell", stdin=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{script}\n")
    child.stdin.flush()
    assert child.stdout.readline() == "ready\n"
    label = f"--filter=label=pinnace.run.gateway={given.project}"
    docker("kill", *docker("ps", "-q", label).split())
    child.stdin.write("\n")
    child.stdin.close()

    assert child.stdout.read() == "0\n"
    assert [one["path"] for one in world.asked()][-1] == "/after"


def test_a_name_and_a_password_are_encoded_and_come_from_secrets(
    connected: Launcher, world: Outside, tmp_path: Path
) -> None:
    file = tmp_path / "secrets"
    file.write_text(f"GITHUB_TOKEN={TOKEN}\n", encoding="utf-8")
    file.chmod(0o600)
    connected.environment |= {
        "PINNACE_HEADERS": f"{outside.LISTED} Authorization: Basic me:${{GITHUB_TOKEN}}",
        "PINNACE_SECRETS": str(file),
    }
    (asked,) = _asked(connected, world, f"https://{outside.LISTED}/")
    inside = _inside(connected, "env; ls /run/pinnace/secrets 2>&1; echo $GITHUB_TOKEN")

    encoded = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    assert _shown(asked, "authorization") == f"Basic {encoded}"
    assert TOKEN not in inside


def test_a_companys_proxy_carries_it(given: Launcher, world: Outside) -> None:
    with connect_proxy("user:word", world.address) as proxy:
        given.environment["HTTPS_PROXY"] = f"http://user:word@127.0.0.1:{proxy.port}"
        (asked,) = _asked(given, world, f"https://{outside.LISTED}/")

    assert _shown(asked, "authorization") == f"Bearer {TOKEN}"
    assert f"{outside.LISTED}:443" in proxy.asked


def test_it_is_refused_where_it_makes_no_sense(given: Launcher) -> None:
    del given.environment["GITHUB_TOKEN"]
    missing = given.run("-p", "hi")
    (given.project / "pinnace.toml").write_text(f"[network]\nheaders = ['{_HEADER}']\n")
    of_project = given.run("-p", "hi")

    assert missing.returncode == 64
    assert "GITHUB_TOKEN, for listed.example, is not set" in missing.stderr
    assert of_project.returncode == 78
    assert "network.headers" in of_project.stderr
