"""Layers and clones on a real engine: nothing of the project is written until it is taken over."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace_images import contract
from tests.engine.conftest import ONLY_ROOT, become, containers_of, docker
from tests.support.git import git
from tests.support.made_layers import age_all, tree
from tests.support.messages_api import Text, ToolUse
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = [pytest.mark.usefixtures("image"), pytest.mark.promise()]
UID, GID = 54321, 65000
NASTY = "a b,c:d\\e ü 'q'"
ME = "-c user.name=Ada -c user.email=ada@example.com"


@pytest.fixture
def project(launcher: Launcher) -> Path:
    """A project without git."""
    place = launcher.project
    (place / "src").mkdir()
    (place / "src" / "b").write_text("b\n")
    (place / "a").write_text("one\n")
    (place / "link").symlink_to("a")
    age_all(place)
    return place


@pytest.fixture
def repository(project: Path) -> Path:
    """Likewise with git, and work that is not committed."""
    git(project, "init", "-qb", "main", ".")
    (project / ".gitignore").write_text("*.log\n")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "first")
    (project / "a").write_text("one\nunstaged\n")
    (project / "staged").write_text("staged\n")
    git(project, "add", "staged")
    (project / "untracked").write_text("untracked\n")
    (project / "x.log").write_text("ignored\n")
    age_all(project)
    return project


def work(launcher: Launcher, mode: str, script: str, *, layer: str = "") -> str:
    """Run a shell where Claude would work; return what it printed."""
    launcher.environment |= {"PINNACE_WORKSPACE": mode, "PINNACE_LAYER": layer}
    if not layer:
        del launcher.environment["PINNACE_LAYER"]
    done = launcher.run("shell", text=f"set -e\n{script}")
    assert done.returncode == 0, done.stderr
    return f"{done.stdout}{done.stderr}"


def listed(launcher: Launcher) -> list[dict[str, object]]:
    done = launcher.run("review", "list", "--json")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout)["result"])


def state(launcher: Launcher) -> Path:
    return Path(launcher.environment["HOME"], ".local", "state", "pinnace", "layers")


@pytest.mark.parametrize("mode", ["review", "clone"])
def test_a_claude_works_and_its_user_takes_over(
    launcher: Launcher, project: Path, api: MessagesApi, mode: str
) -> None:
    script = f"cd {shlex.quote(str(project))}; echo two >> a; rm src/b; echo new > src/n; ls -a"
    api.reply_with(ToolUse("Bash", {"command": script}), Text("done"))
    before = tree(project)

    done = launcher.run(f"--{mode}", "--allowedTools", "Bash", "--", "-p", "work")

    assert done.stdout == "done\n", done.stderr
    assert "3 files changed; see: pinnace review" in done.stderr
    assert tree(project) == before, "nothing of the project was written"
    shown = launcher.run("review", "diff").stdout
    assert "+two" in shown
    assert "-b" in shown
    applied = launcher.run("review", "apply")
    assert applied.returncode == 0, applied.stderr
    assert tree(project) == {
        ".claude-version": before[".claude-version"],
        "a": "one\ntwo\n",
        "link": "-> a",
        "src/n": "new\n",
    }
    assert "it is gone" in applied.stderr
    assert listed(launcher) == []


@pytest.mark.parametrize("mode", ["review", "clone"])
def test_everything_can_be_written_and_nothing_is(
    launcher: Launcher, repository: Path, mode: str
) -> None:
    before = tree(repository)

    said = work(
        launcher,
        mode,
        "find . -mindepth 1 -delete; mkdir -p .git/hooks .vscode; echo x > .git/hooks/pre-commit;"
        "echo x > .vscode/tasks.json; ln -s / root; mkfifo pipe; ls -A",
    )

    assert ".vscode" in said
    assert tree(repository) == before
    overview = launcher.run("review").stdout
    assert ".vscode/tasks.json" in overview
    assert "it is taken over only by its name" in overview
    assert "root  (it is a link that leads out" in overview
    done = launcher.run("review", "drop")
    assert done.returncode == 0, done.stderr
    assert tree(repository) == before
    assert {path.name for path in state(launcher).iterdir()} <= {".work"}


@pytest.mark.parametrize("mode", ["review", "clone"])
def test_commits_come_back_as_references(launcher: Launcher, repository: Path, mode: str) -> None:
    said = work(
        launcher,
        mode,
        f"git status --short; git {ME} commit -qam inside; git switch -qc topic;"
        f"echo t > t; git add t; git {ME} commit -qm topic; git log --oneline",
    )

    assert " M a\nA  staged\n?? untracked\n" in said, "what was not committed was there"
    assert git(repository, "log", "--format=%s") == "first"
    (layer,) = listed(launcher)
    assert layer["commits"] == 2
    done = launcher.run("review", "apply")
    assert done.returncode == 0, done.stderr
    assert git(repository, "log", "--format=%s", "main") == "first", "no branch of the user's moved"
    refs = f"refs/pinnace/{layer['name']}"
    assert git(repository, "log", "--format=%s", f"{refs}/topic").split() == [
        "topic",
        "inside",
        "first",
    ]
    assert git(repository, "log", "--format=%s", f"{refs}/main").split() == ["inside", "first"]
    git(repository, "fsck", "--strict")
    assert listed(launcher) == []


@pytest.mark.parametrize("mode", ["review", "clone"])
def test_a_days_work(launcher: Launcher, repository: Path, mode: str) -> None:
    hook = repository / ".git" / "hooks" / "commit-msg"
    hook.write_text("#!/bin/sh\necho hook-ran\n")
    hook.chmod(0o755)

    said = work(
        launcher,
        mode,
        """
        git config user.name Ada; git config user.email ada@example.com
        git commit -qam work; git switch -qc topic main~1; echo t > t; git add t
        git commit -qm topic; git rebase -q main; git switch -q main; git merge -q topic; git tag v1
        echo s >> a; git stash -q; git stash pop -q; git checkout -q a
        git worktree add -q linked -b side; git worktree list; git worktree remove linked
        git init -q --bare /tmp/remote.git; git remote add away /tmp/remote.git
        git push -q -u away main topic; git fetch -q away; git gc -q; git fsck
        mkdir .husky; printf '#!/bin/sh\necho husky-ran\n' > .husky/pre-commit
        chmod +x .husky/pre-commit; git config core.hooksPath .husky
        git add -A; git commit -qm husky; git log --oneline
        """,
    )

    assert "hook-ran" in said, "the user's hook is there"
    assert "husky-ran" in said
    done = launcher.run("review", "apply")
    assert done.returncode == 65, done.stderr
    assert "left .husky/pre-commit: git runs it" in done.stdout
    (layer,) = listed(launcher)
    merged = f"refs/pinnace/{layer['name']}/main"
    assert git(repository, "log", "--format=%s", merged).split() == [
        "husky",
        "topic",
        "work",
        "first",
    ]
    assert git(repository, "status", "--short").split("\n")[0]
    git(repository, "fsck", "--strict")


def test_what_git_ignores_is_not_in_a_clone(launcher: Launcher, repository: Path) -> None:
    assert "x.log" not in work(launcher, "clone", "ls -A; echo y > y.log")

    done = launcher.run("review", "diff")
    assert (done.stdout, done.returncode) == ("", 0)
    assert "+y" in launcher.run("review", "diff", "y.log").stdout
    assert not (repository / "y.log").exists()


@pytest.mark.parametrize("mode", ["review", "clone"])
def test_submodules_work_and_come_back(
    launcher: Launcher, repository: Path, tmp_path: Path, mode: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-qb", "main", ".")
    git(other, "commit", "-q", "--allow-empty", "-m", "other")
    git(repository, "submodule", "--quiet", "add", str(other), "part")
    git(repository, "commit", "-qm", "part")
    age_all(repository)

    work(
        launcher,
        mode,
        f"git submodule status; cd part; echo p > p; git add p; git {ME} commit -qm deep;"
        f"cd ..; git {ME} commit -qam bump",
    )
    done = launcher.run("review", "apply")

    assert done.returncode == 0, done.stderr
    assert "of part" in done.stdout
    (found,) = git(
        repository / "part", "for-each-ref", "--format=%(refname)", "refs/pinnace"
    ).split()
    assert git(repository / "part", "log", "--format=%s", found).split() == ["deep", "other"]


def test_a_linked_worktree_is_cloned_and_it_is_said(
    launcher: Launcher, repository: Path, tmp_path: Path
) -> None:
    place = tmp_path / "linked"
    git(repository, "worktree", "add", "-q", str(place), "-b", "side")
    launcher.project = place
    launcher.environment["PWD"] = str(place)
    age_all(place)

    said = work(launcher, "review", f"echo w > w; git add w; git {ME} commit -qm side; git status")

    assert "a clone instead of a layer: the project's git directory lies elsewhere" in said
    assert "On branch side" in said
    assert not (place / "w").exists()
    assert git(repository, "log", "--format=%s", "side") == "first"
    assert launcher.run("review", "apply").returncode == 0
    assert "side" in git(repository, "for-each-ref", "refs/pinnace")
    assert (place / "w").read_text() == "w\n"


def test_several_agents_work_side_by_side(launcher: Launcher, project: Path) -> None:
    for text in ("first", "second"):
        work(launcher, "review", f"echo {text} > a; echo {text} > {text}")
    first, second = [str(layer["name"]) for layer in listed(launcher)]

    assert launcher.run("review", "apply").returncode == 64, "which of them?"
    assert launcher.run("review", "apply", "--layer", second).returncode == 0
    done = launcher.run("review", "apply", "--layer", first)

    assert done.returncode == 65
    assert "left a: it was changed here, too" in done.stdout
    assert (project / "a").read_text() == "second\n"
    assert (project / "first").read_text() == "first\n"
    assert [layer["conflicts"] for layer in listed(launcher)] == [1]


def test_a_layer_is_gone_on_with(launcher: Launcher, project: Path) -> None:
    work(launcher, "review", "echo 1 > one")
    (layer,) = listed(launcher)

    said = work(launcher, "bind", "cat one; echo 2 > two", layer=str(layer["name"]))

    assert "1\n" in said
    assert not (project / "two").exists()
    (again,) = listed(launcher)
    assert (again["name"], again["files"]) == (layer["name"], 2)


def test_it_is_looked_at_and_taken_over_while_it_runs(launcher: Launcher, project: Path) -> None:
    launcher.environment["PINNACE_WORKSPACE"] = "review"
    child = launcher.start("shell", stdin=subprocess.PIPE)
    assert child.stdin
    child.stdin.write("echo 1 > one\n")
    child.stdin.flush()
    wait_until(lambda: any(layer["files"] for layer in listed(launcher)), "the launch works")
    (layer,) = listed(launcher)
    assert layer["state"] == "running"
    assert launcher.run("review", "drop").returncode == 75, "it would be lost under it"
    assert launcher.run("review", "apply").returncode == 0
    assert (project / "one").read_text() == "1\n"

    child.stdin.write("echo 2 >> one; exit\n")
    child.stdin.flush()
    assert child.wait(timeout=120) == 0
    assert (project / "one").read_text() == "1\n"
    assert "+2" in launcher.run("review", "diff").stdout


def test_a_killed_launcher_leaves_its_layer(launcher: Launcher, project: Path) -> None:
    launcher.environment["PINNACE_WORKSPACE"] = "review"
    child = launcher.start("shell", stdin=subprocess.PIPE)
    assert child.stdin
    child.stdin.write("echo 1 > one\n")
    child.stdin.flush()
    wait_until(lambda: any(layer["files"] for layer in listed(launcher)), "the launch works")
    child.kill()
    child.wait()
    for container in containers_of(project):
        docker("rm", "--force", "--volumes", container)

    (layer,) = listed(launcher)
    assert (layer["state"], layer["files"]) == ("ended", 1)
    assert launcher.run("review", "apply").returncode == 0
    assert (project / "one").read_text() == "1\n"


def test_nothing_is_left_of_a_launch_that_changed_nothing(
    launcher: Launcher, project: Path
) -> None:
    before = set(docker("volume", "ls", "-q").split())
    said = work(launcher, "review", "ls")

    assert "see: pinnace review" not in said
    assert listed(launcher) == []
    assert project.exists()
    mine = [v for v in set(docker("volume", "ls", "-q").split()) - before if "demo" in v]
    assert mine == []


@ONLY_ROOT
@pytest.mark.parametrize("mode", ["review", "clone"])
def test_an_ordinary_user_reads_and_drops_what_was_written(
    launcher: Launcher, repository: Path, mode: str
) -> None:
    """The kernel's marks and leftovers are root's: they must not be in the way."""
    for path in (launcher.place, *launcher.place.rglob("*")):
        os.chown(path, UID, GID, follow_symlinks=False)
    age_all(repository)
    become(launcher, UID, GID)

    work(
        launcher,
        mode,
        "rm -r src; mkdir src; echo n > src/n; rm a; chmod 700 src; mkdir closed; echo x > closed/x"
        f"; chmod 500 closed; git add -A; git {ME} commit -qm mine",
    )
    done = launcher.run("review", "apply")

    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert sorted(path.name for path in (repository / "src").iterdir()) == ["n"]
    assert not (repository / "a").exists()
    owners = {path.lstat().st_uid for path in repository.rglob("*")}
    assert owners == {UID}
    assert listed(launcher) == []
    # The work directory that the kernel has left is taken again.
    work(launcher, mode, "rm staged")
    assert launcher.run("review", "drop").returncode == 0


def test_any_path_can_have_a_layer(launcher: Launcher) -> None:
    place = launcher.place / NASTY
    place.mkdir()
    (place / ".claude-version").write_text((launcher.project / ".claude-version").read_text())
    (place / "a").write_text("a\n")
    launcher.project = place
    launcher.environment["PWD"] = str(place)

    said = work(launcher, "review", "cat a; echo b > b")

    assert "a clone instead" not in said
    assert launcher.run("review", "apply").returncode == 0
    assert (place / "b").read_text() == "b\n"


def test_locked_needs_no_layer(launcher: Launcher, project: Path) -> None:
    launcher.environment["PINNACE_ISOLATION"] = "locked"
    said = work(launcher, "review", "touch x 2>&1 || echo refused")

    assert "refused" in said
    assert "there is no layer" in said
    assert project.is_dir()


def test_a_launch_of_its_label_is_the_projects(launcher: Launcher, project: Path) -> None:
    """`ps`, `stop` and the like find it by the project, not by where it writes."""
    launcher.environment["PINNACE_WORKSPACE"] = "review"
    child = launcher.start("shell", stdin=subprocess.PIPE)
    try:
        wait_until(lambda: bool(containers_of(project)), "the launch works")
        (container,) = containers_of(project)
        shown = docker("inspect", "--format={{json .Config.Labels}}", container)
        assert json.loads(shown)[contract.LABEL_RUN_WORKSPACE] == str(project)
    finally:
        assert child.stdin
        child.stdin.close()
        child.wait(timeout=120)
