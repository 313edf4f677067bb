"""What is mounted besides the workspace, seen from inside a container of the real engine."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.conftest import ONLY_ROOT, VERSION, Launcher, become
from tests.support import pasting
from tests.support.flags import flags
from tests.support.messages_api import MessagesApi, Text, ToolUse
from tests.support.ssh_agent import ssh_agent

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.usefixtures("image"), pytest.mark.promise()]
UID, GID = 54321, 65000
BASH = ("--allowedTools", "Bash")
NASTY = ("srv", "a b,c:d", "ü 'q'", "$HOME -x")


def inside(
    launcher: Launcher, script: str, *, project: Path | None = None, **settings: Any
) -> subprocess.CompletedProcess[str]:
    """Run a shell where Claude would run."""
    if project:
        launcher.project = project
        launcher.environment["PWD"] = str(project)
    words = pasting.words(launcher.printed(*flags(claude_version=VERSION, **settings)))
    argv = [*words[: words.index("/opt/claude/bin/claude")], "sh", "-ec", script]
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, env=launcher.environment
    )


def git(launcher: Launcher, *arguments: str, cwd: Path, **options: Any) -> str:
    allowed = ("-c", "protocol.file.allow=always")
    done = subprocess.run(
        ["git", *allowed, *arguments],
        cwd=cwd,
        env=launcher.environment,
        check=True,
        capture_output=True,
        text=True,
        **options,
    )
    return str(done.stdout)


@pytest.fixture
def configured(launcher: Launcher) -> Launcher:
    """A user with a git configuration."""
    (Path(launcher.environment["HOME"]) / ".gitconfig").write_text(
        "[user]\n\tname = Ada Löwe\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n"
        "[credential]\n\thelper = store\n[core]\n\texcludesFile = ~/ignored\n"
        "[commit]\n\tgpgsign = true\n"
    )
    (Path(launcher.environment["HOME"]) / "ignored").write_text("*.ignored\n")
    return launcher


@pytest.fixture
def repository(configured: Launcher, tmp_path: Path) -> Path:
    place = tmp_path / "main repository"
    place.mkdir()
    git(configured, "init", "-q", ".", cwd=place)
    git(
        configured,
        "-c",
        "commit.gpgsign=false",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "first",
        cwd=place,
    )
    return place


COMMIT = "git status --short; echo a > a; echo b > b.ignored; git add -A; git commit -qm inside"
SHOW = ("log", "-1", "--format=%an <%ae> %s", "--name-only")


def test_git_works_in_a_worktree(configured: Launcher, repository: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    git(configured, "worktree", "add", "-q", str(tree), cwd=repository)

    done = inside(
        configured,
        f"{COMMIT}; git worktree list; git config --get credential.helper || :",
        project=tree,
    )

    assert done.returncode == 0, done.stderr
    assert "store" not in done.stdout
    shown = git(configured, *SHOW, cwd=tree).split("\n")
    assert shown[:3] == ["Ada Löwe <ada@example.com> inside", "", "a"]
    assert git(configured, "status", "--short", cwd=tree) == ""
    assert (tree / "a").stat().st_uid == os.getuid()


def test_git_works_in_a_submodule(configured: Launcher, repository: Path, tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir()
    git(configured, "init", "-q", ".", cwd=above)
    git(configured, "submodule", "--quiet", "add", str(repository), "part", cwd=above)

    done = inside(configured, f"{COMMIT}; ls {shlex.quote(str(above))}", project=above / "part")

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["part"], "nothing else of the repository above is there"
    assert git(configured, *SHOW, cwd=above / "part").startswith(
        "Ada Löwe <ada@example.com> inside"
    )


def test_gc_inside_does_not_forget_worktrees_elsewhere(
    configured: Launcher, repository: Path, tmp_path: Path
) -> None:
    git(configured, "worktree", "add", "-q", str(tmp_path / "tree"), cwd=repository)
    pointer = repository / ".git" / "worktrees" / "tree" / "gitdir"
    for path in (pointer, pointer.parent / "index"):
        os.utime(path, (10**9, 10**9))

    done = inside(configured, "git gc -q", project=repository)

    assert done.returncode == 0, done.stderr
    assert pointer.exists()


def test_the_users_configuration_is_read_only(configured: Launcher, repository: Path) -> None:
    done = inside(configured, "git config --global user.name Mallory", project=repository)

    assert done.returncode != 0
    assert "ould not lock config file" in done.stderr


@ONLY_ROOT
def test_another_owner_of_the_workspace_does_not_stop_git(
    configured: Launcher, repository: Path
) -> None:
    done = inside(configured, "id -u; git log --format=%s", project=repository, user="agent")

    assert (done.stdout, done.stderr) == ("1000\nfirst\n", "")


def test_mounts_and_caches_that_were_asked_for(launcher: Launcher, tmp_path: Path) -> None:
    data, nested = tmp_path / "the, data", tmp_path / "nested"
    (data / "below").mkdir(parents=True)
    nested.mkdir()
    (nested / "x").write_text("nested\n")
    mounts = [f"{nested}:/data/below:rw", f"{data}:/data"]
    caches = ["npm", "pip", "go"]

    script = (
        "cat /data/below/x; echo y > /data/below/y; touch /data/y 2>&1 || echo refused; "
        'echo z > "$npm_config_cache/z"; echo z > "$PIP_CACHE_DIR/z"; mkdir -p "$GOMODCACHE"'
    )
    done = inside(launcher, script, mounts=mounts, caches=caches)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nested\n")
    assert done.stdout.endswith("refused\n")
    assert (nested / "y").stat().st_uid == os.getuid()
    again = inside(launcher, 'cat "$npm_config_cache/z"', caches=caches)
    assert again.stdout == "z\n"


def as_somebody(launcher: Launcher, *places: Path) -> Launcher:
    for place in (*places, Path(launcher.environment["HOME"])):
        for path in (place, *place.rglob("*")):
            os.chown(path, UID, GID)
    launcher.environment["XDG_CACHE_HOME"] = f"{launcher.environment['HOME']}/cache"
    become(launcher, UID, GID)
    return launcher


@ONLY_ROOT
def test_any_user_in_a_directory_of_any_name(
    configured: Launcher, api: MessagesApi, tmp_path: Path
) -> None:
    project = tmp_path.joinpath(*NASTY)
    project.mkdir(parents=True)
    (project / ".claude-version").write_text(f"{VERSION}\n")
    configured.project = project
    configured.environment["PWD"] = str(project)
    as_somebody(configured, project)
    command = "git init -q . && pwd > where && git add -A && git commit -qm 'by Claude'"
    api.reply_with(ToolUse("Bash", {"command": command, "description": "commit"}), Text("made it"))

    done = configured.run("run", "--", "-p", "remember the blue door", *BASH)

    assert done.returncode == 0, done.stderr + done.stdout
    assert (project / "where").read_text() == f"{project}\n"
    made = [project / "where", *(project / ".git").rglob("*")]
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in made} == {(UID, GID)}
    shown = git(configured, *SHOW, cwd=project, user=UID, group=GID, extra_groups=[])
    assert shown.startswith("Ada Löwe <ada@example.com> by Claude")

    api.reply_with(Text("it was blue"))
    done = configured.run("run", "--", "-p", "--continue", "which door?")

    assert (done.returncode, done.stdout) == (0, "it was blue\n"), done.stderr
    assert "remember the blue door" in json.dumps(api.requests[-1]["messages"])


@pytest.mark.parametrize(
    "name", ["-x", "a\nb", "a\tb", 'say "hi"', "a=b", "a,readonly", "ü\U0001f600", " a", "~", "%x%"]
)
def test_a_directory_of_this_name_can_be_mounted(
    launcher: Launcher, name: str, tmp_path: Path
) -> None:
    place = tmp_path / "within" / name / "project"
    place.mkdir(parents=True)

    done = inside(launcher, "pwd > made", project=place)

    # Not by what the engine's client prints: of what is written last, the engine may drop some when
    # its machine is busy (it waits two seconds for it).
    assert done.returncode == 0, done.stderr
    assert (place / "made").read_text() == f"{place}\n"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """A real agent of the other user, with a key."""
    home = tmp_path / "agent"
    home.mkdir()
    os.chown(home, UID, GID)
    # Those that make and add the key ask for their user's name, and the other one has none.
    key = home / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a key", "-f", key], check=True
    )
    with ssh_agent(home / "sock", key, user=UID, group=GID, extra_groups=[]):
        yield home


@ONLY_ROOT
def test_an_agent_signs_inside_and_no_key_is_there(launcher: Launcher, agent: Path) -> None:
    home = Path(launcher.environment["HOME"])
    (home / ".ssh").mkdir()
    public = (agent / "key.pub").read_text()
    (home / ".ssh" / "known_hosts").write_text(f"example.com {public}")
    (home / ".ssh" / "id_ed25519").write_text("canary")
    as_somebody(launcher, launcher.project)
    launcher.environment["SSH_AUTH_SOCK"] = str(agent / "sock")

    script = (
        "id -u; ssh-add -L; ssh-keygen -F example.com -f /etc/ssh/ssh_known_hosts; "
        "ssh-add -L > /tmp/key; echo x | ssh-keygen -qY sign -f /tmp/key -n file | head -1; "
        "ls -A ~ ; grep -rs canary /home /etc /run /tmp || :"
    )
    done = inside(launcher, script, ssh_agent=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{UID}\n{public}# Host example.com found")
    assert "-----BEGIN SSH SIGNATURE-----" in done.stdout
    assert ".ssh" not in done.stdout.split("\n")
    assert "canary" not in done.stdout
