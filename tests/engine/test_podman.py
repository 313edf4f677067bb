"""Podman for real: rootless as an ordinary user, and root's."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pinnace_images import contract
from tests.engine.conftest import VERSION, Launcher, docker
from tests.support import as_user, podman
from tests.support.made_layers import age_all, tree
from tests.support.messages_api import MessagesApi, ToolUse

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="only root can become podman's user"),
    pytest.mark.xdist_group("podman"),
]
_NASTY = "a b,c:d/ü 'q'/$HOME -x"
_LOOK = (
    "id -un; git init -q . && git status --short >/dev/null && echo git-works; "
    "cat /proc/self/status > status; touch /x /etc/x /run/x /opt/claude/x 2>/dev/null "
    "&& echo WRIT''ABLE; touch ~/x /tmp/x && echo scratch; stat -c %a ~ /tmp; "
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tmp_path / _NASTY
    made.mkdir(parents=True)
    (made / ".claude-version").write_text(f"{VERSION}\n", encoding="utf-8")
    return made


@pytest.fixture
def own(launcher: Launcher, api: MessagesApi, project: Path) -> Launcher:
    """Lead the launcher to podman, and what it runs to the API."""
    launcher.project = project
    launcher.environment |= {
        "PINNACE_ENGINE": "podman",
        "PWD": str(project),
        "ANTHROPIC_BASE_URL": api.url_for("127.0.0.1"),
    }
    return launcher


def _look(launcher: Launcher, api: MessagesApi) -> tuple[str, str]:
    """Let Claude look around; return what it saw, and what was said beside."""
    api.reply_with(ToolUse("Bash", {"command": _LOOK, "description": "look"}))
    done = launcher.run("run", "--", "-p", "look", "--allowedTools", "Bash")
    assert done.returncode == 0, done.stderr + done.stdout
    return json.dumps(api.requests[-1]["messages"]), done.stderr


def _is_contained(seen: str, project: Path) -> None:
    status = (project / "status").read_text(encoding="utf-8")
    assert "CapEff:\t0000000000000000" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "git-works" in seen
    assert "scratch\\n770\\n1777" in seen
    assert "WRITABLE" not in seen


def test_rootless_podman_gives_files_to_its_user_and_all_verbs_know_it(  # noqa: PLR0913, PLR0917 (fixtures)
    somebody: podman.PodmanUser,
    own: Launcher,
    api: MessagesApi,
    image: str,
    gateway_image: str,
    tmp_path: Path,
) -> None:
    assert gateway_image
    podman.load(json.loads(docker("image", "inspect", image))[0]["RepoTags"], somebody)
    podman.load([contract.GATEWAY_NAME], somebody)
    mine = {name: tmp_path / name for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME")}
    for directory in (own.project, *mine.values()):
        directory.mkdir(exist_ok=True)
        os.chown(directory, *somebody.ids)
    own.environment |= somebody.environment | {name: str(found) for name, found in mine.items()}
    own.environment |= as_user.readable(own.place / "modules")
    own.environment.pop("DOCKER_HOST", None)
    own.program = somebody.pinnace()

    seen, said = _look(own, api)

    _is_contained(seen, own.project)
    assert "agent\\n" in seen
    for made in (own.project / "status", own.project / ".git"):
        assert (made.stat().st_uid, made.stat().st_gid) == somebody.ids
    limited = somebody.run("podman", "info", "--format={{.Host.CgroupControllers}}")
    assert ("cannot limit memory" in said) is ("memory" not in limited)
    _verbs_know_the_image(own)
    _verbs_find_a_launch_and_end_it(own)
    _gc_removes_what_a_killed_launcher_left(own)
    _a_projects_own_image_is_built(own, somebody)
    _a_launch_without_a_network_reaches_the_api(own, api)
    _a_layer_is_of_its_user(own, somebody)


def _a_layer_is_of_its_user(own: Launcher, somebody: podman.PodmanUser) -> None:
    own.project = own.place / "layered"
    own.environment |= {"PWD": str(own.project), "PINNACE_WORKSPACE": "review"}
    (own.project / "sub").mkdir(parents=True)
    for name in ("a", "sub/b"):
        (own.project / name).write_text("x\n")
    (own.project / ".claude-version").write_text(f"{VERSION}\n")
    for path in (own.project, *own.project.rglob("*")):
        os.chown(path, *somebody.ids)
    age_all(own.project)

    done = own.run("shell", text="rm a; rm -r sub; mkdir sub; echo n > sub/n")
    assert "3 files changed" in done.stderr, done.stderr
    assert "a clone" not in done.stderr
    assert (own.project / "a").exists()
    applied = own.run("review", "apply")
    assert applied.returncode == 0, f"{applied.stdout}{applied.stderr}"
    assert tree(own.project) == {".claude-version": f"{VERSION}\n", "sub/n": "n\n"}


def _a_launch_without_a_network_reaches_the_api(own: Launcher, api: MessagesApi) -> None:
    look = 'ls /sys/class/net; echo "key: $ANTHROPIC_API_KEY"; git ls-remote https://a.example 2>&1'
    api.reply_with(ToolUse("Bash", {"command": look, "description": "look"}))
    done = own.run("run", "--", "-p", "look", "--allowedTools", "Bash")
    seen = json.dumps(api.requests[-1]["messages"])
    sent = {name.lower(): value for name, value in api.headers[-1].items()}

    assert done.returncode == 0, done.stderr + done.stdout
    assert "eth0" not in seen
    assert "tap0" not in seen
    assert "response 403" in seen
    assert sent["x-api-key"] == own.environment["ANTHROPIC_API_KEY"]
    assert own.environment["ANTHROPIC_API_KEY"] not in seen


def _result(launcher: Launcher, *arguments: str) -> Any:
    done = launcher.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)["result"]


def _shell(launcher: Launcher) -> subprocess.Popen[str]:
    """Start one that has said something, and stays."""
    shell = launcher.start("shell", stdin=subprocess.PIPE)
    assert shell.stdin
    assert shell.stdout
    shell.stdin.write("echo I-am-$(id -un)\n")
    shell.stdin.flush()
    assert shell.stdout.readline() == "I-am-agent\n"
    return shell


def _verbs_know_the_image(own: Launcher) -> None:
    found = _result(own, "verify")
    status = _result(own, "status")
    assert (status["image"]["id"], status["verified"]) == (found["id"], True)
    assert found["id"].startswith("sha256:")
    listed = _result(own, "images")["images"]
    assert [one["id"] for one in listed if one["chosen"]] == [found["id"]]
    checks = {one["name"]: one["status"] for one in _result(own, "doctor")["checks"]}
    assert (checks["engine"], checks["image"], checks["probe"]) == ("ok", "ok", "ok")


def _verbs_find_a_launch_and_end_it(own: Launcher) -> None:
    with _shell(own) as shell:
        (one,) = _result(own, "ps")
        assert (one["version"], one["state"], one["launcher"]) == (VERSION, "running", "alive")
        done = own.run("exec", one["name"], "--", "sh", "-c", "id -un; exit 3")
        assert (done.returncode, done.stdout) == (3, "agent\n"), done.stderr
        assert "I-am-agent" in own.run("logs").stdout
        went = _result(own, "gc")["gone"]
        assert not [item for item in went if item["scope"] == "containers"]
        # Podman lists ids in another spelling than it describes images with.
        assert not [item for item in went if "of an image that is gone" in item["why"]]
        assert _result(own, "stop", "--grace=1") == [one["name"]]
        shell.communicate(timeout=60)
    assert _result(own, "ps", "--all") == []


def _gc_removes_what_a_killed_launcher_left(own: Launcher) -> None:
    with _shell(own) as shell:
        (one,) = _result(own, "ps")
        shell.kill()
        shell.wait()
        went = _result(own, "gc", "--yes")["gone"]
        assert one["name"] in [item["what"] for item in went if item["scope"] == "containers"]
        shell.communicate(timeout=60)
    assert _result(own, "ps", "--all") == []


def _a_projects_own_image_is_built(own: Launcher, user: podman.PodmanUser) -> None:
    dockerfile = own.project / "Dockerfile"
    dockerfile.write_text("FROM pinnace\nRUN id -u > /built-by\n", encoding="utf-8")
    command = ["run", f"--dockerfile={dockerfile}", "--", "--version"]
    try:
        first, second = own.run(*command), own.run(*command)

        assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
        built = "building the project's own image"
        assert (first.stderr.count(built), second.stderr.count(built)) == (1, 0)
        left = user.run("podman", "images", "--quiet", "localhost/pinnace/project")
        assert left == ""
    finally:
        label = f"--filter=label={contract.LABEL_PROJECT}"
        made = user.run("podman", "images", "--quiet", label).split()
        user.run("podman", "rmi", "--force", *made)


@pytest.fixture
def roots(somebody: podman.PodmanUser, image: str, tmp_path: Path) -> dict[str, str]:
    """Give root a podman with a storage of its own, and docker's base in it."""
    del somebody, image
    environment = podman.limits(tmp_path / "containers.conf") | podman.storage(tmp_path)
    # So that nothing is bootstrapped.
    listed = docker("image", "ls", "--format={{.Repository}}:{{.Tag}}", contract.BASE_REPOSITORY)
    podman.load([name for name in listed.split() if "amd64" in name], None, environment)
    return environment


def test_roots_podman_builds_and_gives_files_to_the_workspaces_owner(
    roots: dict[str, str], own: Launcher, api: MessagesApi, project: Path
) -> None:
    os.chown(project, 54321, 65000)
    own.environment |= roots

    seen, said = _look(own, api)

    assert "building it" in said
    assert said.count("building the gateway") == 1
    _is_contained(seen, project)
    assert str(8 << 30) in seen
    assert (project / "status").stat().st_uid == 54321
    assert (project / "status").stat().st_gid == 65000
    record = json.loads(own.run("audit", "export").stdout.splitlines()[-1])
    assert record["resources"]["cpu_seconds"] > 0
    assert record["resources"]["memory_peak"] > 1 << 20
    again = own.run("run", "--", "--version")
    assert (again.returncode, "building" in again.stderr) == (0, False), again.stderr
