"""Users of any number, and projects that are shared through a group, on the real engine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.conftest import ONLY_ROOT, become, pass_on_builds
from tests.support import pasting

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher

pytestmark = [
    pytest.mark.usefixtures("image"),
    ONLY_ROOT,
]


def _as(launcher: Launcher, uid: int, gid: int, *groups: int) -> Launcher:
    os.chown(launcher.environment["HOME"], uid, gid)
    become(launcher, uid, gid, *groups)
    return launcher


def _inside(launcher: Launcher, script: str) -> str:
    """Run a script in the place of Claude."""
    argv = [
        *pasting.words(launcher.printed().split(" /opt/claude/bin/claude")[0]),
        "sh",
        "-c",
        script,
    ]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=launcher.project)
    return done.stdout


@pytest.mark.parametrize("ids", [(33, 100), (1234567890, 33), (2**31 - 1, 2**31 - 1)])
def test_any_ids_make_files_of_theirs(launcher: Launcher, ids: tuple[int, int]) -> None:
    os.chown(launcher.project, *ids)

    said = _inside(
        _as(launcher, *ids), "id -un; id -gn; touch made ~/x && git init -q . && echo ok"
    )

    assert said == "agent\nagent\nok\n"
    made = (launcher.project / "made").stat()
    assert (made.st_uid, made.st_gid) == ids


def test_a_project_that_is_open_through_a_group_can_be_written_to(launcher: Launcher) -> None:
    os.chown(launcher.project, 0, 777)
    launcher.project.chmod(0o2770)
    (launcher.project / ".claude-version").chmod(0o644)

    said = _inside(_as(launcher, 54321, 65000, 777, 778), "id -G; touch made && echo ok")

    assert said == "65000 777\nok\n"
    made = (launcher.project / "made").stat()
    assert (made.st_uid, made.st_gid) == (54321, 777)


def test_doctor_finds_nothing_wrong_and_probes_for_real(launcher: Launcher) -> None:
    os.chown(launcher.project, 54321, 65000)

    done = _as(launcher, 0, 0).run("doctor")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "a file made inside belongs to 54321:65000 outside" in done.stdout


def test_after_root_in_somebodys_home_they_can_still_launch(launcher: Launcher) -> None:
    # `sudo -E`, as the very first use, with root's usual umask in hardened systems.
    uid, gid = 54321, 65000
    home = Path(launcher.environment["HOME"])
    for place in (launcher.project, home):
        os.chown(place, uid, gid)
    # A build's client has files of its own there.
    pass_on_builds(home, owner=(uid, gid))
    launcher.environment["XDG_CACHE_HOME"] = str(home / ".cache")
    program, before = list(launcher.program), os.umask(0o077)
    try:
        done = launcher.run("shell", text="id -un; cat /etc/passwd; git config --list >/dev/null")
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("agent\n")
    # What a gateway makes is its own user's; it can be removed.
    own = {"gateway", "network"}
    there = (path for path in home.rglob("*") if not own.intersection(path.parts))
    assert [str(path) for path in there if path.lstat().st_uid != uid] == []

    become(launcher, uid, gid)
    assert launcher.run("run", "--", "--version").returncode == 0
    launcher.program = program
