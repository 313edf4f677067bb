"""Accounts, secrets, networks and terminals on the real engine, with the real CLI."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.conftest import ONLY_ROOT, Launcher, containers_of, docker
from tests.support import certificates
from tests.support.flags import flags
from tests.support.messages_api import MessagesApi, Text, ToolUse
from tests.support.tmux import Terminal
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("image")
BASH = ("--allowedTools", "Bash")
_KEY = "sk-ant-canary-in-a-file-0123456789abcdef"
_PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"


def told(launcher: Launcher, **settings: Any) -> Launcher:
    """Return the launcher settings, and a directory in memory as a login has one."""
    runtime = Path(launcher.environment["HOME"]) / "runtime"
    runtime.mkdir(exist_ok=True)
    launcher.environment |= {"XDG_RUNTIME_DIR": str(runtime)}
    launcher.program = [sys.executable, "-m", "pinnace", "run", *flags(**settings)]
    return launcher


def says(launcher: Launcher, api: MessagesApi, command: str) -> str:
    """Run a command inside, by Claude; return what it printed."""
    api.reply_with(ToolUse("Bash", {"command": command, "description": "look"}))
    done = launcher.run("--", "-p", "look", *BASH)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.dumps(api.requests[-1]["messages"][-1])


@pytest.fixture
def local_api() -> Iterator[MessagesApi]:
    """A stand-in that listens on the loopback address only."""
    with MessagesApi([Text("Hello from loopback")], host="127.0.0.1") as server:
        yield server


def _secrets(launcher: Launcher) -> Path:
    file = Path(launcher.environment["HOME"]) / "secrets.env"
    file.write_text(
        f"ANTHROPIC_API_KEY={_KEY}\nOTHER={_KEY}\nLINES='one\ntwo\n'\n", encoding="utf-8"
    )
    return file


def _left(launcher: Launcher) -> list[Path]:
    home = Path(launcher.environment["HOME"])
    # Claude itself remembers the end of an approved key.
    return [
        path
        for path in home.rglob("*")
        if path.is_file()
        and path.name not in {"secrets.env", ".claude.json"}
        # What a gateway reads goes with it.
        and "gateway" not in path.relative_to(home).parts
        and b"canary-in-a-file" in path.read_bytes()
    ]


def test_a_secret_reaches_claude_and_no_inspection(launcher: Launcher, api: MessagesApi) -> None:
    told(launcher, secrets=str(_secrets(launcher)))
    api.reply_with(Text("slow", gate=(gate := threading.Event())))
    child = launcher.start("--", "-p", "hi")
    wait_until(lambda: api.requests, "the CLI asks the API")
    (container,) = containers_of(launcher.project)
    inspected = docker("inspect", container)
    arguments = Path(f"/proc/{child.pid}/cmdline").read_bytes()
    gate.set()
    _, errors = child.communicate(timeout=60)

    assert child.returncode == 0, errors
    assert {h["x-api-key"] for h in api.headers if "x-api-key" in h} == {_KEY}
    assert "canary" not in inspected
    assert b"canary" not in arguments
    assert _left(launcher) == []


def test_secrets_are_exact_and_nobody_elses(launcher: Launcher, api: MessagesApi) -> None:
    told(launcher, secrets=str(_secrets(launcher)))
    place = "/run/pinnace/secrets"
    command = f'printf %s "$LINES" | od -c | head -3; stat -c %a {place}/LINES; touch {place}/x'
    printed = says(launcher, api, command)

    assert r"o   n   e  \\n   t   w   o  \\n" in printed
    assert "600" in printed
    assert "Read-only file system" in printed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_secret_is_left_after_a_signal(
    launcher: Launcher, api: MessagesApi, number: signal.Signals
) -> None:
    told(launcher, secrets=str(_secrets(launcher)))
    api.reply_with(Text("never", gate=threading.Event()))
    child = launcher.start("--", "-p", "hi", start_new_session=True)
    wait_until(lambda: api.requests, "the CLI asks the API")
    assert _left(launcher)
    child.send_signal(number)
    child.wait(60)
    if number == signal.SIGKILL:
        docker("rm", "--force", *containers_of(launcher.project))
        assert _left(launcher), "then the test proves nothing"
        told(launcher).run("--", "--version")
    child.communicate(timeout=60)

    assert _left(launcher) == []
    wait_until(lambda: containers_of(launcher.project) == [], "the container goes")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_service_on_loopback_is_reached(
    launcher: Launcher, local_api: MessagesApi, host: str
) -> None:
    launcher.environment["ANTHROPIC_BASE_URL"] = local_api.url_for(host)
    done = told(launcher).run("--", "-p", "hi")

    assert (done.returncode, done.stdout) == (0, "Hello from loopback\n"), done.stderr


def test_a_url_with_a_password_is_in_no_argument(
    launcher: Launcher, local_api: MessagesApi
) -> None:
    url = f"http://me:canary-pass@127.0.0.1:{local_api.port}"
    launcher.environment |= {"HTTPS_PROXY": url, "NO_PROXY": "localhost"}
    told(launcher, proxy=True, isolation="open")
    local_api.reply_with(Text("slow", gate=(gate := threading.Event())))
    launcher.environment["ANTHROPIC_BASE_URL"] = local_api.url_for("localhost")
    child = launcher.start("--", "-p", "hi")
    wait_until(lambda: local_api.requests, "the CLI asks the API")
    arguments = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout
    (container,) = containers_of(launcher.project)
    variables = json.loads(docker("inspect", "--format={{json .Config.Env}}", container))
    gate.set()
    child.communicate(timeout=60)

    assert child.returncode == 0
    assert b"canary-pass" not in arguments
    proxy = next(v for v in variables if v.startswith("HTTPS_PROXY="))
    assert proxy == f"HTTPS_PROXY=http://me:canary-pass@127.0.0.1:{local_api.port}"
    assert "NO_PROXY=localhost,localhost,127.0.0.1,::1" in variables


def test_an_extra_authority_is_trusted_by_claude_and_by_tools(
    launcher: Launcher, api: MessagesApi, tmp_path: Path
) -> None:
    made = certificates.make(tmp_path / "authority", "host.docker.internal")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server, made.key)
    api.encrypt(context)
    url = f"https://host.docker.internal:{api.port}"
    launcher.environment["ANTHROPIC_BASE_URL"] = url
    strange = told(launcher).run("--", "-p", "hi")
    told(launcher, certificates=str(made.authority), services=[str(api.port)])
    shown = "verified=%{ssl_verify_result},%{http_code}"
    there = f"--noproxy '*' --connect-to ::127.0.0.1:{api.port} {url}"
    printed = says(launcher, api, f"curl -s -o /dev/null -w '{shown}' {there} || true")

    assert strange.returncode != 0
    assert "verified=0,200" in printed


def test_cloud_credentials_are_read_only_and_caches_are_not(
    launcher: Launcher, api: MessagesApi
) -> None:
    home = Path(launcher.environment["HOME"])
    for place in (".aws/cli/cache", ".config/gcloud/logs", ".azure/logs"):
        (home / place).mkdir(parents=True)
    (home / ".aws" / "credentials").write_text("[default]\n")
    told(launcher, cloud=["aws", "azure", "gcloud"])
    launcher.environment["AWS_REGION"] = "eu-north-7"
    command = (
        "cat ~/.aws/credentials; echo $AWS_REGION; touch ~/.aws/x; touch ~/.config/gcloud/x; "
        "touch ~/.aws/cli/cache/y ~/.config/gcloud/logs/y ~/.config/y ~/.azure/logs/y && echo kept"
    )
    printed = says(launcher, api, command)

    assert "[default]" in printed
    assert "eu-north-7" in printed
    assert printed.count("Read-only file system") == 2
    assert "kept" in printed
    assert not list(home.rglob("y"))


def test_without_a_request_no_cloud_credential_goes_in(
    launcher: Launcher, api: MessagesApi
) -> None:
    home = Path(launcher.environment["HOME"])
    (home / ".aws").mkdir()
    launcher.environment |= {"AWS_SECRET_ACCESS_KEY": "canary-aws"}
    told(launcher)
    printed = says(launcher, api, "ls -d ~/.aws; env | grep -c AWS_")

    assert "No such file" in printed
    assert "canary" not in printed


def test_the_terminal_inside_has_the_size_of_the_one_outside(
    launcher: Launcher, tmp_path: Path
) -> None:
    told(launcher)
    launcher.environment |= {"TERM": "xterm-kitty"}
    terminal = Terminal(tmp_path / "tmux", launcher.argv(), cwd=launcher.project)

    def size() -> str:
        (container,) = containers_of(launcher.project)
        return docker("exec", container, "stty", "-F", "/dev/pts/0", "size")

    with terminal.start(launcher.environment):
        terminal.wait_for(_PROMPT)
        first = size()
        terminal.resize(100, 30)
        wait_until(lambda: size() == "30 100", "the new size arrives inside")
        terminal.type("C-c")
        terminal.type("C-c")
        terminal.wait_for("exit=0")
    assert first == "40 120"


def test_the_locale_inside_is_utf_8_and_the_time_zone_is_the_hosts(
    launcher: Launcher, api: MessagesApi
) -> None:
    told(launcher)
    launcher.environment |= {"TZ": "Asia/Kathmandu", "LANG": "de_DE.UTF-8", "LC_ALL": "de_DE"}
    printed = says(launcher, api, "locale charmap 2>&1; date +%z; echo lang=$LANG,$LC_ALL,")

    assert "UTF-8" in printed
    assert "+0545" in printed
    assert "lang=C.UTF-8,," in printed


@ONLY_ROOT
def test_started_by_root_secrets_are_readable_for_the_workspaces_owner(
    launcher: Launcher, api: MessagesApi
) -> None:
    os.chown(launcher.project, 54321, 65000)
    told(launcher, secrets=str(_secrets(launcher)))
    printed = says(launcher, api, 'id -u; echo "$LINES"; id -u >&2')

    assert "54321" in printed
    assert "one" in printed
    assert _left(launcher) == []


def test_an_inspection_shows_only_what_is_passed_by_name(
    launcher: Launcher, api: MessagesApi
) -> None:
    launcher.environment |= {"MY_TOKEN": "canary-by-name", "AWS_SECRET_ACCESS_KEY": "canary-no"}
    home = Path(launcher.environment["HOME"])
    (home / ".gitconfig").write_text('[url "https://canary-git@example.com"]\n insteadOf = x\n')
    told(launcher, secrets=str(_secrets(launcher)), environment_names=["MY_TOKEN"])
    api.reply_with(Text("slow", gate=(gate := threading.Event())))
    child = launcher.start("--", "-p", "hi")
    wait_until(lambda: api.requests, "the CLI asks the API")
    (container,) = containers_of(launcher.project)
    inspected = json.loads(docker("inspect", container))
    gate.set()
    output = "".join(child.communicate(timeout=60))

    variables = inspected[0]["Config"].pop("Env")
    assert [v for v in variables if "canary" in v] == ["MY_TOKEN=canary-by-name"]
    assert "canary" not in json.dumps(inspected)
    assert "canary" not in output
