"""What launches of one plan keep for each other, where somebody asked for that: a home, reset."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import pytest

from pinnace import Pinnace
from pinnace_images import contract
from tests.engine.conftest import ONLY_ROOT, VERSION, become, launches_noted
from tests.engine.test_standby import _all, _records, _waiting
from tests.support.refilling import settled
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher

pytestmark = pytest.mark.usefixtures("image")
_HOMES: Final = Path(".local", "state", "pinnace", "homes")
_LEAVE: Final = "mkdir -p ~/.cache/pip ~/.local/bin; echo kept >~/.cache/pip/left; "
_LOOK: Final = "cat ~/.cache/pip/left 2>/dev/null || echo nothing\n"


@pytest.fixture
def settling(isolated: Launcher) -> Iterator[Launcher]:
    """`pinnace`, and in the end nobody makes a container ahead any more."""
    yield isolated
    settled(isolated.environment["HOME"])


@pytest.fixture
def reusing(settling: Launcher) -> Launcher:
    """`pinnace` in a project whose user wants launches to find what those before have kept."""
    settling.environment |= {"PINNACE_REUSE": "project", "PINNACE_STANDBY": "auto"}
    return settling


def _said(launcher: Launcher, script: str) -> str:
    done = launcher.run("shell", text=script)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _homes(launcher: Launcher) -> list[Path]:
    """Return the homes that are there, also those that are just being removed."""
    return list(Path(launcher.environment["HOME"], _HOMES).glob("*/home"))


def _settled(launcher: Launcher) -> None:
    wait_until(lambda: len(_records(launcher)) == 1, "the next one waits")


def test_the_next_launch_enters_what_waits_and_finds_what_is_kept(reusing: Launcher) -> None:
    _said(reusing, _LEAVE)
    _settled(reusing)
    second = _said(reusing, _LOOK)
    _settled(reusing)
    third = _said(reusing, _LOOK)

    assert (second, third) == ("kept\n", "kept\n")
    assert ["standby" in one for one in launches_noted(reusing)] == [False, True, True]
    (home,) = _homes(reusing)
    assert [one["reuse"] for one in launches_noted(reusing)] == ["project"] * 3
    assert {one["source"] for one in launches_noted(reusing)[0]["mounts"]} >= {str(home)}


def test_claude_runs_there(reusing: Launcher) -> None:
    first = reusing.run("run", "--", "-p", text="say hi\n")
    second = reusing.run("run", "--", "-p", text="say hi\n")

    for done in (first, second):
        assert (done.returncode, done.stdout) == (0, "Hello from the stand-in\n"), done.stderr


def test_launches_that_follow_at_once_find_it_too(reusing: Launcher) -> None:
    """Also where the next container is just being made."""
    _said(reusing, _LEAVE)

    assert [_said(reusing, _LOOK) for _ in range(3)] == ["kept\n"] * 3


def test_it_is_kept_where_nothing_is_to_wait(reusing: Launcher) -> None:
    reusing.environment["PINNACE_STANDBY"] = "0"
    _said(reusing, _LEAVE)
    settled(reusing.environment["HOME"])

    assert _waiting(reusing) == []
    assert _said(reusing, _LOOK) == "kept\n"


def test_nobody_has_it_who_did_not_ask(isolated: Launcher) -> None:
    _said(isolated, _LEAVE)

    assert _said(isolated, _LOOK) == "nothing\n"
    assert _homes(isolated) == []


@pytest.mark.parametrize(
    "change",
    [
        {"PINNACE_MEMORY": "4g"},
        {"PINNACE_ALLOW": "example.com"},
        {"PINNACE_ISOLATION": "locked"},
        {"ANTHROPIC_API_KEY": "sk-ant-another-0123456789abcdefghij"},
        {"PINNACE_REUSE": "never"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_plan_does_not_find_it(reusing: Launcher, change: dict[str, str]) -> None:
    _said(reusing, _LEAVE)
    reusing.environment |= change

    assert _said(reusing, _LOOK) == "nothing\n"


def test_what_another_plan_has_kept_is_thrown_away(reusing: Launcher) -> None:
    _said(reusing, _LEAVE)
    (old,) = _homes(reusing)
    reusing.environment["PINNACE_MEMORY"] = "4g"

    _said(reusing, _LEAVE)

    wait_until(lambda: len(_homes(reusing)) == 1, "it is gone")
    assert _homes(reusing) != [old]


def _begun(launcher: Launcher, script: str) -> subprocess.Popen[str]:
    child = launcher.start("shell", stdin=subprocess.PIPE)
    assert child.stdin
    child.stdin.write(f"touch begun; {script}\n")
    child.stdin.flush()
    wait_until((launcher.project / "begun").exists, "it runs")
    return child


def test_two_at_once_are_never_in_one(reusing: Launcher) -> None:
    _said(reusing, _LEAVE)
    first = _begun(reusing, "cat ~/.cache/pip/left; exec cat")

    second = reusing.run("run", "--", "--version")
    said, _ = first.communicate()

    assert (second.returncode, second.stdout) == (0, f"{VERSION} (Claude Code)\n")
    assert "another launch is in the home that is kept" in second.stderr
    assert said == "kept\n"
    assert ["reuse" in one for one in launches_noted(reusing)] == [True, True, False]
    assert _said(reusing, _LOOK) == "kept\n"


def test_nobody_enters_what_a_killed_launcher_has_left_running(reusing: Launcher) -> None:
    _said(reusing, _LEAVE)
    first = _begun(reusing, "sleep 1000")
    first.kill()
    first.wait()

    second = reusing.run("run", "--", "--version")

    assert "another launch is in the home that is kept" in second.stderr
    assert "reuse" not in launches_noted(reusing)[-1]
    wait_until(lambda: not set(_all(reusing)) - set(_waiting(reusing)), "it is gone")
    wait_until(lambda: _said(reusing, _LOOK) == "kept\n", "it is entered again")


def test_it_is_listed_and_dropped(reusing: Launcher) -> None:
    _said(reusing, _LEAVE)
    _settled(reusing)

    listed = reusing.run("ps")
    dropped = reusing.run("warm", "--drop")

    assert "kept for the next launches (run.reuse): 0 MiB" in listed.stderr
    assert "1 waits for the next launches" in listed.stderr
    assert "removed what launches kept (run.reuse): 1" in dropped.stdout
    assert _homes(reusing) == []
    assert _waiting(reusing) == []
    assert _said(reusing, _LOOK) == "nothing\n"


def test_sessions_have_their_own(settling: Launcher) -> None:
    settling.environment["PINNACE_REUSE"] = "session"
    for name in ("one", "two", "one"):
        done = settling.run("run", "--session", name, "--", "-p", text="say hi\n")
        assert done.returncode == 0, done.stderr

    unnamed = settling.run("run", "--", "-p", text="say hi\n")

    assert len(_homes(settling)) == 2
    assert "it names no session" in unnamed.stderr


@ONLY_ROOT
@pytest.mark.parametrize("by_root", [True, False])
def test_it_belongs_to_who_claude_runs_as(reusing: Launcher, *, by_root: bool) -> None:
    uid, gid = 54321, 65000
    os.chown(reusing.project, uid, gid)
    if not by_root:
        os.chown(reusing.environment["HOME"], uid, gid)
        become(reusing, uid, gid)
    _said(reusing, f"{_LEAVE} touch ~/.bashrc")

    assert _said(reusing, f"ls -A ~; {_LOOK}").splitlines()[-1] == "kept"
    (home,) = _homes(reusing)
    owners = {(one.lstat().st_uid, one.lstat().st_gid) for one in (home, *home.rglob("*"))}
    assert owners == {(uid, gid)}


def test_a_detached_launch_has_it_too(reusing: Launcher) -> None:
    _said(reusing, _LEAVE)
    begun = reusing.run("run", "--detach", "-p", text="say hi\n")
    assert begun.returncode == 0, begun.stderr
    ended = reusing.run("wait", begun.stdout.strip())

    assert ended.returncode == 0, ended.stderr
    assert [one["reuse"] for one in launches_noted(reusing)] == ["project"] * 2
    assert _said(reusing, _LOOK) == "kept\n"


def test_a_dry_run_shows_it_and_writes_nothing(reusing: Launcher) -> None:
    shown = reusing.run("run", "--dry-run", "--", "--version")

    assert shown.returncode == 0, shown.stderr
    assert str(_HOMES) in shown.stdout
    assert f"--tmpfs={contract.HOME}:" not in shown.stdout
    assert _homes(reusing) == []


def test_doctor_says_what_waits_and_what_is_kept(reusing: Launcher) -> None:
    _said(reusing, _LEAVE)
    _settled(reusing)

    checks = json.loads(reusing.run("doctor", "--json").stdout)["result"]["checks"]

    (found,) = (check["found"] for check in checks if check["name"] == "standby")
    assert re.fullmatch(
        r"\d+ containers?, \d+ MiB; wanted here: 1 \(run.standby\), of other launches 4 at most; "
        r"1 homes? kept, \d+ MiB \(run.reuse\)",
        found,
    )


def test_some_launches_keep_nothing_and_say_so(reusing: Launcher) -> None:
    done = reusing.run("run", "--review", "--", "--version")

    assert (done.returncode, done.stdout) == (0, f"{VERSION} (Claude Code)\n")
    assert "run.reuse: nothing is kept of this launch" in done.stderr


def test_a_project_cannot_turn_it_on(isolated: Launcher) -> None:
    (isolated.project / "pinnace.toml").write_text('[run]\nreuse = "project"\n')

    _said(isolated, _LEAVE)

    assert _homes(isolated) == []


@pytest.mark.usefixtures("settling")
def test_calls_of_a_program_have_it(at_home: Launcher) -> None:
    env = {n: v for n, v in at_home.environment.items() if n.startswith("ANTHROPIC_")}
    box = Pinnace(at_home.project, reuse="project", isolation="standard", env=env)

    async def calls() -> list[str]:
        return [(await box.claude("hi")).text for _ in range(2)]

    assert anyio.run(calls) == ["Hello from the stand-in"] * 2
    assert len(_homes(at_home)) == 1
    assert [one["reuse"] for one in launches_noted(at_home)] == ["project"] * 2
