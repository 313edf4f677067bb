"""Directories of the project that Claude has its own of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.process.conftest import Machine


def test_one_of_claudes_own_lies_over_it_and_is_kept(machine: Machine) -> None:
    (machine.project / "pinnace.toml").write_text('[run]\nprivate = [".venv", "a/node_modules"]\n')

    for _ in range(2):
        done = machine.pinnace("run")
        assert done.returncode == 0, done.stderr

    first, second = ([a for a in argv if "/private/" in a] for argv in machine.docker.calls("run"))
    assert first == second
    targets = {a.partition(",target=")[2] for a in first}
    assert targets == {f"{machine.project}/.venv", f"{machine.project}/a/node_modules"}
    assert (machine.project / "a" / "node_modules").is_dir(), "the engine would make it, as root"


@pytest.mark.parametrize("path", ["/etc", "..", "a/../..", ".", "", "a//..", "~"])
def test_nothing_outside_of_the_project_is_one(machine: Machine, path: str) -> None:
    done = machine.pinnace("run", "--private", path)

    assert done.returncode == 64
    assert machine.docker.calls("run") == []


@pytest.mark.parametrize("to", ["/", ".venv"])
def test_a_link_is_refused(machine: Machine, to: str) -> None:
    (machine.project / ".venv").symlink_to(to)

    done = machine.pinnace("run", "--private", ".venv")

    assert done.returncode == 77
    assert b"link" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("home = /home/me/.pyenv/bin\nversion = 3.11.7\n", True),
        ("home = /usr/bin\nversion = 3.11.2\n", True),
        ("home = /usr/bin\nversion = 3.13.5\n", False),
    ],
)
def test_an_environment_of_the_hosts_is_said(machine: Machine, text: str, *, said: bool) -> None:
    (machine.project / ".venv").mkdir()
    (machine.project / ".venv" / "pyvenv.cfg").write_text(text)

    done = machine.pinnace("run")

    assert (b"run.private" in done.stderr) is said


def test_without_any_account_it_is_said_how_to_get_one(machine: Machine) -> None:
    said = b"there is no account yet: pinnace auth login"

    assert said in machine.pinnace("run", "--", "-p", "hi").stderr
    assert said not in machine.pinnace("run", "--", "--version").stderr
    with_key = {"ANTHROPIC_API_KEY": "sk-ant-canary"}
    assert said not in machine.pinnace("run", "--", "-p", "hi", environment=with_key).stderr
