"""Records of launches: there while they run, and found by the next launch if they were killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import containers
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.process.conftest import Machine

_NAME = "pinnace-demo-c0ffee"


def _runs(machine: Machine) -> Path:
    return Path(machine.environment["HOME"], ".local/state/pinnace/runs")


@pytest.fixture(autouse=True)
def _own_state(machine: Machine) -> None:
    machine.environment["XDG_STATE_HOME"] = str(Path(machine.environment["HOME"], ".local/state"))


def _record(machine: Machine, labels: dict[str, str], *, name: str = _NAME) -> Path:
    """Leave a record, as old as one of yesterday."""
    path = _runs(machine) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(containers.record(labels))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


def _start(machine: Machine, **options: Any) -> AbstractContextManager[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "pinnace", "run"]
    return subprocess.Popen(argv, cwd=machine.project, env=machine.environment, **options)


def _removed(machine: Machine) -> Iterator[str]:
    return (argv[-1] for argv in machine.docker.calls("container rm"))


def test_a_launch_is_recorded_while_it_runs(machine: Machine) -> None:
    machine.docker.will("run", wait=True)
    with _start(machine) as launcher:
        wait_until(lambda: machine.docker.log("ready"), "the child does not start")
        (record,) = _runs(machine).iterdir()
        labels = json.loads(record.read_text())["labels"]
        machine.docker.finish()
        launcher.wait(60)

    (argv,) = machine.docker.calls("run")
    assert f"--name={record.name}" in argv
    assert {f"--label={key}={value}" for key, value in labels.items()} <= set(argv)
    assert labels["pinnace.run.pid"] == str(launcher.pid)
    assert labels["pinnace.run.version"] == "9.9.9"
    assert list(_runs(machine).iterdir()) == []


@pytest.mark.parametrize("code", [0, 1, 125, 130, 143])
def test_nothing_is_left_whatever_the_exit_code(machine: Machine, code: int) -> None:
    machine.docker.will("run", code=code)

    machine.pinnace("run")

    assert list(_runs(machine).iterdir()) == []


def test_a_client_that_was_killed_leaves_the_record_for_the_next_launch(machine: Machine) -> None:
    machine.docker.will("run", kill=signal.SIGKILL.value)
    machine.pinnace("run")
    (record,) = _runs(machine).iterdir()
    machine.docker.holds(
        containers.inspected(record.name)
        | {"Config": {"Labels": json.loads(record.read_text())["labels"]}}
    )
    machine.docker.will("run")

    machine.pinnace("run")

    wait_until(lambda: machine.docker.containers == [], "the container is not removed")
    wait_until(lambda: list(_runs(machine).iterdir()) == [], "the record stays")


def test_a_killed_launcher_is_found_by_the_next_one_which_removes_its_container(
    machine: Machine,
) -> None:
    machine.docker.will("run", wait=True)
    with _start(machine) as launcher:
        wait_until(lambda: machine.docker.log("ready"), "the child does not start")
        launcher.kill()
    (record,) = _runs(machine).iterdir()
    labels = json.loads(record.read_text())["labels"]
    machine.docker.holds(containers.inspected(record.name) | {"Config": {"Labels": labels}})
    machine.docker.finish()
    machine.docker.will("run", code=3)

    assert machine.pinnace("run").returncode == 3

    wait_until(lambda: machine.docker.containers == [], "the container is not removed")
    wait_until(lambda: not record.exists(), "the record stays")


def test_a_launcher_that_lives_is_left_alone(machine: Machine) -> None:
    labels = containers.labels(pid=os.getpid())
    record = _record(machine, labels)
    machine.docker.holds(containers.inspected(pid=os.getpid()))

    machine.pinnace("run")

    assert record.exists()
    commands = [record["command"] for record in machine.docker.log("call")]
    assert [one for one in commands if one in {"check", "run"}] == ["check", "run"]


@pytest.mark.parametrize(
    "changed", ["pinnace.run.workspace", "pinnace.run.pid", "pinnace.run.host"]
)
def test_a_forged_record_removes_nobodys_container(machine: Machine, changed: str) -> None:
    labels = containers.labels()
    machine.docker.holds(containers.inspected())
    record = _record(machine, labels)
    inspected = containers.inspected()
    inspected["Config"]["Labels"][changed] = "another"
    machine.docker.holds(inspected)

    machine.pinnace("run")

    wait_until(lambda: not record.exists(), "the record stays")
    assert machine.docker.containers == [_NAME]


def test_a_record_of_a_container_that_is_gone_goes(machine: Machine) -> None:
    record = _record(machine, containers.labels())
    files = record.with_name(f"{record.name}.files")
    files.mkdir()
    (files / "secret").touch()

    machine.pinnace("run")

    wait_until(lambda: not record.exists(), "the record stays")
    assert not files.exists()


def test_a_fresh_record_waits_for_its_container(machine: Machine) -> None:
    record = _record(machine, containers.labels())
    os.utime(record)

    machine.pinnace("run")

    wait_until(lambda: machine.docker.calls("container inspect"), "nobody asks")
    assert record.exists()


def test_an_engine_that_refuses_costs_the_launch_nothing(machine: Machine) -> None:
    record = _record(machine, containers.labels())
    machine.docker.will("container inspect", stderr="the engine is on fire\n", code=1)

    done = machine.pinnace("run")

    assert (done.returncode, b"fire" in done.stderr) == (0, False)
    wait_until(lambda: machine.docker.calls("container inspect"), "nobody asks")
    assert record.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', "[" * 10_000, "\udcff"])
def test_what_is_no_record_is_passed_over(machine: Machine, text: str) -> None:
    _runs(machine).mkdir(parents=True)
    (_runs(machine) / "strange").write_bytes(text.encode(errors="surrogateescape"))
    (_runs(machine) / "directory").mkdir()

    assert machine.pinnace("run").returncode == 0


def test_the_project_cannot_slip_a_module_into_the_reaper(machine: Machine) -> None:
    record = _record(machine, containers.labels())
    trap = machine.project / "trapped"
    code = f"open({str(trap)!r}, 'w')\nraise SystemExit\n"
    (machine.project / "pinnace").mkdir()
    for module in ("pinnace/__init__.py", "pinnace/reaper.py", "subprocess.py"):
        (machine.project / module).write_text(code)
    script = Path(sys.executable).with_name("pinnace")

    done = subprocess.run(
        [script, "run"], cwd=machine.project, env=machine.environment, check=False, timeout=60
    )

    assert done.returncode == 0
    wait_until(lambda: not record.exists(), "the record stays")
    assert not trap.exists()


def test_the_reaper_keeps_no_pipe_open(machine: Machine) -> None:
    # The image is verified, which asks for a container, too.
    assert machine.pinnace("run").returncode == 0
    _record(machine, containers.labels())
    machine.docker.will("container inspect", wait=True)
    try:
        # It ends with the launch: otherwise this would wait for the end of the pipes.
        assert machine.pinnace("run").returncode == 0
        wait_until(lambda: machine.docker.log("ready"), "nobody asks")
    finally:
        machine.docker.finish()


def test_without_a_place_for_records_a_launch_works(machine: Machine) -> None:
    _runs(machine).parent.mkdir(parents=True, exist_ok=True)
    _runs(machine).write_text("not a directory")

    done = machine.pinnace("run")

    assert done.returncode == 0
    assert b"not recorded" in done.stderr


def test_a_pasted_line_has_no_launcher(machine: Machine) -> None:
    done = machine.pinnace("run", "--dry-run")

    assert b"pinnace.run.version=9.9.9" in done.stdout
    assert b"pinnace.run.pid" not in done.stdout
    assert not _runs(machine).exists()
