"""Logins that are kept outside: real containers, the real CLI, a stand-in for the login service."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.engine.conftest import containers_below, docker
from tests.support.at_terminal import at_terminal
from tests.support.login_service import login_service
from tests.support.messages_api import Text, ToolUse
from tests.support.own_projects import config_of, shared_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher
    from tests.support.login_service import LoginService
    from tests.support.messages_api import MessagesApi

_FIRST: Final = "canary-access-first"
_RENEWING: Final = "canary-renewing-first"
_HOUR_SECONDS: Final = 3600


def _login(left: float, token: str = _FIRST, renewing: str | None = _RENEWING) -> dict[str, Any]:
    return {
        "accessToken": token,
        "refreshToken": renewing,
        "expiresAt": int((time.time() + left) * 1000),
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    }


def _kept(launcher: Launcher) -> Path:
    return Path(launcher.environment["HOME"]) / ".local/state/pinnace/logins/default.json"


def _put(path: Path, login: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"claudeAiOauth": login}), encoding="utf-8")
    path.chmod(0o600)


def _sent(api: MessagesApi) -> list[str]:
    return [one["authorization"] for one in api.headers if "authorization" in one]


def _inside(launcher: Launcher, script: str) -> str:
    done = launcher.run("shell", text=script)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LoginService]:
    with login_service(tmp_path / "service", _RENEWING) as made:
        yield made


@pytest.fixture
def member(isolated: Launcher, service: LoginService) -> Launcher:
    """`pinnace` without a key, where the login service is reached."""
    del isolated.environment["ANTHROPIC_API_KEY"]
    isolated.environment |= {
        "HTTPS_PROXY": service.proxy,
        "NO_PROXY": "localhost",
        "PINNACE_CERTIFICATES": str(service.certificate),
    }
    return isolated


def test_a_login_of_a_profile_is_moved_out_and_counts(member: Launcher, api: MessagesApi) -> None:
    _put(shared_of(member) / ".credentials.json", _login(_HOUR_SECONDS))
    done = member.run("-p", "hi")
    again = member.run("-p", "hi")
    left = json.loads((config_of(member) / ".credentials.json").read_text())["claudeAiOauth"]
    kept = json.loads(_kept(member).read_text())["claudeAiOauth"]

    assert (done.returncode, done.stdout) == (0, "Hello from the stand-in\n"), done.stderr
    assert "counts for all projects from now on" in done.stderr
    assert again.returncode == 0, again.stderr
    assert "login" not in again.stderr
    assert set(_sent(api)) == {f"Bearer {_FIRST}"}
    assert (kept["accessToken"], kept["refreshToken"]) == (_FIRST, _RENEWING)
    assert _kept(member).stat().st_mode & 0o777 == 0o600
    assert _kept(member).parent.stat().st_mode & 0o777 == 0o700
    assert "canary" not in json.dumps(left)
    assert left["subscriptionType"] == "max"


@pytest.mark.parametrize("level", ["standard", "locked", "open"])
def test_no_token_is_where_an_agent_looks(member: Launcher, api: MessagesApi, level: str) -> None:
    member.environment["PINNACE_ISOLATION"] = level
    _put(_kept(member), _login(_HOUR_SECONDS))
    script = (
        "env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; mount; "
        "grep -rs canar[y] / --include='*' --exclude-dir=proc --exclude-dir=sys --exclude-dir=opt"
    )
    api.reply_with(ToolUse("Bash", {"command": script}), Text("done"))
    done = member.run("--allowedTools=Bash", "-p", "look")
    found = json.dumps(api.requests[-1]["messages"][-1])
    described = docker("inspect", *containers_below(member.place))
    arguments = subprocess.run(["ps", "-ewwo", "args"], check=True, capture_output=True, text=True)
    files = [path for path in member.place.rglob("*") if path.is_file()]
    holding = {path.name for path in files if b"canary-" in path.read_bytes()}

    assert done.stdout == "done\n", done.stderr
    assert set(_sent(api)) == {f"Bearer {_FIRST}"}
    assert "canary-" not in found
    assert "canary-" not in described + arguments.stdout
    # What is kept, and what the gateway reads.
    assert holding == {"default.json", "credentials"}


def test_a_login_that_ran_out_is_renewed_before_claude_asks(
    member: Launcher, api: MessagesApi, service: LoginService
) -> None:
    _put(_kept(member), _login(-60))
    done = member.run("-p", "hi")
    kept = json.loads(_kept(member).read_text())["claudeAiOauth"]

    assert done.returncode == 0, done.stderr
    assert set(_sent(api)) == {"Bearer canary-access-1"}
    assert kept["refreshToken"] == service.good
    assert [body["grant_type"] for body in service.bodies] == ["refresh_token"]


def test_a_login_is_made_by_the_real_cli_and_is_not_inside(
    member: Launcher, api: MessagesApi, service: LoginService
) -> None:
    (member.project / "CLAUDE.md").write_text("not for this\n")
    argv = member.argv("auth", "login")
    with at_terminal(argv, member.project, member.environment) as started:
        address = started.wait_for("prompted")
        state = re.findall(r"(?:[?&]state=|[?]z-)([A-Za-z0-9_-]+)", address)[-1]
        started.type(f"{service.code}#{state}\r")
        code, said = started.wait(), started.said
    assert code == 0, said
    kept = json.loads(_kept(member).read_text())["claudeAiOauth"]
    done = member.run("-p", "hi")
    names = {path.name for path in _kept(member).parent.iterdir()}

    assert (kept["accessToken"], kept["refreshToken"]) == ("canary-access-1", "canary-renewing-1")
    assert done.returncode == 0, done.stderr
    assert set(_sent(api)) == {"Bearer canary-access-1"}
    assert "canary-" not in (config_of(member) / ".credentials.json").read_text()
    assert names <= {"default.json", "default.lock"}


def test_many_launches_of_many_projects_renew_once(
    member: Launcher, api: MessagesApi, service: LoginService
) -> None:
    _put(_kept(member), _login(-60))
    children = []
    for number in range(3):
        project = member.place / f"project-{number}"
        project.mkdir()
        (project / ".claude-version").write_bytes((member.project / ".claude-version").read_bytes())
        other = replace(member, project=project, children=member.children)
        children += [other.start("-p", "hi") for _ in range(2)]
    said = [child.communicate(timeout=120)[1] for child in children]

    assert [child.returncode for child in children] == [0] * 6, said
    assert set(_sent(api)) == {"Bearer canary-access-1"}
    assert len(service.bodies) == 1


def test_a_running_launch_has_the_next_token_and_loses_no_answer(
    member: Launcher, api: MessagesApi, service: LoginService
) -> None:
    _put(_kept(member), _login(_HOUR_SECONDS))
    api.reply_with(Text("slow answer", gate=(gate := threading.Event())), Text("next"))
    slow = member.start("-p", "hi")
    wait_until(lambda: api.requests, "the CLI asks the API")
    # As if time had gone by.
    _put(_kept(member), _login(-1))
    wait_until(lambda: service.count, "the login is renewed")
    (shown,) = member.place.rglob("config/credentials")
    wait_until(lambda: b"canary-access-1" in shown.read_bytes(), "the new token is shown")
    ask = "curl -s -o /dev/null -H 'Authorization: x' -d '{}' http://127.0.0.1:28080/v1/renewed"
    shell = _inside(member, f"for _ in $(seq 50); do {ask}; sleep 0.1; done; echo asked")
    gate.set()
    output, said = slow.communicate(timeout=60)

    assert shell == "asked\n"
    assert (slow.returncode, output) == (0, "slow answer\n"), said
    assert _sent(api)[-1] == "Bearer canary-access-1"
    assert len({path.name for path in member.place.glob("**/gateway/*/")}) <= 2


def test_a_refused_login_is_said_and_not_asked_for_again(
    member: Launcher, service: LoginService
) -> None:
    service.good = "another"
    _put(_kept(member), _login(-60))
    first, second = member.run("-p", "hi"), member.run("-p", "hi")
    status = member.run("auth", "status")

    for done in (first, second):
        assert "the login of profile default is over: pinnace auth login" in done.stderr
    assert "it is over" in status.stdout
    assert len(service.bodies) == 1


def test_a_service_that_is_out_of_order_loses_no_login(
    member: Launcher, api: MessagesApi, service: LoginService
) -> None:
    service.status = 503
    _put(_kept(member), _login(-60))
    done = member.run("-p", "hi")
    service.status = 200
    again = member.run("-p", "hi")

    assert "is not renewed: the login service answers 503" in done.stderr
    assert again.returncode == 0, again.stderr
    assert _sent(api)[-1] == "Bearer canary-access-1"


def test_another_login_counts_for_the_very_next_request(member: Launcher, api: MessagesApi) -> None:
    """While the gateway runs, which is asked before Claude itself could have begun."""
    ask = "curl -s -o /dev/null -H 'Authorization: x' -d '{}' http://127.0.0.1:28080/v1/next"
    tokens = [f"canary-access-{number}" for number in range(5)]
    for token in tokens:
        _put(_kept(member), _login(_HOUR_SECONDS, token))
        _inside(member, ask)

    assert _sent(api) == [f"Bearer {token}" for token in tokens]
    assert len({path.name for path in member.place.glob("**/gateway/*/")}) <= 2


def test_what_a_client_sends_does_not_pass(member: Launcher, api: MessagesApi) -> None:
    _put(_kept(member), _login(_HOUR_SECONDS))
    url = "http://127.0.0.1:28080"
    _inside(
        member,
        f"curl -s -d '{{}}' -H 'Authorization: Bearer stranger' {url}/v1/one; "
        f"curl -s -d '{{}}' -H 'X-Api-Key: stranger' {url}/v1/two; "
        f"curl -s -d '{{}}' {url}/v1/three; true",
    )
    sent = [(one.get("authorization"), one.get("x-api-key")) for one in api.headers]

    assert sent == [(f"Bearer {_FIRST}", None), (None, None), (None, None)]


def test_after_a_logout_the_gateway_has_no_token(member: Launcher) -> None:
    _put(_kept(member), _login(_HOUR_SECONDS))
    assert member.run("-p", "hi").returncode == 0
    assert member.run("auth", "logout", "--yes").returncode == 0
    (shown,) = member.place.rglob("config/credentials")
    wait_until(lambda: shown.read_bytes() == b"", "no token is shown")
    files = [path for path in member.place.rglob("*") if path.is_file()]

    assert [path for path in files if b"canary" in path.read_bytes()] == []


def test_a_directory_of_the_users_own_keeps_its_login(member: Launcher, api: MessagesApi) -> None:
    own = Path(member.environment["HOME"]) / "own"
    member.environment["PINNACE_CONFIG_DIR"] = str(own)
    # The gateway is there already when the login comes.
    assert _inside(member, "cat ~/.claude/.credentials.json 2>/dev/null || true") == ""
    _put(own / ".credentials.json", _login(_HOUR_SECONDS))
    seen = _inside(member, "cat ~/.claude/.credentials.json; ! echo x >~/.claude/.credentials.json")
    done = member.run("-p", "hi")
    # What Claude itself leaves there is nothing that waits for approval.
    again = member.run("-p", "hi")

    assert "canary" not in seen
    assert "subscriptionType" in seen
    assert done.returncode == 0, done.stderr
    assert again.returncode == 0, again.stderr
    assert set(_sent(api)) == {f"Bearer {_FIRST}"}
    assert _FIRST in (own / ".credentials.json").read_text()


def test_no_key_uncovers_a_login_in_a_directory_of_the_users_own(isolated: Launcher) -> None:
    own = Path(isolated.environment["HOME"]) / "own"
    _put(own / ".credentials.json", _login(_HOUR_SECONDS))
    isolated.environment["PINNACE_CONFIG_DIR"] = str(own)

    assert isolated.environment["ANTHROPIC_API_KEY"]
    assert _inside(isolated, "cat ~/.claude/.credentials.json") == "{}"


def test_a_renewal_uncovers_nothing(member: Launcher, service: LoginService) -> None:
    own = Path(member.environment["HOME"]) / "own"
    _put(own / ".credentials.json", _login(_HOUR_SECONDS))
    member.environment["PINNACE_CONFIG_DIR"] = str(own)
    shell = member.start("shell", stdin=subprocess.PIPE)
    assert shell.stdin
    assert shell.stdout
    print("echo ready", file=shell.stdin, flush=True)
    assert shell.stdout.readline() == "ready\n"
    # As if time had gone by.
    with (own / ".credentials.json").open("r+") as stream:
        json.dump({"claudeAiOauth": _login(-1)}, stream)
        stream.truncate()
    wait_until(
        lambda: "canary-access-1" in (own / ".credentials.json").read_text(), "the login is renewed"
    )
    seen, _ = shell.communicate("cat ~/.claude/.credentials.json\n", timeout=60)

    assert service.count == 1
    assert "subscriptionType" in seen
    assert "canary" not in seen


def test_a_key_comes_from_the_users_own_program(member: Launcher, api: MessagesApi) -> None:
    place = Path(member.environment["HOME"])
    (place / "key").write_text("canary-helper-1\n")
    settings = place / ".config/pinnace/config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[auth]\nkey-helper = "cat {place}/key"\n')
    member.environment["CLAUDE_CODE_API_KEY_HELPER_TTL_MS"] = "5000"
    done = member.run("-p", "hi")
    first = {one.get("x-api-key") for one in api.headers}
    (place / "key").write_text("canary-helper-2\n")
    (shown,) = member.place.rglob("config/credentials")
    wait_until(lambda: b"canary-helper-2" in shown.read_bytes(), "the new key is shown")
    time.sleep(4)
    seen = _inside(member, "env; cat ~/.claude.json ~/.claude/.claude.json; true")
    again = member.run("-p", "hi")

    assert (done.returncode, again.returncode) == (0, 0), done.stderr + again.stderr
    assert first == {"canary-helper-1"}
    assert api.headers[-1]["x-api-key"] == "canary-helper-2"
    assert "canary" not in seen
