"""What a container may use: seen from inside, and as the engine tells it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.engine.test_unhappy import refused

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher

pytestmark = pytest.mark.promise()


def test_cores_files_and_what_is_in_memory_are_limited(launcher: Launcher) -> None:
    launcher.environment |= {"PINNACE_MEMORY": "512m", "PINNACE_SHM_SIZE": "96m"}
    launcher.environment |= {"PINNACE_CPUS": "0.5"}
    script = """
        ulimit -c; ulimit -f
        stat -f -c '%b %S' /tmp "$HOME" /dev/shm
        head -c 300M /dev/zero >/tmp/full; echo $?
        rm /tmp/full
    """

    done = launcher.run("shell", text=script)

    lines = done.stdout.split("\n")
    assert lines[:2] == ["0", str((64 << 30) // 1024)], done.stderr
    sizes = [int(blocks) * int(size) for blocks, size in map(str.split, lines[2:5])]
    assert sizes == [256 << 20, 256 << 20, 96 << 20]
    assert lines[5] == "1"
    assert "No space left on device" in done.stderr


def test_a_containers_log_is_bounded(launcher: Launcher) -> None:
    line = launcher.printed()

    assert "--log-driver=local" in line
    assert "--log-opt=max-size=32m" in line


def test_a_missing_runtime_is_named_and_one_that_is_there_is_taken(launcher: Launcher) -> None:
    refused(launcher.run("run", "--runtime", "runsc-missing"), 69, "runsc-missing", "runc")

    done = launcher.run("run", "--runtime", "runc", "--", "--version")
    assert done.returncode == 0, done.stderr


def test_a_device_goes_in_and_a_missing_one_is_refused(launcher: Launcher) -> None:
    launcher.environment["PINNACE_DEVICES"] = "/dev/fuse"
    done = launcher.run("shell", text="stat -c %F /dev/fuse")
    assert (done.returncode, done.stdout) == (0, "character special file\n"), done.stderr

    refused(launcher.run("run", "--device", "/dev/not-there"), 64, "/dev/not-there")


@pytest.mark.parametrize("key", ["gpus", "devices", "runtime"])
def test_a_project_does_not_choose_devices_by_itself(launcher: Launcher, key: str) -> None:
    values = {"gpus": "all", "devices": ["/dev/fuse"], "runtime": "runc"}
    text = f"[run]\n{key} = {json.dumps(values[key])}\n"
    (launcher.project / "pinnace.toml").write_text(text)

    done = launcher.run("run", "--dry-run")

    assert f"not approved yet, so not counted: run.{key}" in done.stderr
    assert not {"--gpus", "--device", "--runtime"} & {w.split("=")[0] for w in done.stdout.split()}
