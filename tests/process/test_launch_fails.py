"""Launches that must not happen: the right exit code, a hint, and nothing run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace_images import lock
from tests.process.conftest import image, says
from tests.support import hosts
from tests.support.fake_docker import as_json, text

if TYPE_CHECKING:
    import subprocess

    from tests.process.conftest import Machine

_OTHER_FILE = "6" * 64
_BY_ID = f"/images/{hosts.IMAGE_ID}/json"


def _refused(
    machine: Machine,
    code: int,
    *arguments: str,
    runs: int = 0,
    **environment: str,
) -> str:
    """See that a launch ends in an error of ours; return what it says."""
    done = machine.pinnace("run", "--no-provision", *arguments, environment=environment)
    said = done.stderr.decode()
    _is_report(done, code)
    assert len(machine.docker.calls("run")) == runs
    return said


def _is_report(done: subprocess.CompletedProcess[bytes], code: int) -> None:
    said = done.stderr.decode()
    assert done.returncode == code, said
    assert done.stdout == b""
    assert "pinnace: error: " in said
    assert "pinnace: hint: " in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "heard",
    [
        pytest.param(says(version="9.9.8"), id="another version"),
        pytest.param(says(version="9.9.99"), id="a longer version"),
        pytest.param(says().replace("(Claude Code)", "(Another)"), id="another program"),
        pytest.param("", id="nothing"),
        pytest.param("sh: claude: not found\n", id="no program"),
        pytest.param("\x00\udcff\n", id="garbage"),
    ],
)
def test_an_image_that_says_otherwise_is_refused(machine: Machine, heard: str) -> None:
    machine.docker.will("check", stdout=heard)

    said = _refused(machine, 79)

    assert hosts.IMAGE_ID[:19] in said
    assert "docker image rm" in said


@pytest.mark.parametrize("label", ["", "6" * 64, hosts.SHA256[:-1]], ids=len)
def test_an_image_whose_label_names_another_file_is_refused_unheard(
    machine: Machine, label: str
) -> None:
    machine.engine.images = [image(sha256=label)]
    machine.docker.knows(machine.engine.images)

    said = _refused(machine, 79)

    assert "is not the file that its label names" in said
    assert machine.docker.calls("check") == []


def test_an_image_without_a_digest_in_its_labels_is_refused(machine: Machine) -> None:
    machine.engine.images = [image(sha256="")]

    _refused(machine, 79)


def test_an_image_that_was_refused_is_looked_at_again(machine: Machine) -> None:
    machine.docker.will("check", stdout=says(version="9.9.8"))
    _refused(machine, 79)
    machine.docker.will("check", stdout=says())

    assert machine.pinnace("run").returncode == 0
    assert len(machine.docker.calls("check")) == 2


def test_an_image_of_a_locked_version_with_another_file_is_not_even_started(
    machine: Machine,
) -> None:
    locked = str(lock.load(lock.SHIPPED_LOCK).newest)
    machine.engine.images = [image(version=locked)]
    machine.docker.will("check", stdout=says(version=locked))

    said = _refused(machine, 79, "--claude-version", locked)

    assert "that is locked" in said
    assert machine.docker.calls("check") == []


def test_a_missing_image_is_named_with_the_command_that_builds_it(machine: Machine) -> None:
    machine.engine.images = [image(version="9.9.8"), image(variant="dev"), image(contract="1")]

    said = _refused(machine, 66)

    assert "9.9.9 (slim, linux/" in said
    assert "pinnace-build build 9.9.9 --variant slim" in said


def test_an_image_that_goes_away_before_the_run_is_missed(machine: Machine) -> None:
    machine.docker.will("run", code=125, stderr="docker: Error response: No such image\n")
    machine.engine.answers[_BY_ID] = as_json({"message": "No such image"}, 404)

    said = _refused(machine, 66, runs=1)

    assert "went away" in said


def test_an_image_that_goes_away_before_the_verification_is_missed(machine: Machine) -> None:
    machine.docker.will("check", code=125, stderr="docker: Error response: No such image: x\n")

    assert "went away" in _refused(machine, 66)


def test_a_value_that_the_engine_refuses_is_named_with_its_source(machine: Machine) -> None:
    machine.docker.will("run", code=125, stderr="docker: Range of CPUs is from 0.01 to 2.00\n")

    done = machine.pinnace("run", "--cpus", "1000", environment={"PINNACE_SHM_SIZE": "8m"})

    assert done.returncode == 125
    assert b"one of run.cpus (--cpus), run.shm-size (PINNACE_SHM_SIZE)" in done.stderr


def test_a_refusal_of_the_engine_is_its_own_if_the_image_is_there(machine: Machine) -> None:
    machine.docker.will("run", code=125, stderr="docker: invalid mount\n")

    done = machine.pinnace("run")

    assert done.returncode == 125
    *_, said, explained = done.stderr.splitlines()
    assert said == b"docker: invalid mount"
    assert b"pinnace doctor" in explained


def test_an_engine_that_is_down_is_an_error(machine: Machine, tmp_path: Path) -> None:
    said = _refused(machine, 69, DOCKER_HOST=f"unix://{tmp_path}/absent.sock")

    assert "absent.sock" in said


def test_an_engine_that_talks_nonsense_is_an_error(machine: Machine) -> None:
    machine.engine.answers["/images/json"] = text("<html>")

    _refused(machine, 69)


@pytest.mark.parametrize("verified", [False, True])
def test_without_a_docker_client_there_is_no_launch(
    machine: Machine, tmp_path: Path, *, verified: bool
) -> None:
    if verified:
        machine.pinnace("run")

    said = _refused(machine, 69, runs=int(verified), PATH=str(tmp_path))

    assert "no docker client" in said


def test_without_a_client_nothing_else_is_said(machine: Machine, tmp_path: Path) -> None:
    (machine.project / ".claude-version").unlink()
    url = "http://127.0.0.1:9"

    said = _refused(machine, 69, PATH=str(tmp_path), ANTHROPIC_BASE_URL=url)

    assert [line.split(": ")[:2] for line in said.splitlines()] == [
        ["pinnace", "error"],
        ["pinnace", "hint"],
    ]


@pytest.mark.parametrize("verified", [False, True])
@pytest.mark.parametrize("variable", ["HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"])
def test_a_place_that_cannot_be_written_is_named(
    machine: Machine, tmp_path: Path, variable: str, *, verified: bool
) -> None:
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "below")
    if verified:
        machine.pinnace("run", "--user", "agent")

    said = _refused(machine, 73, "--user", "agent", runs=int(verified), **{variable: place})

    assert place in said


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--memroy", "4g"), 64),
        (("hello",), 64),
        (("--env", "MY_TOKEN=canary-1"), 64),
        (("--env", "NOT_SET"), 64),
        (("--claude-version", "nonsense"), 65),
        (("--variant", "no such\r\nvariant"), 64),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(
    machine: Machine, arguments: tuple[str, ...], code: int
) -> None:
    said = _refused(machine, code, *arguments)

    assert "canary" not in said


def test_a_broken_pin_is_refused(machine: Machine) -> None:
    (machine.project / ".claude-version").write_bytes(b"\x00\xff")

    assert ".claude-version" in _refused(machine, 65)


def test_a_broken_config_of_claudes_is_refused(machine: Machine, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / ".claude.json").write_text("{")

    assert ".claude.json" in _refused(machine, 65, PINNACE_CONFIG_DIR=str(config))


def test_a_config_directory_that_leads_in_a_circle_is_refused(
    machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "circle").symlink_to("circle")

    assert "move it away" in _refused(machine, 73, PINNACE_CONFIG_DIR=str(tmp_path / "circle"))


def test_a_place_that_the_image_needs_is_refused(machine: Machine) -> None:
    machine.project = Path("/etc")

    assert "'/etc'" in _refused(machine, 77)
