"""Rootless docker for real: root inside is its user outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_images import contract
from tests.engine.conftest import Launcher, docker, pass_on_builds
from tests.support import as_user
from tests.support.messages_api import MessagesApi, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import podman

# Docker's own packages put it on PATH, Debian's do not.
_SCRIPT: Final = Path(
    shutil.which("dockerd-rootless.sh") or "/usr/share/docker.io/contrib/dockerd-rootless.sh"
)
pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="only root can become its user"),
    pytest.mark.xdist_group("podman"),  # one user, one runtime directory
]
# Without a bridge there is no iptables to be had; Claude reaches nothing, and need not. The engine
# chooses how it stores layers: with vfs, which works anywhere, each is a copy of all below it.
_OPTIONS: Final = ("--iptables=false", "--bridge=none")


@pytest.fixture
def user(
    somebody: podman.PodmanUser, image: str, gateway_image: str
) -> Iterator[podman.PodmanUser]:
    """Run a rootless engine that holds the images; its user is podman's."""
    assert _SCRIPT.exists(), "install dockerd-rootless.sh (docker.io, or docker-ce-rootless-extras)"
    found = somebody
    socket = Path(found.runtime, "docker.sock")
    # What a killed run has left: nobody answers there, and the next engine would not start.
    for left in (socket, socket.with_suffix(".pid")):
        left.unlink(missing_ok=True)
    data = f"{found.home}/rootless-docker"
    command = ["sh", str(_SCRIPT), f"--data-root={data}", *_OPTIONS]
    with subprocess.Popen(
        found.spelled(*command),
        cwd="/",
        env=found.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as engine:
        try:
            deadline = time.monotonic() + 60
            while not socket.exists():
                assert engine.poll() is None, "the engine did not start"
                assert time.monotonic() < deadline, "the engine has no socket"
                time.sleep(0.1)
            _load([image, gateway_image], socket)
            yield found
        finally:
            engine.terminate()
            engine.wait(60)


def _load(images: list[str], socket: Path) -> None:
    described = json.loads(docker("image", "inspect", *images))
    names = [name for image in described for name in image["RepoTags"]]
    with subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE) as saving:
        environment = {**os.environ, "DOCKER_HOST": f"unix://{socket}"}
        loading = ["docker", "load", "--quiet"]
        subprocess.run(loading, check=True, env=environment, stdin=saving.stdout)


def test_files_belong_to_the_engines_user(user: podman.PodmanUser, launcher: Launcher) -> None:
    for place in (launcher.project, Path(launcher.environment["HOME"])):
        os.chown(place, *user.ids)
    home = launcher.environment["HOME"]
    # The gateway's image is loaded, not built: as after `pinnace-build gateway --accept`.
    engine = f"--host=unix://{user.runtime}/docker.sock"
    loaded = docker(engine, "image", "inspect", "--format={{.Id}}", contract.GATEWAY_NAME)
    pass_on_builds(Path(home), owner=user.ids, loaded=loaded)
    launcher.environment |= user.environment | as_user.readable(launcher.place / "modules")
    launcher.environment |= {
        "HOME": home,
        "XDG_CACHE_HOME": f"{home}/.cache",
        "DOCKER_HOST": f"unix://{user.runtime}/docker.sock",
    }
    launcher.program = user.pinnace()

    done = launcher.run("run", "--", "--version")
    assert done.returncode == 0, done.stderr
    assert "Claude is root, which is you outside" in done.stderr
    assert "cannot limit" in done.stderr or "cgroup v2" in done.stderr

    # The container's command instead of Claude: its API is out of reach without a bridge.
    printed = launcher.run("run", "--dry-run")
    assert printed.returncode == 0, printed.stderr
    argv = printed.stdout.split(" /opt/claude/bin/claude")[0]
    inner = f"{argv} sh -c 'id -u; touch made ~/.claude/made; cat /proc/self/status > status'"
    seen = subprocess.run(
        user.spelled("sh", "-c", inner),
        cwd=launcher.project,
        env=launcher.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout == "0\n"
    made = launcher.project / "made"
    assert (made.stat().st_uid, made.stat().st_gid) == user.ids
    assert "CapEff:\t0000000000000000" in (launcher.project / "status").read_text()

    # Root inside, whose gateway is not root: the sockets are for both.
    with MessagesApi([Text("out")]) as api:
        launcher.environment["ANTHROPIC_BASE_URL"] = api.url_for("127.0.0.1")
        isolated = launcher.run("-p", "hi")
    assert isolated.stdout == "out\n", isolated.stderr
