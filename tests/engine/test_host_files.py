"""A day's work where what the host runs is read-only: git works, and what does not says so."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher

pytestmark = [pytest.mark.usefixtures("image"), pytest.mark.promise()]
_PREPARED = """
set -e
git init -q -b main lib && git -C lib commit -q --allow-empty -m i
git init -q --bare -b main remote.git
cd project && git init -q -b main
mkdir .husky .vscode
printf '#!/bin/sh\\necho husky ran\\n' > .husky/pre-commit && chmod +x .husky/pre-commit
printf '#!/bin/sh\\necho hook ran\\n' > .git/hooks/post-checkout
chmod +x .git/hooks/post-checkout
echo '{}' > .vscode/tasks.json && echo 1 > a
git -c protocol.file.allow=always submodule --quiet add ../lib part
git add . && git commit -qm i
git config core.hooksPath .husky
git remote add origin ../remote.git && git push -qu origin main
"""
_DAY = """
exec 2>&1
set -ex
echo 2 > a && git add a && git commit -m two
git checkout -q -b topic && echo 3 > b && git add b && git commit -qm three
git checkout -q main && echo 4 > c && git add c && git commit -qm four
git checkout -q topic && git rebase -q main
git push origin topic main
git fetch origin && git pull -q --ff-only origin topic
git stash list && echo 5 > a && git stash -q && git stash pop -q && git checkout -q a
git submodule update --init && git -C part commit -q --allow-empty -m p && git submodule status
git worktree add -q /tmp/tree main && git -C /tmp/tree log -1 && git worktree remove /tmp/tree
git merge -q --no-ff -m m main && git tag t && git gc -q && git fsck
git diff HEAD~1 && git log --oneline && git status --short
"""


@pytest.fixture
def working(launcher: Launcher) -> Launcher:
    """`pinnace` in a repository with a remote, a submodule, hooks and an editor's tasks."""
    home = Path(launcher.environment["HOME"])
    (home / ".gitconfig").write_text("[user]\n\tname = n\n\temail = n@example.com\n")
    _host(launcher, _PREPARED, launcher.place)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        del launcher.environment[name]
    mount = {"source": str(launcher.place / "remote.git"), "mode": "rw"}
    launcher.environment |= {
        "PINNACE_ISOLATION": "open",
        "PINNACE_MOUNTS": f"{mount['source']}:{mount['source']}:{mount['mode']}",
    }
    return launcher


def _host(launcher: Launcher, script: str, place: Path | None = None) -> str:
    done = subprocess.run(
        ["bash", "-c", script],
        check=True,
        cwd=place or launcher.project,
        env={"HOME": launcher.environment["HOME"], "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def test_a_days_work_goes_on_as_without(working: Launcher) -> None:
    done = working.run("shell", text=_DAY)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "husky ran" in done.stdout
    assert "this machine would run" not in done.stderr
    said = _host(working, "git status --short; git fsck; git log --format=%s topic; git remote -v")
    assert "three" in said
    assert _host(working, "git ls-remote origin | wc -l").strip() == "3"


def test_what_would_change_the_configuration_says_so_and_one_option_allows_it(
    working: Launcher,
) -> None:
    script = "git remote add other /x; git config --get remote.other.url"

    refused = working.run("shell", text=script)
    working.environment["PINNACE_WRITABLE"] = ".git/config"
    allowed = working.run("shell", text=script)

    assert "Device or resource busy" in refused.stderr
    assert refused.stdout == ""
    assert allowed.stdout == "/x\n", allowed.stderr
    assert "this machine would run" not in allowed.stderr, "a remote's address runs nothing"
    told = working.run("shell", text="cat /etc/claude-code/CLAUDE.md").stdout
    assert "pinnace run --writable PATH" in told


@pytest.mark.promise(each=True)
def test_hooks_of_the_user_run_and_are_not_written(working: Launcher) -> None:
    _host(working, "git config --unset core.hooksPath")

    said = working.run(
        "shell", text="exec 2>&1; git checkout -q -b y; touch .git/hooks/x; cat .git/commondir"
    ).stdout

    assert "hook ran" in said
    assert "Read-only file system" in said
    assert said.endswith("./\n")


@pytest.mark.promise(each=True)
def test_tracked_tasks_are_changed_and_reported(working: Launcher) -> None:
    script = """echo '{"tasks": []}' > .vscode/tasks.json; git commit -qam tasks; git status"""

    done = working.run("shell", text=script)

    assert "nothing to commit, working tree clean" in done.stdout
    assert ".vscode/tasks.json (VS Code)" in done.stderr
    assert "accepted .vscode/tasks.json" in working.run("review", "accept").stdout
    assert "tasks.json" not in working.run("shell", text="true").stderr


def test_a_worktrees_repository_is_guarded_too(working: Launcher) -> None:
    _host(working, "git worktree add -q ../tree; cp .claude-version ../tree")
    working.project = working.place / "tree"
    working.environment["PWD"] = str(working.project)
    script = """exec 2>&1
    cd $(git rev-parse --git-common-dir)
    touch hooks/x; git config a.b c; echo > commondir; cd $OLDPWD
    echo x > x; git add x; git commit -qm in-a-worktree; git log -1 --format=%s
    echo gitdir: /x > .git"""

    said = working.run("shell", text=script).stdout

    assert said.count("Read-only file system") == 3
    assert "Device or resource busy" in said
    assert "in-a-worktree" in said
    assert "in-a-worktree" in _host(working, "git log -1 --format=%s; git worktree list")


def test_a_dry_run_shows_what_is_read_only(working: Launcher) -> None:
    line = working.printed()

    place = f"{working.project}/.git/config"
    assert f"--mount=type=bind,source={place},target={place},readonly" in line
    shown = working.printed("--writable", ".git")
    assert f"{working.project}/.git/" not in shown


def test_nothing_of_it_waits_for_review_in_a_locked_project(working: Launcher) -> None:
    working.environment |= {"PINNACE_ISOLATION": "locked", "PINNACE_MOUNTS": ""}

    done = working.run("shell", text="exec 2>&1; touch x .git/config; git log -1 --format=%s")

    assert "Read-only file system" in done.stdout
    found = json.loads(working.run("review", "--json").stdout)["result"]
    assert found["findings"] == []
