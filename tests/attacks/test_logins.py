"""Attacks on logins: what an agent writes into the profile, and what it asks the gateway for."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from pinnace.agent import PLACEHOLDER
from tests.attacks.conftest import fresh_place
from tests.engine.conftest import launching
from tests.support.messages_api import MessagesApi, Text
from tests.support.own_projects import config_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.conftest import Launcher

pytestmark = pytest.mark.xdist_group("attacks on logins")
_TOKEN: Final = "canary-access-of-the-user"  # noqa: S105 (a test's)
_FILE: Final = "~/.claude/.credentials.json"
_STRANGERS: Final = (
    '{"claudeAiOauth":{"accessToken":"strangers","refreshToken":"s","expiresAt":9e15}}'
)
_CODE: Final = "curl -s -m 20 -o /dev/null -w '%{http_code}\\n'"
_API: Final = "http://127.0.0.1:28080"


class Member(NamedTuple):
    """Somebody who has logged in.

    Attributes:
        launcher: of a project.
        api: what is asked with the token.
        kept: where the login lies.
        other: a file of the host's.
    """

    launcher: Launcher
    api: MessagesApi
    kept: Path
    other: Path

    def inside(self, script: str) -> str:
        done = self.launcher.run("shell", text=f"{script}\ntrue")
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def member(image: str, way_to_begin: str) -> Iterator[Member]:
    assert image
    with (
        MessagesApi([Text("Hello")], host="127.0.0.1") as api,
        fresh_place() as place,
        launching(place, api.url_for("127.0.0.1"), way_to_begin) as launcher,
    ):
        del launcher.environment["ANTHROPIC_API_KEY"]
        kept = place / "home/.local/state/pinnace/logins/default.json"
        kept.parent.mkdir(parents=True)
        login = {
            "accessToken": _TOKEN,
            "refreshToken": "canary-renewing-of-the-user",
            "expiresAt": int((time.time() + 36_000) * 1000),
            "scopes": ["user:inference", "user:profile"],
            "subscriptionType": "max",
        }
        kept.write_text(json.dumps({"claudeAiOauth": login}))
        other = place / "home" / "another file"
        other.write_text(_STRANGERS)
        yield Member(launcher, api, kept, other)


_WRITTEN: Final = {
    "a stranger's login": f"echo '{_STRANGERS}' >{_FILE}",
    "a stranger's login by another name": f"echo '{_STRANGERS}' >x; mv x {_FILE}",
    "a link to a file of the host": f"ln -sf 'OTHER' {_FILE}",
    "a link to the login outside": f"ln -sf 'KEPT' {_FILE}",
    "a link to nothing": f"ln -sf /nowhere {_FILE}",
    "a pipe": f"rm -f {_FILE}; mkfifo {_FILE}",
    "rubbish": f"head -c 100000 /dev/urandom >{_FILE}",
    "a gigabyte": f"truncate -s 1G {_FILE}",
    "brackets": f"head -c 1000000 /dev/zero | tr '\\0' '[' >{_FILE}",
    "a token of two lines": f"echo '{_STRANGERS}' | sed 's/strangers/a\\\\nb/' >{_FILE}",
    "nothing": f"rm -f {_FILE}",
    "no rights": f"chmod 0 {_FILE}",
    "another place for it": "echo '{}' >~/.claude/default.json; mkdir -p ~/.local/state/pinnace",
}


@pytest.mark.parametrize("attack", _WRITTEN)
def test_what_an_agent_writes_is_nobodys_account(member: Member, attack: str) -> None:
    before = member.kept.read_bytes()
    script = _WRITTEN[attack].replace("OTHER", str(member.other)).replace("KEPT", str(member.kept))
    member.inside(script)
    done = member.launcher.run("-p", "hi")
    shown = json.loads((config_of(member.launcher) / ".credentials.json").read_text())
    shown = shown["claudeAiOauth"]

    assert (done.returncode, done.stdout) == (0, "Hello\n"), done.stderr
    assert member.api.headers[-1]["authorization"] == f"Bearer {_TOKEN}"
    assert member.kept.read_bytes() == before
    assert member.other.read_text() == _STRANGERS
    assert shown["accessToken"] == PLACEHOLDER


def test_a_directory_instead_of_it_is_put_aside_and_loses_nothing(member: Member) -> None:
    before = member.kept.read_bytes()
    member.inside(f"rm -f {_FILE}; mkdir {_FILE}")
    done = member.launcher.run("-p", "hi")

    assert done.returncode == 0, done.stderr
    assert "is put aside" in done.stderr
    assert member.kept.read_bytes() == before


@pytest.mark.parametrize(
    "look",
    [
        "cat 'KEPT'",
        "find / -xdev -name 'default.json' -path '*logins*'",
        "cat /proc/1/root'KEPT'",
        "cat /run/pinnace/sockets/* 2>/dev/null | tr -d '\\0'",
        f"cat {_FILE}",
        "cat /proc/[0-9]*/environ | tr '\\0' '\\n'",
        f"curl -s {_API}/etc/pinnace/credentials",
        f"curl -s --path-as-is {_API}/../../etc/pinnace/credentials",
        f"curl -s -X TRACE -H 'Authorization: x' {_API}/v1/models",
    ],
)
def test_the_token_is_not_to_be_seen(member: Member, look: str) -> None:
    assert "canary" not in member.inside(f"{look.replace('KEPT', str(member.kept))} 2>&1")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/oauth/token",
        "/oauth/token",
        "/V1/OAuth/Token",
        "/api/oauth/claude_cli/create_api_key",
        "/v1/oauth/authorize",
    ],
)
def test_placeholders_mint_nothing(member: Member, path: str) -> None:
    body = json.dumps({"grant_type": "refresh_token", "refresh_token": PLACEHOLDER})
    options = f"-H 'Authorization: Bearer {PLACEHOLDER}' -H 'Content-Type: application/json'"
    before = len(member.api.headers)

    assert member.inside(f"{_CODE} {options} -d '{body}' {_API}{path}") == "403\n"
    assert len(member.api.headers) == before


def test_the_login_service_is_not_reached_from_inside(member: Member) -> None:
    ask = "curl -s -m 20 -o /dev/null -w '%{http_connect}\\n'"

    assert member.inside(f"{ask} -d x https://platform.claude.com/v1/oauth/token") == "403\n"


@pytest.mark.parametrize(
    "header",
    ["Authorization: Bearer strangers", "authorization: Basic c3RyYW5nZXJz", "AUTHORIZATION: x"],
)
def test_no_token_of_a_clients_passes(member: Member, header: str) -> None:
    member.inside(f"{_CODE} -H '{header}' -H 'X-Api-Key: strangers' -d '{{}}' {_API}/v1/x")
    sent = member.api.headers[-1]

    assert sent["authorization"] == f"Bearer {_TOKEN}"
    assert "x-api-key" not in sent
