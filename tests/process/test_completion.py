"""Completion: by a real bash, and by the protocol of the other shells."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace_images import lock
from tests.support import containers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.process.conftest import Machine

_NAME = "pinnace-demo-c0ffee"
_SESSION = "11111111-1111-4111-8111-111111111111"
# Sources the script, then does what bash does at a Tab.
_BASH = """
source <(pinnace completion bash)
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
compopt() { local IFS=' '; echo "compopt $*"; }
_pinnace_completion pinnace
printf '%s\\n' "${COMPREPLY[@]}"
"""


def _bash(machine: Machine, *words: str) -> list[str]:
    programs = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-c", _BASH, "bash", "pinnace", *words],
        check=True,
        capture_output=True,
        cwd=machine.project,
        env={**machine.environment, "PATH": f"{programs}:{machine.environment['PATH']}"},
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def _protocol(shell: str) -> Callable[..., list[str]]:
    def ask(machine: Machine, *words: str) -> list[str]:
        whole = ["pinnace", *words]
        place = str(len(words)) if shell == "zsh" else words[-1]
        environment = {
            "_PINNACE_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": " ".join(whole),
            "COMP_CWORD": place,
        }
        done = machine.pinnace(environment=environment)
        assert (done.returncode, done.stderr) == (0, b"")
        lines = done.stdout.decode().strip("\n").splitlines()
        if shell == "zsh":
            return [
                value if kind == "plain" else f"compopt {kind}"
                for kind, value in zip(lines[::3], lines[1::3], strict=True)
            ]
        separator = "\t" if shell == "powershell" else ","
        pairs = [line.split(separator, 1) for line in lines]
        return [
            rest.partition("\t")[0] if kind == "plain" else f"compopt {kind}"
            for kind, rest in pairs
        ]

    return ask


_SHELLS = {"bash": _bash} | {name: _protocol(name) for name in ("zsh", "fish", "powershell")}
every_shell = pytest.mark.parametrize("ask", _SHELLS.values(), ids=_SHELLS)


@every_shell
def test_verbs_are_completed(machine: Machine, ask: Callable[..., list[str]]) -> None:
    assert ask(machine, "st") == ["stop", "status"] or ask(machine, "st") == ["status", "stop"]
    assert {"run", "pin", "exec", "completion"} <= set(ask(machine, ""))


@every_shell
def test_options_of_a_launch_are_completed(machine: Machine, ask: Callable[..., list[str]]) -> None:
    assert ask(machine, "run", "--mem") == ["--memory"]
    assert {"--variant", "--dry-run"} <= set(ask(machine, "run", "--env", "X", "--"))
    # They may stand without a verb.
    assert ask(machine, "--claude-v") == ["--claude-version"]
    assert ask(machine, "run", "--user", "") == ["agent"]
    assert ask(machine, "run", "--config-dir", "")[0] in {"compopt dir", "compopt -o dirnames"}


@every_shell
def test_claudes_own_arguments_are_not(machine: Machine, ask: Callable[..., list[str]]) -> None:
    assert [line for line in ask(machine, "run", "--", "--mem") if line] == []


@every_shell
def test_versions_of_the_lock_are_completed(
    machine: Machine, ask: Callable[..., list[str]]
) -> None:
    newest = lock.load_known().newest
    assert newest is not None

    assert ask(machine, "pin", "")[0] == str(newest)
    assert str(newest) in ask(machine, "run", "--claude-version", str(newest)[:3])


@every_shell
@pytest.mark.parametrize("verb", ["stop", "shell", "exec", "logs"])
def test_running_launches_are_completed(
    machine: Machine, ask: Callable[..., list[str]], verb: str
) -> None:
    ended = containers.inspected("pinnace-demo-ended", state="exited")
    machine.docker.holds(containers.inspected(_NAME), ended)

    assert ask(machine, verb, "pinnace-") == [_NAME]


@every_shell
@pytest.mark.parametrize("verb", ["show", "resume", "fork", "rename", "rm", "export"])
def test_sessions_are_completed(machine: Machine, ask: Callable[..., list[str]], verb: str) -> None:
    named = machine.pinnace("run", "--session", "fix-42", "--", "-p", "hello")
    assert named.returncode == 0, named.stderr
    (record,) = machine.project.parent.glob("home/.local/state/pinnace/sessions/*.json")
    session = json.loads(record.read_text())["names"]["fix-42"]["id"]
    (config,) = machine.project.parent.glob("home/.local/share/pinnace/projects/*/default")
    directory = config / "projects" / "-x"
    directory.mkdir(parents=True)
    for one in (session, _SESSION):
        (directory / f"{one}.jsonl").write_text('{"type":"mode"}\n')

    assert ask(machine, "session", verb, "fi") == ["fix-42"]
    assert sorted(ask(machine, "session", verb, "")) == sorted([_SESSION, "fix-42"])
    assert machine.docker.calls("run") == machine.docker.calls("run")[:1]


@every_shell
def test_names_of_sessions_are_completed_at_a_launch(
    machine: Machine, ask: Callable[..., list[str]]
) -> None:
    named = machine.pinnace("run", "--session", "fix-42", "--", "-p", "hello")
    assert named.returncode == 0, named.stderr
    assert ask(machine, "run", "--session", "f") == ["fix-42"]


@every_shell
def test_an_engine_that_is_down_completes_nothing(
    machine: Machine, ask: Callable[..., list[str]]
) -> None:
    machine.docker.will("container ls", stderr="Cannot connect\n", code=1)

    assert [line for line in ask(machine, "stop", "p") if line] == []


@every_shell
def test_nothing_is_launched(machine: Machine, ask: Callable[..., list[str]]) -> None:
    ask(machine, "run", "")

    assert machine.docker.log("call") == []


@pytest.mark.parametrize("shell", _SHELLS)
def test_the_script_names_the_program_and_the_protocol(machine: Machine, shell: str) -> None:
    done = machine.pinnace("completion", shell)

    assert done.returncode == 0
    for word in (b"pinnace", b"_PINNACE_COMPLETE", f"{shell}_complete".encode()):
        assert word in done.stdout


def test_another_shell_is_an_error(machine: Machine) -> None:
    assert machine.pinnace("completion", "tcsh").returncode == 64


def test_quoted_words_and_a_space_stay_words_in_powershell(machine: Machine) -> None:
    environment = {
        "_PINNACE_COMPLETE": "powershell_complete",
        "COMP_WORDS": "pinnace run --config-dir 'a b' --mem",
        "COMP_CWORD": "--mem",
    }

    done = machine.pinnace(environment=environment)

    assert done.stdout.startswith(b"plain\t--memory\tmemory limit")
