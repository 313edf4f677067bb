"""The verbs about running launches, and what is left of those that were killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace_images import contract
from tests.engine.conftest import VERSION, Launcher, containers_of
from tests.support.builder_command import write_images
from tests.support.messages_api import MessagesApi, Text
from tests.support.soak import rounds
from tests.support.tmux import Terminal
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.own_engine import OwnEngine

pytestmark = pytest.mark.usefixtures("image")


@pytest.fixture
def running(launcher: Launcher, api: MessagesApi) -> Iterator[subprocess.Popen[str]]:
    """A launch that goes on until it is ended; its standard error is not read."""
    api.reply_with(Text("never finished", gate=threading.Event()))
    child = launcher.start("run", "--", "-p", "hi", stderr=subprocess.DEVNULL)
    wait_until(lambda: bool(api.requests), "the CLI asks the API")
    yield child
    launcher.end()


def _runs(launcher: Launcher) -> list[str]:
    place = Path(launcher.environment["HOME"], ".local/state/pinnace/runs")
    return os.listdir(place) if place.is_dir() else []  # noqa: PTH208 (names)


def _inventory(engine: OwnEngine) -> list[set[str]]:
    """What an engine may be littered with: containers, volumes and networks."""
    commands = (("ps", "-aq"), ("volume", "ls", "-q"), ("network", "ls", "-q"))
    return [set(engine.docker(*command).split()) for command in commands]


@pytest.mark.usefixtures("running")
def test_ps_tells_what_runs(launcher: Launcher) -> None:
    (one,) = json.loads(launcher.run("ps", "--json").stdout)["result"]

    assert (one["workspace"], one["version"]) == (str(launcher.project), VERSION)
    assert (one["state"], one["launcher"]) == ("running", "alive")
    assert [one["name"]] == _runs(launcher)


@pytest.mark.usefixtures("running")
def test_a_command_runs_as_claude_does(launcher: Launcher) -> None:
    script = "id -u; pwd; echo ${ANTHROPIC_API_KEY:+key}; grep -h -E '^(CapEff|NoNewPrivs)' "
    facts = launcher.run("exec", "--", "sh", "-c", f"{script} /proc/self/status; touch /x; exit 7")

    assert facts.returncode == 7
    uid, pwd, key, *limits = facts.stdout.splitlines()
    assert (uid, pwd, key) == (str(os.getuid()), str(launcher.project), "key")
    assert limits == ["CapEff:\t0000000000000000", "NoNewPrivs:\t1"]
    assert "Read-only file system" in facts.stderr


@pytest.mark.usefixtures("running")
def test_input_reaches_a_command_and_a_shell(launcher: Launcher) -> None:
    assert launcher.run("exec", "--", "cat", text="a\nb").stdout == "a\nb"
    assert launcher.run("shell", text="pwd; exit 3").returncode == 3


@pytest.mark.usefixtures("running")
def test_a_shell_in_a_terminal_is_interactive(launcher: Launcher, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "tmux", launcher.argv("shell"), cwd=launcher.project)
    with terminal.start(launcher.environment):
        terminal.wait_for("$" if os.getuid() else "#")
        terminal.type("echo $((40 + 2)) $TERM; exit 5", "Enter")
        terminal.wait_for("42 ")
        terminal.wait_for("exit=5")


def test_a_shell_without_a_launch_has_a_container_of_its_own(launcher: Launcher) -> None:
    done = launcher.run("shell", text="claude --version; touch made; exit 4\n")

    assert (done.returncode, done.stdout) == (4, f"{VERSION} (Claude Code)\n")
    made = launcher.project / "made"
    assert (made.stat().st_uid, made.stat().st_gid) == (os.getuid(), os.getgid())
    assert containers_of(launcher.project) == []


def test_logs_are_what_was_printed(launcher: Launcher) -> None:
    # A shell stands in for a Claude that prints something and goes on.
    child = launcher.start("shell", stdin=subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.write("echo out; echo err >&2\n")
    child.stdin.flush()
    wait_until(lambda: "out" in launcher.run("logs").stdout, "the output is logged")

    done = launcher.run("logs")

    assert (done.returncode, done.stdout) == (0, "out\n")
    assert "err\n" in done.stderr
    child.communicate(timeout=60)


def test_stop_ends_claude_and_the_launcher(
    launcher: Launcher, running: subprocess.Popen[str]
) -> None:
    done = launcher.run("stop")

    assert (done.returncode, done.stdout.startswith("stopped pinnace-project-")) == (0, True)
    assert running.wait(60) == 143
    wait_until(lambda: containers_of(launcher.project) == [], "the container goes")
    assert launcher.run("stop").returncode == 66


def test_a_killed_launcher_is_found_and_its_container_reaped(
    launcher: Launcher, running: subprocess.Popen[str]
) -> None:
    running.send_signal(signal.SIGKILL)
    running.wait(60)
    assert len(containers_of(launcher.project)) == 1
    (one,) = json.loads(launcher.run("ps", "--json").stdout)["result"]
    assert one["launcher"] == "gone"

    assert launcher.run("run", "--", "--version").returncode == 0

    wait_until(lambda: containers_of(launcher.project) == [], "the container is reaped")
    wait_until(lambda: _runs(launcher) == [], "the record goes")


@pytest.fixture
def alone(
    launcher: Launcher, other: str, empty_engine: OwnEngine, tmp_path: Path
) -> Iterator[OwnEngine]:
    """Lead the launcher to an engine that holds nothing but a small image of the version it pins.

    The version is made up, and nothing outside can be reached.
    """
    (tmp_path / "tmp").mkdir()
    (launcher.project / ".claude-version").write_text(other)
    launcher.environment |= {
        "PINNACE_IMAGES": str(write_images(tmp_path / "images.toml")),
        "TMPDIR": str(tmp_path / "tmp"),
        # Nothing is to be kept outside: no gateway is needed.
        "PINNACE_ISOLATION": "open",
    }
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        del launcher.environment[name]
    launcher.build(other)
    empty_engine.load(contract.local_name(other, "slim"))
    before = _inventory(empty_engine)
    launcher.environment["DOCKER_HOST"] = empty_engine.endpoint
    try:
        yield empty_engine
    finally:
        launcher.end()
        for container in empty_engine.docker("ps", "-aq").split():
            empty_engine.docker("rm", "--force", container)
        empty_engine.docker("image", "rm", "--force", contract.local_name(other, "slim"))
    assert _inventory(empty_engine) == before


@pytest.mark.xdist_group("an empty engine")
def test_a_killed_launcher_without_a_record_is_left_to_gc(
    launcher: Launcher, alone: OwnEngine
) -> None:
    child = launcher.start("shell", stdin=subprocess.PIPE)
    label = f"--filter=label={contract.LABEL_RUN_WORKSPACE}"
    wait_until(lambda: bool(alone.docker("ps", "-q", label)), "the shell runs")
    child.kill()
    child.wait(60)
    shutil.rmtree(Path(launcher.environment["HOME"], ".local/state/pinnace/runs"))

    told = _gone(launcher, "--newest=1000000")

    name = json.loads(launcher.run("ps", "--json").stdout)["result"][0]["name"]
    assert name in [item["what"] for item in told]
    assert len(alone.docker("ps", "-q").split()) == 1
    assert name in [item["what"] for item in _gone(launcher, "--newest=1000000", "--yes")]
    assert alone.docker("ps", "-aq") == ""


def _gone(launcher: Launcher, *options: str) -> list[dict[str, str]]:
    done = launcher.run("gc", "--json", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)["result"]["gone"]
    return found


@pytest.mark.soak
@pytest.mark.xdist_group("an empty engine")
def test_many_launches_leave_nothing(launcher: Launcher, other: str, alone: OwnEngine) -> None:
    before = _inventory(alone)

    done = [launcher.run("run", "--", "--version") for _ in range(rounds(400))]

    assert {d.stdout for d in done} == {f"{other} (Claude Code)\n"}
    assert _runs(launcher) == []
    assert _inventory(alone) == before
    assert list(Path(launcher.environment["TMPDIR"]).iterdir()) == []


@pytest.mark.soak
def test_many_launches_at_once_do_not_disturb_each_other(launcher: Launcher) -> None:
    number = rounds(400)
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda _: launcher.run("run", "--", "--version"), range(number)))

    assert [(d.returncode, d.stdout) for d in done] == [(0, f"{VERSION} (Claude Code)\n")] * number
    assert containers_of(launcher.project) == []
    assert _runs(launcher) == []
