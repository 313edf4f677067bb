"""The audit record of launches and of commands in them, with a fake engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pinnace_images import contract
from tests.support import containers, hosts
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.process.conftest import Machine

_KEY = "sk-ant-api03-canary0123456789abcdefghij"


@pytest.fixture(autouse=True)
def _own_directories(machine: Machine) -> None:
    home = Path(machine.environment["HOME"])
    machine.environment["XDG_STATE_HOME"] = str(home / ".local/state")
    machine.environment["XDG_DATA_HOME"] = str(home / ".local/share")


def _directory(machine: Machine) -> Path:
    return Path(machine.environment["XDG_STATE_HOME"], "pinnace/audit")


def _entries(machine: Machine) -> list[dict[str, Any]]:
    try:
        # Of a line that is being written, a reader may see half.
        whole, _, _ = (_directory(machine) / "log.jsonl").read_text().rpartition("\n")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in whole.splitlines()]


def _result(machine: Machine, *arguments: str) -> Any:
    done = machine.pinnace("audit", *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["result"]


def _start(machine: Machine, *arguments: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "pinnace", *arguments]
    return subprocess.Popen(argv, cwd=machine.project, env=machine.environment)


def test_a_launch_has_an_entry_before_it_starts_and_one_when_it_ended(machine: Machine) -> None:
    machine.docker.will("run", wait=True, code=3)
    with _start(machine, "run", "--memory", "2g", "--", "--model", "opus") as launcher:
        wait_until(lambda: machine.docker.log("ready"), "the child does not start")
        (started,) = _entries(machine)
        machine.docker.finish()
        assert launcher.wait(60) == 3

    assert started["kind"] == "started"
    assert started["verb"] == "run"
    assert started["who"]["uid"] == os.getuid()
    assert started["project"] == str(machine.project.resolve())
    assert started["image"]["id"] == hosts.IMAGE_ID
    version, digest = hosts.VERSION, hosts.SHA256
    assert started["claude"] == {"version": version, "sha256": digest, "verified": True}
    assert started["arguments"] == ["--model", "opus"]
    assert started["isolation"]["level"] == "open"
    assert started["limits"]["memory"] == "2g"
    assert started["consent"]["settings"] == {
        "run.isolation": "PINNACE_ISOLATION",
        "run.memory": "--memory",
        "run.standby": "PINNACE_STANDBY",
    }
    (argv,) = machine.docker.calls("run")
    assert f"--name={started['launch']}" in argv
    named = {(m["source"], m["target"], m["writable"]) for m in started["mounts"]}
    given = [word for word in argv if word.startswith("--mount=")]
    assert len(named) == len(given)
    assert (started["project"], started["project"], True) in named
    _, ended = _entries(machine)
    assert (ended["kind"], ended["of"], ended["exit"]) == ("ended", 1, 3)
    assert ended["seconds"] >= 0


@pytest.mark.parametrize("code", [0, 125, 130, 137, 143])
def test_whatever_the_exit_code_it_is_recorded(machine: Machine, code: int) -> None:
    machine.docker.will("run", code=code)

    assert machine.pinnace("run").returncode == code

    assert [entry.get("exit") for entry in _entries(machine)] == [None, code]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_launch_that_a_signal_ended_has_its_end(machine: Machine, name: str) -> None:
    machine.docker.will("run", wait=True, code=130)
    with _start(machine, "run") as launcher:
        wait_until(lambda: machine.docker.log("ready"), "the child does not start")
        launcher.send_signal(signal.Signals[name])
        wait_until(machine.docker.signals, "the signal is not passed on")
        machine.docker.finish()
        launcher.wait(60)

    assert [entry["kind"] for entry in _entries(machine)] == ["started", "ended"]


def test_what_claude_wrote_meanwhile_is_noted_as_its_claim(machine: Machine) -> None:
    line = {
        "timestamp": "9999-01-01T00:00:00.000Z",
        "message": {
            "content": [{"type": "tool_use", "name": "Write", "input": {"file_path": "/srv/a"}}]
        },
    }
    encoded = "".join(c if c.isalnum() else "-" for c in str(machine.project))
    machine.pinnace("run")
    (config,) = [m for m in _entries(machine)[0]["mounts"] if m["target"] == contract.CONFIG_DIR]
    Path(config["source"], "projects", encoded).mkdir(parents=True)
    machine.docker.will("run", writes={f"projects/{encoded}/s.jsonl": json.dumps(line)})

    machine.pinnace("run")

    ended = _entries(machine)[3]
    assert ended["claimed"] == {"tool_calls": {"Write": 1}, "files": ["/srv/a"]}
    named = {Path(one["path"]).name: one["size"] for one in ended["transcripts"]}
    assert named["s.jsonl"] == len(json.dumps(line))


def test_no_argument_and_no_variable_puts_a_secret_in_it(machine: Machine) -> None:
    machine.environment |= {"ANTHROPIC_API_KEY": _KEY, "MY_TOKEN": "hunter2-hunter2"}

    machine.pinnace("run", "--env", "MY_TOKEN", "--", "-p", f"use {_KEY}", "--settings", _KEY)
    machine.pinnace("run", "--key-helper", f"echo {_KEY}", "--", "--model", "hunter2-hunter2")
    machine.docker.holds(_mine(machine))
    machine.docker.will("exec")
    machine.pinnace("exec", "--", "curl", "-H", f"x-api-key: {_KEY}")

    text = b"".join(p.read_bytes() for p in _directory(machine).iterdir())
    assert b"canary" not in text
    assert b"hunter2" not in text
    assert b"MY_TOKEN" in text
    assert [e["command"] for e in _entries(machine) if "command" in e] == [
        {"program": "curl", "arguments": 2}
    ]


def _mine(machine: Machine) -> dict[str, Any]:
    workspace = str(machine.project.resolve())
    return containers.inspected("pinnace-mine-c0ffee", workspace=workspace, pid=os.getpid())


@pytest.mark.parametrize(
    ("arguments", "program"),
    [(("exec", "--", "ls", "-l"), "ls"), (("shell",), "/bin/bash")],
    ids=["exec", "shell"],
)
def test_commands_in_a_launch_are_in_it(
    machine: Machine, arguments: tuple[str, ...], program: str
) -> None:
    machine.docker.holds(_mine(machine))
    machine.docker.will("exec", code=5)

    assert machine.pinnace(*arguments).returncode == 5

    started, ended = _entries(machine)
    assert (started["verb"], started["launch"]) == (arguments[0], "pinnace-mine-c0ffee")
    assert started["command"]["program"] == program
    assert started["claude"] == {"version": hosts.VERSION}
    assert (ended["of"], ended["exit"]) == (1, 5)


def test_a_shell_of_its_own_is_in_it(machine: Machine) -> None:
    machine.pinnace("shell")

    assert [entry["verb"] for entry in _entries(machine)] == ["shell", "shell"]


def test_what_the_user_decides_is_in_it(machine: Machine) -> None:
    settings = machine.project / "pinnace.toml"
    settings.write_text('[network]\nallow = ["a.example"]\n')
    decided = (
        ("trust", "--yes"),
        ("network", "allow", "b.example", "--for", "10m"),
        ("network", "deny", "c.example", "--everywhere"),
    )
    for arguments in decided:
        assert machine.pinnace(*arguments).returncode == 0
    machine.pinnace("run")
    machine.pinnace("trust", "--revoke")

    trust, allow, deny, started, _, revoke = _entries(machine)
    assert (trust["decision"], trust["path"]) == ("approve", str(settings))
    assert len(trust["sha256"]) == 64
    assert (allow["decision"], allow["destinations"]) == ("allow", ["b.example:443"])
    assert "until" in allow
    assert (deny["decision"], deny["project"]) == ("deny", "")
    assert started["consent"]["approved"] == {str(settings): ["network.allow"]}
    assert (revoke["decision"], revoke["path"]) == ("revoke", str(settings))


def test_what_waits_for_approval_is_in_it(machine: Machine) -> None:
    settings = machine.project / "pinnace.toml"
    settings.write_text('[network]\nallow = ["a.example"]\n')

    machine.pinnace("run")

    consent = _entries(machine)[0]["consent"]
    assert consent["waiting"] == {str(settings): ["network.allow"]}
    assert "approved" not in consent


def test_a_dry_run_is_not_in_it(machine: Machine) -> None:
    machine.pinnace("run", "--dry-run")

    assert not _directory(machine).exists()


def test_only_the_user_turns_it_off_and_every_launch_says_so(machine: Machine) -> None:
    done = machine.pinnace("run", environment={"PINNACE_AUDIT": "off"})
    also = machine.pinnace("run", "--no-audit")

    assert (done.returncode, also.returncode) == (0, 0)
    assert b"audit record is off (PINNACE_AUDIT)" in done.stderr
    assert b"audit record is off (--audit)" in also.stderr
    assert _entries(machine) == []


@pytest.mark.parametrize("name", ["pinnace.toml", "pyproject.toml"])
@pytest.mark.parametrize("key", ["enabled = false", 'size = "6m"', "days = 1"])
def test_a_projects_file_never_does(machine: Machine, name: str, key: str) -> None:
    table = "[audit]" if name == "pinnace.toml" else "[tool.pinnace.audit]"
    (machine.project / name).write_text(f"{table}\n{key}\n")

    done = machine.pinnace("run")

    assert done.returncode == 78
    assert b"your own settings file alone" in done.stderr
    assert machine.docker.calls("run") == []
    assert machine.pinnace("trust", "--yes").returncode == 78


def test_what_cannot_be_recorded_is_not_launched(machine: Machine) -> None:
    _directory(machine).parent.mkdir(parents=True, exist_ok=True)
    _directory(machine).write_text("not a directory")

    done = machine.pinnace("run")

    assert done.returncode == 73
    assert machine.docker.calls("run") == []


def test_a_killed_launcher_has_an_end_that_was_found_later(machine: Machine) -> None:
    machine.docker.will("run", wait=True)
    with _start(machine, "run") as launcher:
        wait_until(lambda: machine.docker.log("ready"), "the child does not start")
        assert _result(machine, "list")[0]["state"] == "running"
        launcher.kill()
    (row,) = _result(machine, "list")
    assert (row["state"], row["exit"]) == ("killed", "killed")
    machine.docker.finish()
    machine.docker.will("run", code=4)

    machine.pinnace("run")

    wait_until(lambda: len(_entries(machine)) == 4, "the end is not noted")
    (found,) = [e for e in _entries(machine) if e.get("found_later")]
    assert (found["kind"], found["of"]) == ("ended", 1)
    assert "exit" not in found
    assert "seconds" not in found
    assert [one["state"] for one in _result(machine, "list")] == ["found later", "ended"]
    assert machine.pinnace("audit", "verify").returncode == 0


def test_a_killed_command_is_found_by_gc(machine: Machine) -> None:
    machine.docker.holds(_mine(machine))
    machine.docker.will("exec", wait=True)
    with _start(machine, "exec", "--", "ls") as launcher:
        wait_until(lambda: machine.docker.log("ready"), "the child does not start")
        launcher.kill()
    machine.docker.finish()
    # So that there is something to remove.
    left = containers.inspected("pinnace-other-facade", workspace="/srv/other")
    machine.docker.holds(left)

    machine.pinnace("gc", "--yes")

    assert [entry.get("found_later") for entry in _entries(machine)] == [None, True]


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.1, 0.2, 0.3])
def test_killed_at_any_moment_the_record_stays_whole(machine: Machine, pause: float) -> None:
    machine.pinnace("run")
    with _start(machine, "run") as launcher:
        try:
            launcher.wait(pause)
        except subprocess.TimeoutExpired:
            launcher.kill()

    assert machine.pinnace("run").returncode == 0
    done = machine.pinnace("audit", "verify")
    assert done.returncode == 0, done.stdout + done.stderr


def test_twenty_at_once_keep_one_chain(machine: Machine) -> None:
    machine.pinnace("run")

    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda _: machine.pinnace("run"), range(20)))

    assert [one.stderr for one in done if one.returncode] == []
    found = _entries(machine)
    assert [entry["number"] for entry in found] == list(range(1, 43))
    assert sorted(e["of"] for e in found if e["kind"] == "ended") == sorted(
        e["number"] for e in found if e["kind"] == "started"
    )
    assert machine.pinnace("audit", "verify").returncode == 0


def test_the_verbs_tell_it(machine: Machine) -> None:
    machine.docker.will("run", code=7)
    machine.pinnace("run", "--", "--model", "opus")

    listed = machine.pinnace("audit", "list").stdout.decode().splitlines()
    assert listed[0].split()[:4] == ["NUMBER", "TIME", "VERB", "LAUNCH"]
    assert listed[1].split()[6] == "7"
    name = _entries(machine)[0]["launch"]
    for chosen in ((), ("1",), (name,), (name[-6:],)):
        shown = machine.pinnace("audit", "show", *chosen).stdout.decode()
        assert f"launch      run {name}\n" in shown
        assert ", exit 7\n" in shown
        assert "arguments   --model opus\n" in shown
        assert f"writable    {machine.project}" in shown
        assert "pinnace audit show 1 --json" in shown
    assert _result(machine, "show")["ended"]["exit"] == 7
    exported = machine.pinnace("audit", "export").stdout.splitlines()
    assert [json.loads(line) for line in exported] == _entries(machine)
    events = machine.pinnace("audit", "export", "--format", "ocsf").stdout.splitlines()
    assert [json.loads(line)["class_uid"] for line in events] == [1007, 1007]


def test_those_of_other_projects_are_told_on_demand(machine: Machine, tmp_path: Path) -> None:
    machine.pinnace("run")
    machine.project = tmp_path / "elsewhere"
    machine.project.mkdir()

    assert _result(machine, "list") == []
    assert len(_result(machine, "list", "--all")) == 1
    assert machine.pinnace("audit", "show").returncode == 66
    assert machine.pinnace("audit", "show", "nothing").returncode == 66
    assert machine.pinnace("audit", "export").stdout == b""
    assert len(machine.pinnace("audit", "export", "--all").stdout.splitlines()) == 2


def test_a_head_that_was_noted_elsewhere_is_held_against_it(machine: Machine) -> None:
    machine.pinnace("run")
    noted = _result(machine, "verify")["head"]
    machine.pinnace("run")

    assert machine.pinnace("audit", "verify", "--head", noted).returncode == 0
    other = f"{noted[:-1]}{'0' if noted[-1] != '0' else '1'}"
    assert machine.pinnace("audit", "verify", "--head", other).returncode == 79
    assert machine.pinnace("audit", "verify", "--head", "nonsense").returncode == 64


def test_a_launch_whose_record_was_changed_says_so_and_notes_it(machine: Machine) -> None:
    machine.pinnace("run")
    path = _directory(machine) / "log.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])

    done = machine.pinnace("run")

    assert done.returncode == 0
    assert b"audit record is not as it was left: pinnace audit verify" in done.stderr
    assert [entry["number"] for entry in _entries(machine)] == [1, 3, 4]
    assert _entries(machine)[1]["broken"]["head"]["number"] == 2


@pytest.fixture
def _traps(machine: Machine) -> None:
    """Names that would be commands of a terminal."""
    machine.project = machine.project.with_name("my \x1b[2J\u202eproject")
    machine.project.mkdir()
    (machine.project / ".claude-version").write_text(f"{hosts.VERSION}\n")


@pytest.mark.usefixtures("_traps")
def test_names_give_a_terminal_no_commands(machine: Machine) -> None:
    assert machine.pinnace("run").returncode == 0

    for verb in (("list", "--all"), ("show",), ("export",), ("verify",)):
        done = machine.pinnace("audit", *verb)
        assert done.stdout
        assert b"\x1b" not in done.stdout + done.stderr
        assert "\u202e".encode() not in done.stdout
