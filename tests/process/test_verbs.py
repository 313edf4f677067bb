"""The verbs about running launches, with a fake client."""

from __future__ import annotations

import json
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from tests.support import containers, hosts

if TYPE_CHECKING:
    from tests.process.conftest import Machine

_OTHER = "pinnace-other-facade"


@pytest.fixture
def one(machine: Machine) -> str:
    """A running launch of the project, and one of another; return its name."""
    mine = _mine(machine)
    machine.docker.holds(mine, containers.inspected(_OTHER, workspace="/srv/other"))
    return str(mine["Name"]).lstrip("/")


def _mine(machine: Machine, name: str = "pinnace-my-project-c0ffee") -> dict[str, Any]:
    workspace = str(machine.project.resolve())
    return containers.inspected(name, workspace=workspace, pid=os.getpid())


def _id(name: str) -> str:
    return name.encode().hex().ljust(64, "0")


def test_ps_lists_the_projects_launches(machine: Machine, one: str) -> None:
    done = machine.pinnace("ps")

    lines = done.stdout.decode().splitlines()
    assert lines[0].split() == ["NAME", "WORKSPACE", "VERSION", "AGE", "STATE", "LAUNCHER"]
    assert len(lines) == 2
    assert lines[1].split()[:1] == [one]
    assert lines[1].split()[-4:] == ["9.9.9", "2h", "running", "alive"]


def test_ps_all_lists_those_of_others(machine: Machine, one: str) -> None:
    done = machine.pinnace("ps", "--all", "--json")

    envelope = json.loads(done.stdout)
    assert (envelope["schema"], envelope["ok"]) == (1, True)
    assert [(r["name"], r["launcher"]) for r in envelope["result"]] == [
        (one, "alive"),
        (_OTHER, "gone"),
    ]
    assert set(envelope["result"][0]) == {
        *("name", "id", "workspace", "version", "created", "age", "state", "launcher"),
        "detached",
    }


def test_ps_of_nothing_is_no_error(machine: Machine) -> None:
    done = machine.pinnace("ps")

    assert (done.returncode, done.stdout) == (0, b"")
    assert b"--all" in done.stderr
    assert json.loads(machine.pinnace("ps", "--json").stdout)["result"] == []


def test_a_path_cannot_move_the_cursor(machine: Machine) -> None:
    machine.docker.holds(containers.inspected(workspace="/srv/\x1b[2J\nx"))

    assert machine.pinnace("ps", "--all").stdout.count(b"\x1b") == 0


def test_stop_ends_the_projects_only_launch(machine: Machine, one: str) -> None:
    done = machine.pinnace("stop")

    assert (done.returncode, done.stdout) == (0, f"stopped {one}\n".encode())
    assert machine.docker.calls("container stop") == [["container", "stop", "-t", "10", _id(one)]]
    assert machine.docker.containers == [_OTHER]


@pytest.mark.parametrize("broken", ["memory = ", "[run]\nmemory = 7.5\n", '[run]\nengine = "x"\n'])
def test_what_is_wrong_in_a_projects_file_keeps_nothing_running(
    machine: Machine, one: str, broken: str
) -> None:
    """Claude may have written it."""
    (machine.project / "pinnace.toml").write_text(broken)
    (machine.project / "pinnace.lock").write_text("broken")

    shown, done = machine.pinnace("ps"), machine.pinnace("stop")

    assert one in shown.stdout.decode()
    assert b"pinnace: by your own settings alone: " in shown.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == f"stopped {one}\n"


def test_what_is_wrong_in_the_users_own_file_is_said(machine: Machine, one: str) -> None:
    own = machine.project.parent / "home" / ".config" / "pinnace" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text("memory = ")

    done = machine.pinnace("stop", one)

    assert done.returncode == 78
    assert b"config.toml" in done.stderr


def test_stop_takes_names_parts_of_names_and_a_grace(machine: Machine, one: str) -> None:
    done = machine.pinnace("stop", "facade", one, "c0ffee", "--grace", "3", "--json")

    assert json.loads(done.stdout)["result"] == [_OTHER, one]
    (argv,) = machine.docker.calls("container stop")
    assert argv[2:] == ["-t", "3", _id(_OTHER), _id(one)]


def test_stop_of_one_that_goes_by_itself_is_done(machine: Machine, one: str) -> None:
    machine.docker.will("container stop", stderr=f"No such container: {one}\n", code=1)

    assert machine.pinnace("stop").returncode == 0


def test_stop_says_why_the_engine_refuses(machine: Machine, one: str) -> None:
    machine.docker.will("container stop", stderr=f"cannot stop {one}: it is stuck\n", code=1)

    done = machine.pinnace("stop")

    assert done.returncode == 69
    assert b"it is stuck" in done.stderr


def test_an_engine_that_is_down_does_not_refuse(machine: Machine) -> None:
    problem = "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n"
    machine.docker.will("container ls", stderr=problem, code=1)

    done = machine.pinnace("ps")

    assert done.returncode == 69
    assert b"the engine does not answer: Cannot connect" in done.stderr


@pytest.mark.parametrize("words", [("statsu",), ("fix", "the", "bug")])
def test_what_is_no_verb_may_be_a_prompt(machine: Machine, words: tuple[str, ...]) -> None:
    done = machine.pinnace(*words)

    assert done.returncode == 64
    assert shlex.join(["pinnace", "--", " ".join(words)]).encode() in done.stderr


def test_an_error_is_one_line_and_its_hint_another(machine: Machine) -> None:
    done = machine.pinnace("completion")

    assert done.returncode == 64
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.usefixtures("one")
def test_stop_all_does_not_ask_a_script(machine: Machine) -> None:
    assert machine.pinnace("stop", "--all").returncode == 0
    assert machine.docker.containers == []


@pytest.mark.usefixtures("one")
@pytest.mark.parametrize(("answer", "left"), [("n", 2), ("y", 0)])
def test_stop_all_asks_a_person(machine: Machine, answer: str, left: int) -> None:
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "pinnace", "stop", "--all"],
        cwd=str(machine.project),
        env={**os.environ, **machine.environment},
        timeout=60,
    )
    terminal.expect_exact("Stop 2 launches?")
    terminal.sendline(answer)
    terminal.expect(pexpect.EOF)
    terminal.close()

    assert terminal.exitstatus == 0
    assert len(machine.docker.containers) == left


@pytest.mark.usefixtures("one")
def test_names_and_all_are_a_contradiction(machine: Machine) -> None:
    assert machine.pinnace("stop", "--all", "c0ffee").returncode == 64
    assert len(machine.docker.containers) == 2


@pytest.mark.parametrize(
    "arguments", [("stop",), ("exec", "--", "ls"), ("logs",), ("stop", "--all"), ("stop", "x")]
)
def test_without_a_launch_there_is_a_hint(machine: Machine, arguments: tuple[str, ...]) -> None:
    done = machine.pinnace(*arguments)

    assert done.returncode == 66
    assert b"hint: " in done.stderr


@pytest.mark.parametrize("arguments", [("stop",), ("shell",), ("exec", "--", "ls"), ("logs",)])
def test_of_several_one_must_be_named(machine: Machine, arguments: tuple[str, ...]) -> None:
    names = ["pinnace-my-project-c0ffee", "pinnace-my-project-decade"]
    machine.docker.holds(*(_mine(machine, name) for name in names))

    done = machine.pinnace(*arguments)

    assert done.returncode == 64
    assert all(name.encode() in done.stderr for name in names)


@pytest.mark.parametrize("code", [0, 1, 42, 126, 127])
def test_exec_gives_the_commands_streams_and_code(machine: Machine, one: str, code: int) -> None:
    machine.docker.will("exec", echo=True, code=code)

    done = machine.pinnace("exec", "--", "cat", "-", "--", "$HOME", "", stdin=b"hello")

    assert (done.returncode, done.stdout) == (code, b"hello")
    (argv,) = machine.docker.calls("exec")
    assert argv == ["exec", "--interactive", _id(one), "cat", "-", "--", "$HOME", ""]


@pytest.mark.usefixtures("one")
def test_exec_takes_a_name(machine: Machine) -> None:
    machine.docker.will("exec")

    machine.pinnace("exec", "facade", "--", "ls")

    assert machine.docker.calls("exec")[0][-2:] == [_id(_OTHER), "ls"]


@pytest.mark.usefixtures("one")
@pytest.mark.parametrize("arguments", [(), ("c0ffee",), ("--",), ("c0ffee", "ls")])
def test_exec_without_a_command_says_where_it_stands(
    machine: Machine, arguments: tuple[str, ...]
) -> None:
    done = machine.pinnace("exec", *arguments)

    assert done.returncode == 64
    assert machine.docker.calls("exec") == []


@pytest.mark.usefixtures("one")
def test_exec_in_the_only_launch_needs_no_dashes(machine: Machine) -> None:
    machine.docker.will("exec")

    machine.pinnace("exec", "ls", "-l")

    assert machine.docker.calls("exec")[0][-2:] == ["ls", "-l"]


def test_shell_goes_into_the_running_launch(machine: Machine, one: str) -> None:
    machine.docker.will("exec", code=5)

    assert machine.pinnace("shell").returncode == 5

    assert machine.docker.calls("exec") == [["exec", "--interactive", _id(one), "/bin/bash"]]
    assert machine.docker.calls("run") == []


def test_shell_without_a_launch_makes_a_container_as_for_claude(machine: Machine) -> None:
    machine.pinnace("run", "--", "x")
    machine.pinnace("shell")

    claude, bash = machine.docker.calls("run")
    assert bash[-1] == "/bin/bash"
    assert hosts.IMAGE_ID in bash
    ignored = ("--name=", "--label=pinnace.run.pid", "--label=pinnace.run.started")
    kept = [[a for a in argv if not a.startswith(ignored)] for argv in (claude, bash)]
    assert kept[0][:-2] == kept[1][:-1]


def test_a_shell_with_options_is_one_of_its_own(machine: Machine, one: str) -> None:
    assert machine.pinnace("shell", "--memory", "2g", "--env", "X=1").returncode == 0

    (argv,) = machine.docker.calls("run")
    assert "--memory=2g" in argv
    assert any(word.startswith("--env") and "X" in word for word in argv)
    assert argv[-1] == "/bin/bash"
    assert one not in str(machine.docker.calls("exec"))


@pytest.mark.parametrize(
    "arguments",
    [("c0ffee", "--memory", "2g"), ("-p", "hi"), ("--detach",), ("--session", "x"), ("a", "b")],
)
def test_a_shell_takes_nothing_of_claudes(machine: Machine, arguments: tuple[str, ...]) -> None:
    assert machine.pinnace("shell", *arguments).returncode == 64
    assert machine.docker.calls("run") == machine.docker.calls("exec") == []


def test_logs_are_the_clients(machine: Machine, one: str) -> None:
    machine.docker.will("container logs", stdout="said\n", stderr="complained\n")

    done = machine.pinnace("logs", "--follow")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"said\n", b"complained\n")
    assert machine.docker.calls("container logs") == [["container", "logs", "--follow", _id(one)]]


@pytest.mark.parametrize("verb", [("ps", "--all"), ("stop",), ("gc",)])
@pytest.mark.parametrize("answer", ["{", "[1]", "{}", '[{"Id": 1}]'])
def test_an_engine_that_talks_nonsense_is_an_error(
    machine: Machine, verb: tuple[str, ...], answer: str
) -> None:
    machine.docker.holds(_mine(machine))
    machine.docker.will("container inspect", stdout=answer)

    done = machine.pinnace(*verb, "--json")

    assert done.returncode == 69
    assert json.loads(done.stdout)["error"]["kind"] == "EngineUnavailableError"


def test_without_a_client_that_is_said(machine: Machine) -> None:
    done = machine.pinnace("ps", environment={"PATH": "/nowhere"})

    assert done.returncode == 69
    assert b"no docker client" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("parallel", "list", "--", "--detach"),
        ("parallel", "list", "--", "--dry-run"),
        ("warm", "--detach"),
        ("warm", "--timing"),
    ],
)
def test_what_is_for_one_launch_is_not_passed_over(
    machine: Machine, words: tuple[str, ...]
) -> None:
    (machine.project / "list").write_text("a prompt\n", encoding="utf-8")
    done = machine.pinnace(*words)
    assert done.returncode == 64, done.stderr
    assert words[-1].encode() in done.stderr


@pytest.mark.parametrize("count", ["0", "-1", "33", "01"])
def test_no_other_number_of_containers_waits(machine: Machine, count: str) -> None:
    done = machine.pinnace("warm", count)

    assert done.returncode == 64
    assert b"argument N: " in done.stderr


def test_prompts_get_no_branches_where_there_are_none(machine: Machine) -> None:
    (machine.project / "list").write_text("a prompt\nanother\n", encoding="utf-8")

    done = machine.pinnace("parallel", "list", "--branches", "tries")

    assert done.returncode == 64, done.stderr
    assert b"no git repository" in done.stderr
    assert done.stdout == b""
