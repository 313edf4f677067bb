"""A project goes back to an older CLI than it ran last only if the user says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import hosts

if TYPE_CHECKING:
    from tests.process.conftest import Machine


def _record(machine: Machine) -> Path:
    (found,) = Path(machine.environment["HOME"]).glob(
        ".local/share/pinnace/projects/*/project.json"
    )
    return found


def _ran(machine: Machine, version: str) -> None:
    """Let a launch be remembered; what it ran is this one."""
    assert machine.pinnace("run").returncode == 0
    record = _record(machine)
    document = json.loads(record.read_text())
    assert document["version"] == hosts.VERSION
    record.write_text(json.dumps(document | {"version": version}))


@pytest.mark.parametrize("name", [".claude-version", "pinnace.toml", ".tool-versions", ""])
def test_whatever_file_says_so_it_is_refused(machine: Machine, name: str) -> None:
    _ran(machine, "99.0.0")
    (machine.project / ".claude-version").unlink()
    texts = {
        ".claude-version": hosts.VERSION,
        "pinnace.toml": f'[claude]\nversion = "{hosts.VERSION}"\n',
        ".tool-versions": f"claude {hosts.VERSION}\n",
    }
    if name:
        (machine.project / name).write_text(texts[name])
    launches = len(machine.docker.calls("run"))
    done = machine.pinnace("run")
    dry = machine.pinnace("run", "--dry-run")
    status = machine.pinnace("status")

    assert done.returncode == dry.returncode == status.returncode == 77, done.stderr
    assert b"older than 99.0.0, which this project ran last" in done.stderr
    assert len(machine.docker.calls("run")) == launches


def test_until_the_user_says_so(machine: Machine) -> None:
    _ran(machine, "99.0.0")
    asked = machine.pinnace("trust")
    approved = machine.pinnace("trust", "--yes")
    done = machine.pinnace("run")

    assert asked.returncode == 77
    assert b"older than 99.0.0" in asked.stdout
    assert b"approved" in approved.stdout
    assert done.returncode == 0, done.stderr
    assert machine.pinnace("trust", "--yes").stdout == b"nothing here waits for approval\n"


def test_a_pin_that_the_user_writes_is_his_word(machine: Machine) -> None:
    _ran(machine, "99.0.0")
    (machine.project / ".claude-version").write_text("1.2.3\n")
    record = _record(machine)
    machine.pinnace("pin", hosts.VERSION)
    written = (machine.project / ".claude-version").read_text().strip()

    assert json.loads(record.read_text())["version"] == (
        written if written == hosts.VERSION else "99.0.0"
    )


def test_an_option_is_the_users_word_and_is_not_remembered(machine: Machine) -> None:
    _ran(machine, "99.0.0")
    option = machine.pinnace("run", "--claude-version", hosts.VERSION)
    variable = machine.pinnace("run", environment={"PINNACE_CLAUDE_VERSION": hosts.VERSION})

    assert (option.returncode, variable.returncode) == (0, 0), option.stderr
    assert json.loads(_record(machine).read_text())["version"] == "99.0.0"


@pytest.mark.parametrize("version", ["", "0.0.1", hosts.VERSION, "rubbish"])
def test_what_is_not_older_is_launched(machine: Machine, version: str) -> None:
    _ran(machine, version)

    assert machine.pinnace("run").returncode == 0
    assert json.loads(_record(machine).read_text())["version"] == hosts.VERSION


def test_a_pin_above_the_project_is_the_users(machine: Machine) -> None:
    (machine.project / ".git").mkdir()
    _ran(machine, "99.0.0")
    (machine.project / ".claude-version").unlink()
    (machine.project.parent / ".claude-version").write_text(f"{hosts.VERSION}\n")

    assert machine.pinnace("run").returncode == 0
