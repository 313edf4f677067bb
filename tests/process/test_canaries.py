"""Nothing of any secret appears anywhere, whatever is run and however it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_core import errors
from tests.support.flags import flags

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.process.conftest import Machine

_MARK: Final = "canary"
_VARIABLES: Final = {
    "ANTHROPIC_API_KEY": f"sk-ant-{_MARK}-key-0123456789-0123456789",
    "ANTHROPIC_AUTH_TOKEN": f"{_MARK}-token",
    "CLAUDE_CODE_OAUTH_TOKEN": f"{_MARK}-oauth",
    "ANTHROPIC_VERTEX_BASE_URL": f"http://user:{_MARK}-base@localhost:1/?k={_MARK}",
    "HTTPS_PROXY": f"http://user:{_MARK}-proxy@127.0.0.1:3128",
    "http_proxy": f"http://user:{_MARK}-proxy@proxy.example:3128",
    "AWS_SECRET_ACCESS_KEY": f"{_MARK}-aws",
    "AZURE_CLIENT_SECRET": f"{_MARK}-azure",
    "MY_TOKEN": f"{_MARK}-mine",
}
_OUTSIDE: Final = {"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"}
_BAD_SECRETS: Final = (f"A='{_MARK}", f"{_MARK}", f"A={_MARK}\nA={_MARK}", f"{_MARK}x-y=1")


@pytest.fixture
def planted(machine: Machine, tmp_path: Path) -> Path:
    """Plant a secret in each of their sources; return the home directory."""
    home = tmp_path / "home"
    config = home / ".local" / "share" / "pinnace" / "claude" / "default"
    for place in (config, home / ".aws", home / ".azure", home / ".config" / "gcloud"):
        place.mkdir(parents=True)
    oauth = {"accessToken": _MARK, "refreshToken": _MARK, "subscriptionType": _MARK, "expiresAt": 1}
    (config / ".credentials.json").write_text(json.dumps({"claudeAiOauth": oauth}))
    helper = {"apiKeyHelper": f"/opt/helper --password {_MARK}"}
    (config / "settings.json").write_text(json.dumps(helper))
    (home / ".aws" / "credentials").write_text(_MARK)
    (home / ".gitconfig").write_text(f'[url "https://{_MARK}@example.com"]\n insteadOf = x\n')
    (home / "secrets").write_text(f"ANTHROPIC_API_KEY={_MARK}-in-the-file-0123456789\n")
    (home / "bad.pem").write_text(f"-----BEGIN PRIVATE KEY-----\n{_MARK}\n")
    # What a gateway reads lies there, and nowhere else.
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    machine.environment |= {**_VARIABLES, "XDG_RUNTIME_DIR": str(runtime)}
    return home


def _launch(home: Path, **changes: object) -> list[str]:
    everything = {
        "secrets": str(home / "secrets"),
        "proxy": True,
        "cloud": ["aws", "azure", "gcloud"],
        "environment_names": ["MY_TOKEN"],
    }
    return ["-m", "pinnace", "run", *flags(**everything | changes)]


def _run(machine: Machine, *command: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    environment: Mapping[str, str] = machine.environment | more
    return subprocess.run(
        [sys.executable, *command],
        check=False,
        capture_output=True,
        cwd=machine.project,
        env=environment,
        timeout=60,
    )


def _nothing_shows(machine: Machine, home: Path, done: subprocess.CompletedProcess[bytes]) -> None:
    assert _MARK.encode() not in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr
    for record in machine.docker.log("call"):
        assert _MARK not in repr(record["argv"])
    assert _MARK.encode() not in b"".join(machine.engine.requests)
    for place in (".local/state", ".cache"):
        for path in (home / place).rglob("*"):
            assert _MARK not in path.name
            # The one place that a login is kept in; nothing there is mounted.
            if path.parent.name == "logins":
                continue
            assert not path.is_file() or _MARK.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    "arguments", [["--", "-p", "x"], ["--dry-run"], ["--claude-version", "nonsense"]]
)
def test_a_launch(machine: Machine, planted: Path, arguments: list[str]) -> None:
    done = _run(machine, *_launch(planted), *arguments)

    assert (done.returncode == 0) is ("nonsense" not in arguments), done.stderr
    _nothing_shows(machine, planted, done)


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["status", "--json"],
        ["auth", "status"],
        ["auth", "status", "--json"],
        ["auth", "status", "--secrets", "SECRETS"],
        ["auth", "list"],
        ["auth", "list", "--json"],
        ["auth", "login"],
        ["auth", "logout", "--yes"],
        ["auth", "status", "--profile", "../x"],
        ["run", "--env", f"MY_TOKEN={_MARK}"],
        ["run", "--no-such-option"],
    ],
)
def test_a_verb(machine: Machine, planted: Path, arguments: list[str]) -> None:
    spelled = [str(planted / "secrets") if a == "SECRETS" else a for a in arguments]

    _nothing_shows(machine, planted, _run(machine, "-m", "pinnace", *spelled))


@pytest.mark.parametrize("text", _BAD_SECRETS)
def test_a_bad_file_of_secrets(machine: Machine, planted: Path, text: str) -> None:
    (planted / "secrets").write_text(text)
    for command in (
        _launch(planted),
        ["-m", "pinnace", "auth", "status", "--json", "--secrets", str(planted / "secrets")],
    ):
        done = _run(machine, *command)
        assert done.returncode == errors.BadSecretsError.exit_code
        _nothing_shows(machine, planted, done)


def test_a_key_where_certificates_belong(machine: Machine, planted: Path) -> None:
    done = _run(machine, *_launch(planted, certificates=str(planted / "bad.pem")))

    assert done.returncode == errors.BadSecretsError.exit_code
    _nothing_shows(machine, planted, done)


def test_an_engine_that_refuses(machine: Machine, planted: Path) -> None:
    machine.docker.will("run", code=125, stderr="refused\n")
    done = _run(machine, *_launch(planted))

    assert done.returncode == 125
    _nothing_shows(machine, planted, done)


def test_the_values_reach_the_client_all_the_same(machine: Machine, planted: Path) -> None:
    _run(machine, *_launch(planted))
    (call,) = (record for record in machine.docker.log("call") if record["command"] == "run")
    named = {a.removeprefix("--env=") for a in call["argv"] if a.startswith("--env=")}

    assert set(_VARIABLES) - _OUTSIDE <= named
    assert not _OUTSIDE & named
    assert "@127.0.0.1:3128" in call["environment"]["HTTPS_PROXY"]
