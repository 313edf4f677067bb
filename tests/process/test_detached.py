"""A detached launch that does not begin: it is said why, and nothing is left."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace.launch import detached, jobs
from pinnace.launch.jobs import Exit, Job
from pinnace.request import RunRequest
from pinnace_core.errors import (
    AmbiguousNameError,
    EngineUnsuitableError,
    LaunchEndedError,
    LaunchMissingError,
)

if TYPE_CHECKING:
    from tests.process.conftest import Machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is detached there")


def descriptors() -> set[Path]:
    return set(Path("/dev/fd").iterdir())


@pytest.mark.parametrize("program", ["/bin/false", "/nonexistent/python"])
def test_a_keeper_that_does_not_run_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "executable", program)
    before = descriptors()
    with pytest.raises(LaunchEndedError) as error, Path(os.devnull).open("rb") as nothing:
        detached.start(RunRequest(("-p", "x" * 200_000)), str(tmp_path), nothing)
    assert error.value.hint
    assert descriptors() == before
    assert jobs.all_of() == []


@pytest.mark.parametrize("closed", ["<&-", "<&- >&-", "<&- >&- 2>&-"])
def test_streams_that_the_caller_closed_are_taken_by_nothing_else(
    machine: Machine, closed: str
) -> None:
    machine.docker.will("run", stdout="answered")
    command = shlex.join([sys.executable, "-m", "pinnace", "run", "--detach", "--", "-p", "ask"])
    shell = ["/bin/sh", "-c", f"exec {command} {closed}"]
    done = subprocess.run(
        shell,
        check=False,
        capture_output=True,
        cwd=machine.project,
        env=machine.environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert machine.pinnace("wait").returncode == 0
    # Nothing runs: it is the last one that is meant.
    assert machine.pinnace("logs", "--raw").stdout == b"answered"


def test_a_container_that_the_engine_did_not_start_is_removed(machine: Machine) -> None:
    machine.docker.will("run", code=125, stderr="docker: invalid mount\n")
    done = machine.pinnace("run", "--detach", "--", "-p", "ask")
    assert done.returncode == EngineUnsuitableError.exit_code, done.stderr
    assert b"the engine did not start the container: docker: invalid mount" in done.stderr
    (words,) = machine.docker.calls("run")
    (name,) = (word.removeprefix("--name=") for word in words if word.startswith("--name="))
    assert any({"rm", name} <= set(call["argv"]) for call in machine.docker.log("call"))
    assert machine.pinnace("ps", "--ended", "--json").stdout.count(b'"name"') == 0


def test_a_name_that_fits_several_that_have_ended_is_asked_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(Path(machine.environment["HOME"], ".local/state")))
    for name in ("pinnace-a-111111", "pinnace-a-222222"):
        one = Job(name, "/w", 1000.0, terminal=False, form="text", version="2.1.330")
        os.close(jobs.begin(one))
        jobs.end(one, Exit(0, 2000.0))
    done = machine.pinnace("logs", "pinnace-a")
    assert done.returncode == AmbiguousNameError.exit_code
    assert b"fits 2 detached launches" in done.stderr
    assert machine.pinnace("logs").returncode == LaunchMissingError.exit_code
