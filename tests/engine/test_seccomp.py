"""Which system calls there are inside, seen from there; and that work goes on."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace_core.container import SECCOMP
from tests.support import system_calls

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher

pytestmark = pytest.mark.promise()
_PROGRAM: Final = Path(system_calls.__file__)
_MISSING: Final = ("clone3", "openat2", "fchmodat2", "i386 socketcall")
_ALLOWED: Final = ("socket inet", "i386 socket inet")
_ODD: Final = {"socket inet, hidden": "EPERM", "socketpair inet": "ENOTSUP"}


def _expected(label: str) -> str:
    if label in _ODD:
        return _ODD[label]
    if label.startswith(_MISSING):
        return "ENOSYS"
    return "ok" if label.endswith((" 755", "of what is there")) or label in _ALLOWED else "EPERM"


def _inside(launcher: Launcher, what: str) -> Any:
    shutil.copy(_PROGRAM, launcher.project / "calls.py")
    done = launcher.run("shell", text=f"exec python3 calls.py {what}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_refused_is_refused_and_all_else_goes_on(launcher: Launcher) -> None:
    said = _inside(launcher, "attempts")

    assert said == {label: _expected(label) for label in said}
    assert {"chmod 4755", "i386 chmod 4755"} <= set(said) or platform.machine() != "x86_64"


def test_nothing_is_there_that_the_engine_refuses_by_itself(launcher: Launcher, image: str) -> None:
    bare = [
        "docker",
        "run",
        "--rm",
        "-i",
        "--init",
        "--network=none",
        "--entrypoint=",
        "--read-only",
    ]
    bare += ["--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=1000"]
    program = _PROGRAM.read_bytes()
    done = subprocess.run(
        [*bare, image, "python3", "-", "refused"], input=program, capture_output=True, check=True
    )

    by_itself = set(json.loads(done.stdout))
    assert len(by_itself) > 50
    assert by_itself <= set(_inside(launcher, "refused"))


def test_the_profile_is_what_a_launch_names(launcher: Launcher) -> None:
    assert f"--security-opt=seccomp={SECCOMP}" in launcher.printed()


def test_a_second_program_inside_has_no_more(launcher: Launcher) -> None:
    script = "grep -h ^Seccomp: /proc/self/status; setsid cat /proc/self/status | grep ^Seccomp:"

    assert launcher.run("shell", text=script).stdout.split() == ["Seccomp:", "2"] * 2


def test_daily_tools_do_their_work(launcher: Launcher) -> None:
    script = """
        set -e
        export GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=e GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=e
        git init -q a; echo 1 >a/f; git -C a add f; git -C a commit -qm x
        git clone -q a b; git -C b gc -q; git -C b worktree add -q ../c
        install -d -m 1777 d; install -m 755 b/f d/program
        tar -cpf t.tar b d; mkdir e; tar -xpf t.tar -C e; cp -a e/d g; chmod -R go-w,u+x g
        python3 -m venv v; v/bin/pip --version >/dev/null
        v/bin/python - <<'END'
import asyncio, concurrent.futures as futures, multiprocessing, shutil, subprocess, threading
with futures.ThreadPoolExecutor(20) as pool:
    assert sum(pool.map(len, ["x"] * 200)) == 200
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(len, ["ab", "c"]) == [2, 1]
async def ask():
    child = await asyncio.create_subprocess_exec("true")
    return await child.wait()
assert asyncio.run(ask()) == 0
shutil.copytree("b", "h", symlinks=True)
shutil.unpack_archive("t.tar", "i", filter="data")
END
        echo done
    """

    done = launcher.run("shell", text=script)

    assert done.stdout.endswith("done\n"), done.stderr + done.stdout


def test_no_archive_brings_set_id_bits(launcher: Launcher) -> None:
    program = launcher.project / "program"
    program.touch()
    program.chmod(0o6755)
    subprocess.run(["tar", "-cf", "t.tar", "program"], cwd=launcher.project, check=True)
    program.unlink()

    done = launcher.run("shell", text="tar --no-same-permissions -xf t.tar && chmod u+s program")

    assert "Operation not permitted" in done.stderr
    assert program.stat().st_mode & 0o7777 == 0o755


def test_a_repository_that_is_shared_by_set_id_bits_is_said(launcher: Launcher) -> None:
    subprocess.run(["git", "init", "-q", "--shared"], cwd=launcher.project, check=True)

    done = launcher.run("run", "--", "--version")

    assert done.returncode == 0
    assert "core.sharedRepository" in done.stderr
