"""Containers that wait: a launch that enters one is as fresh, as closed and as well noted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace.launch.standby import PREFIX, inside
from pinnace_images import contract
from tests.engine.conftest import VERSION, docker, launches_noted
from tests.support.messages_api import Text, ToolUse
from tests.support.soak import VARIABLE
from tests.support.tmux import Terminal
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = pytest.mark.usefixtures("image")
_STATE: Final = Path(".local", "state", "pinnace")
_BASH: Final = ("--allowedTools", "Bash")
# What a program inside can tell of how it is kept, and nothing that is of one launch alone.
_KEPT: Final = r"""
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/self/status
ulimit -a
cut -d' ' -f4-6 /proc/self/mountinfo | sed -E 's/[0-9a-f]{12,}/ID/g' | sort
env | sed -E 's/pinnace-project-[0-9a-f]{6}/NAME/g; s/^HOSTNAME=.*/HOSTNAME/' | sort
pwd; umask; id
ls -A /tmp /dev/shm "$HOME"
ls /proc/self/fd
cat /proc/sys/kernel/shmmax /proc/1/oom_score_adj /proc/self/oom_score_adj
cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max 2>/dev/null
ls /sys/class/net
"""


@pytest.fixture
def warm(isolated: Launcher) -> Launcher:
    """`pinnace` in a project where one container waits."""
    return _warmed(isolated)


def _warmed(launcher: Launcher, *arguments: str) -> Launcher:
    done = launcher.run("warm", *arguments)
    assert done.returncode == 0, done.stderr
    return launcher


def _waiting(launcher: Launcher) -> list[str]:
    """Return the ids of the containers that wait for a launcher's project."""
    labels = (contract.LABEL_RUN_STANDBY, f"{contract.LABEL_RUN_WORKSPACE}={launcher.project}")
    filters = [f"--filter=label={label}" for label in labels]
    return docker("ps", "-q", "--no-trunc", f"--filter=name={PREFIX}", *filters).split()


def _all(launcher: Launcher) -> list[str]:
    label = f"--filter=label={contract.LABEL_RUN_WORKSPACE}={launcher.project}"
    return docker("ps", "-aq", "--no-trunc", label).split()


def _ways(launcher: Launcher) -> list[bool]:
    """Return, launch by launch, whether it took a container that waited."""
    return ["standby" in one for one in launches_noted(launcher)]


def _said(launcher: Launcher, script: str) -> str:
    """Run a script in a launch's shell; return what it prints."""
    done = launcher.run("shell", text=script)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_launch_enters_what_waits_and_it_is_gone_then(warm: Launcher) -> None:
    (waits,) = _waiting(warm)

    done = warm.run("run", "--", "--version")

    assert (done.returncode, done.stdout) == (0, f"{VERSION} (Claude Code)\n"), done.stderr
    wait_until(lambda: waits not in _all(warm), "the container is gone")
    again = warm.run("run", "--", "--version")
    assert again.returncode == 0, again.stderr
    assert _ways(warm) == [True, False]
    assert list(Path(warm.environment["HOME"], _STATE, "standby").glob("*.*n*")) == []


def test_claude_answers_through_the_gateway(warm: Launcher, api: MessagesApi) -> None:
    done = warm.run("run", "--", "-p", text="say hi\n")

    assert (done.returncode, done.stdout) == (0, "Hello from the stand-in\n"), done.stderr
    assert "say hi" in json.dumps(api.requests[0]["messages"])
    assert _ways(warm) == [True]


def test_it_is_kept_as_a_container_of_its_own_is(warm: Launcher) -> None:
    entered = _said(warm, _KEPT)
    own = _said(warm, _KEPT)

    assert _ways(warm) == [True, False]
    assert entered.splitlines() == own.splitlines()


def test_no_variable_is_on_the_container(warm: Launcher) -> None:
    (waits,) = _waiting(warm)
    warm.environment["CANARY"] = "canary-in-the-mine"
    child = warm.start("run", "--env", "CANARY", "--", "-p", "x", stdin=subprocess.PIPE)
    shown = docker("inspect", waits)
    child.kill()

    assert "canary" not in shown
    assert "PROXY" not in shown.upper().replace("HTTP_PROXY_", "")
    assert "ANTHROPIC" not in shown


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_signals_reach_what_entered(warm: Launcher, number: signal.Signals, code: int) -> None:
    script = (
        "trap 'echo got; exit 7' TERM INT HUP; touch begun; while :; do sleep 0.1 & wait $!; done\n"
    )
    (warm.project / "script").write_text(script)
    child = warm.start("shell", stdin=subprocess.PIPE)
    assert child.stdin
    child.stdin.write("bash ./script; exit $?\n" if number == signal.SIGHUP else script)
    child.stdin.flush()
    wait_until((warm.project / "begun").exists, "it runs")

    child.send_signal(number)
    said, errors = child.communicate(timeout=60)

    assert _ways(warm) == [True]
    if number == signal.SIGHUP:
        assert child.returncode in {7, code}, errors
    else:
        assert (said, child.returncode) == ("got\n", 7), errors
    wait_until(lambda: _all(warm) == [], "the container is gone")


def test_exit_codes_and_all_output_arrive(warm: Launcher) -> None:
    lines = 200_000

    done = warm.run("shell", text=f"seq {lines}; seq {lines} >&2; exit 7\n")

    assert done.returncode == 7, done.stderr[-1000:]
    assert done.stdout.splitlines() == [str(n) for n in range(1, lines + 1)]
    assert [line for line in done.stderr.splitlines() if line.isdecimal()][-1] == str(lines)
    assert _ways(warm) == [True]


def test_what_claude_leaves_running_ends_before_its_files_are_looked_at(
    warm: Launcher, api: MessagesApi
) -> None:
    (waits,) = _waiting(warm)
    left = "setsid sh -c 'while :; do date +%s%N > beat; sleep 0.05; done' >/dev/null 2>&1 &"
    api.reply_with(ToolUse("Bash", {"command": left, "description": "leave"}), Text("done"))

    done = warm.run("run", "--", "-p", "go", *_BASH)

    assert done.returncode == 0, done.stderr
    wait_until(lambda: waits not in _all(warm), "the container is gone")
    beat = (warm.project / "beat").read_text()
    assert _said(warm, "sleep 0.3; cat beat") == beat


@pytest.mark.parametrize(
    "change",
    [
        {"PINNACE_MEMORY": "4g"},
        {"PINNACE_PIDS": "500"},
        {"PINNACE_ALLOW": "example.com"},
        {"PINNACE_ISOLATION": "locked"},
        {"ANTHROPIC_API_KEY": "sk-ant-another-0123456789abcdefghij"},
        {"PINNACE_SHM_SIZE": "32m"},
        {"PINNACE_PRIVATE": "node_modules"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_plan_does_not_take_it(warm: Launcher, change: dict[str, str]) -> None:
    warm.environment |= change

    done = warm.run("run", "--", "--version")

    assert done.returncode == 0, done.stderr
    assert _ways(warm) == [False]


def test_another_directory_in_the_place_of_one_that_is_mounted_is_another_plan(
    warm: Launcher,
) -> None:
    old = warm.project.with_name("old")
    warm.project.rename(old)
    warm.project.mkdir()
    (warm.project / ".claude-version").write_text(f"{VERSION}\n")
    (warm.project / "new").touch()

    assert "new" in _said(warm, "ls")
    assert _ways(warm) == [False]


def test_who_was_entered_by_hand_is_not_used(warm: Launcher) -> None:
    (waits,) = _waiting(warm)
    docker("exec", waits, "touch", "/tmp/left")  # noqa: S108 (inside)

    refused = warm.run("shell", text="touch used\n")
    again = _said(warm, "ls -A /tmp")

    assert refused.returncode == 75, refused.stderr
    assert "somebody was in the standby container" in refused.stderr
    assert not (warm.project / "used").exists()
    assert "left" not in again
    wait_until(lambda: waits not in _all(warm), "the container is gone")


def test_who_is_in_use_by_somebody_is_not_taken(warm: Launcher) -> None:
    (waits,) = _waiting(warm)
    beside = subprocess.Popen(
        ["docker", "exec", waits, "sh", "-c", "echo in; sleep 100"], stdout=-1
    )
    assert beside.stdout
    beside.stdout.readline()

    assert _said(warm, "hostname").strip() != waits[:12]
    assert _ways(warm) == [False]
    wait_until(lambda: waits not in _all(warm), "the container is gone")
    beside.communicate()


@pytest.mark.parametrize(
    "touch",
    [
        "touch /tmp/left",
        "touch /dev/shm/left",
        "touch $HOME/.left",
        "setsid sleep 60 >/dev/null 2>&1 &",
        "sleep 60 >/dev/null 2>&1 & disown",
    ],
)
def test_what_enters_sees_what_somebody_left(warm: Launcher, touch: str) -> None:
    """Also where the engine has forgotten that somebody was there."""
    (waits,) = _waiting(warm)
    enter = (*_untouched(warm), "echo", "entered")
    before = subprocess.run(["docker", "exec", waits, *enter], check=False, capture_output=True)
    docker("exec", waits, "bash", "-c", touch)

    after = subprocess.run(["docker", "exec", waits, *enter], check=False, capture_output=True)

    assert (before.returncode, before.stdout) == (0, b"entered\n"), before.stderr
    assert after.returncode == 75
    assert b"somebody was in the standby container" in after.stderr
    assert b"entered" not in after.stdout


def _untouched(launcher: Launcher) -> tuple[str, ...]:
    """Return the program that looks, as a launch spells it."""
    (below,) = launcher.place.relative_to("/tmp").parts[:1]  # noqa: S108 (inside)
    known = (contract.CONFIG_DIR, f"/tmp/{below}")  # noqa: S108 (inside)
    words = ("/dev/shm", "/tmp", contract.HOME, "--", *known, "--")  # noqa: S108 (inside)
    return (contract.SHELL, "-c", inside.UNTOUCHED, "pinnace", *words)


def test_many_launches_get_one_each(isolated: Launcher) -> None:
    _warmed(isolated, "3")
    waiting = _waiting(isolated)
    assert len(waiting) == 3

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda _: isolated.run("run", "--", "--version"), range(6)))

    assert [one.stdout for one in done] == [f"{VERSION} (Claude Code)\n"] * 6, done
    taken = [one["standby"] for one in launches_noted(isolated) if "standby" in one]
    assert len(_ways(isolated)) == 6
    assert len(set(taken)) == len(taken) == 3
    wait_until(lambda: not set(waiting) & set(_all(isolated)), "the containers are gone")


def test_the_next_launch_removes_what_a_killed_one_entered(warm: Launcher) -> None:
    (waits,) = _waiting(warm)
    child = warm.start("shell", stdin=subprocess.PIPE)
    assert child.stdin
    child.stdin.write("touch begun; sleep 1000\n")
    child.stdin.flush()
    wait_until((warm.project / "begun").exists, "it runs")
    child.kill()
    child.wait()

    done = warm.run("run", "--", "--version")

    assert done.returncode == 0, done.stderr
    wait_until(lambda: waits not in _all(warm), "the container is gone")


def test_what_waits_is_no_launch_and_is_told_apart(warm: Launcher) -> None:
    listed = warm.run("ps")
    described = json.loads(warm.run("ps", "--json").stdout)
    stopped = warm.run("stop")
    entered = warm.run("exec", "true")

    assert described["result"] == []
    assert re.search(r"1 waits for the next launches, \d+ MiB", listed.stderr), listed.stderr
    assert stopped.returncode == entered.returncode == 66
    assert len(_waiting(warm)) == 1


def test_a_launch_that_entered_is_a_launch_like_others(warm: Launcher) -> None:
    child = warm.start("shell", stdin=subprocess.PIPE)
    assert child.stdin
    child.stdin.write("exec sleep 1000\n")
    child.stdin.flush()
    rows: list[dict[str, Any]] = []

    def is_listed() -> bool:
        rows[:] = json.loads(warm.run("ps", "--json").stdout)["result"]
        return bool(rows)

    wait_until(is_listed, "it is listed")
    (row,) = rows
    inside_it = warm.run("exec", "bash", "-c", "echo $http_proxy; pwd")

    assert row["launcher"] == "alive"
    assert row["name"] in inside_it.stdout, inside_it.stderr
    assert inside_it.stdout.splitlines()[1] == str(warm.project)
    printed = warm.run("logs")
    assert printed.returncode == 66
    assert "nobody keeps what" in printed.stderr
    assert warm.run("stop").returncode == 0
    child.communicate(timeout=60)
    assert child.returncode != 0
    assert _ways(warm)[0]


def test_the_next_one_is_made_in_the_background_if_that_is_wanted(isolated: Launcher) -> None:
    isolated.environment["PINNACE_STANDBY"] = "1"

    first = isolated.run("run", "--", "--version")
    wait_until(lambda: len(_waiting(isolated)) == 1, "one waits")
    wait_until(lambda: bool(list(_records(isolated))), "it can be taken")
    second = isolated.run("run", "--", "--version")

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert _ways(isolated) == [False, True]
    wait_until(lambda: bool(list(_records(isolated))), "the next one can be taken")


def test_one_waits_by_itself_for_what_is_launched_again_and_again(isolated: Launcher) -> None:
    """Not for what is launched once, nor for a launch that no container can be made ahead of."""
    del isolated.environment["PINNACE_STANDBY"]

    for arguments in ((), (), ("--isolation", "open"), ("--isolation", "open")):
        assert isolated.run("run", *arguments, "--", "--version").returncode == 0

    wait_until(lambda: bool(_records(isolated)), "one can be taken")
    assert len(_waiting(isolated)) == 1
    assert isolated.run("run", "--", "--version").returncode == 0
    assert _ways(isolated) == [False] * 4 + [True]
    wait_until(lambda: bool(_records(isolated)), "the next one can be taken")


def _records(launcher: Launcher) -> list[Path]:
    return list(Path(launcher.environment["HOME"], _STATE, "standby").glob("*.json"))


def test_those_of_an_earlier_plan_go_when_new_ones_are_made(warm: Launcher) -> None:
    (old,) = _waiting(warm)
    warm.environment["PINNACE_MEMORY"] = "4g"

    _warmed(warm)

    (new,) = _waiting(warm)
    assert new != old


def test_they_are_dropped(isolated: Launcher) -> None:
    _warmed(isolated, "2")

    done = isolated.run("warm", "--drop")

    assert done.stdout.count("ended pinnace-standby-") == 2
    assert _waiting(isolated) == []
    assert "nothing waits here" in isolated.run("warm", "--drop").stderr


def test_a_record_that_somebody_made_up_ends_nobodys_container(
    warm: Launcher, isolated: Launcher
) -> None:
    (path,) = _records(warm)
    record = json.loads(path.read_text())
    mine = docker(
        "run",
        "-d",
        "--rm",
        docker("inspect", "-f", "{{.Image}}", record["container"]),
        "sleep",
        "100",
    )
    try:
        path.write_text(json.dumps({**record, "container": mine}))
        done = isolated.run("run", "--", "--version")
        assert done.returncode == 0, done.stderr
        assert _ways(warm) == [False]
        assert docker("inspect", "-f", "{{.State.Running}}", mine) == "true"
    finally:
        docker("rm", "-f", mine)


@pytest.mark.parametrize(
    "arguments", [("--review",), ("--isolation=open",), ("--secrets=secrets",)]
)
def test_some_launches_start_as_always(isolated: Launcher, arguments: tuple[str, ...]) -> None:
    (isolated.project / "secrets").write_text("A=b\n")
    (isolated.project / "secrets").chmod(0o600)

    refused = isolated.run("warm", *arguments)
    done = isolated.run("run", *arguments, "--", "--version")

    assert refused.returncode == 69, refused.stderr
    assert "no container can wait for this launch" in refused.stderr
    assert done.returncode == 0, done.stderr


def test_a_terminal_is_one_and_changes_its_size(
    warm: Launcher, api: MessagesApi, tmp_path: Path
) -> None:
    api.reply_with(Text("Nice to meet you"), Text("Still here"))
    terminal = Terminal(tmp_path / "tmux", warm.argv(), cwd=warm.project)
    with terminal.start(warm.environment):
        terminal.wait_for("\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}")
        terminal.type("hello", "Enter")
        terminal.wait_for("Nice to meet you")
        terminal.type("C-z")
        # Claude gives the terminal back for a moment: what is typed then is no key of its own.
        terminal.type("hello", "Enter")
        terminal.wait_for("Still here")
        terminal.type("C-c")
        terminal.type("C-c")
        terminal.wait_for("exit=0")
    assert _ways(warm) == [True]
    wait_until(lambda: _all(warm) == [], "the container is gone")


def test_dropping_needs_no_project(isolated: Launcher) -> None:
    _warmed(isolated)
    elsewhere = isolated.place / "elsewhere"
    elsewhere.mkdir()
    isolated.project = elsewhere
    isolated.environment["PWD"] = os.fspath(elsewhere)

    assert "nothing waits here" in isolated.run("warm", "--drop").stderr
    assert isolated.run("warm", "--drop", "--all").stdout.count("ended") == 1


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_nothing_of_one_launch_is_in_another(isolated: Launcher) -> None:
    """Files, what is in memory, processes, variables, history: each leaves them, each looks."""
    isolated.environment["PINNACE_STANDBY"] = "2"
    _warmed(isolated, "2")
    look = (
        "ls -A /tmp /dev/shm $HOME; pgrep -f 'sleep 1000'; env | grep -c LEFT; "
        "cat /proc/sysvipc/shm | wc -l; jobs; history | wc -l"
    )
    leave = (
        "export LEFT=1; touch /tmp/left $HOME/.left /dev/shm/left; "
        "setsid sleep 1000 >/dev/null 2>&1 & exit 0"
    )
    said = []
    count = 1000 if os.environ.get(VARIABLE) else 3
    for _ in range(count):
        wait_until(lambda: bool(_records(isolated)), "one waits")
        said.append(_said(isolated, f"{look}\n{leave}\n"))

    assert set(said) == {said[0]}
    assert "left" not in said[0]
    assert _ways(isolated) == [True] * count
    isolated.environment["PINNACE_STANDBY"] = "0"
    isolated.run("warm", "--drop")
