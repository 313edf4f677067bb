"""What somebody types who does not know this command yet, and what they get."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pinnace_images import lock
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.conftest import Machine


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        (["-p", "hi"], ["-p", "hi"]),
        (["--resume"], ["--resume"]),
        (["-c"], ["-c"]),
        (["--continue"], ["--continue"]),
        (["--model", "opus"], ["--model", "opus"]),
        (["--permission-mode", "plan"], ["--permission-mode", "plan"]),
        (["fix the bug"], ["fix the bug"]),
        (["run", "fix the bug", "-p"], ["fix the bug", "-p"]),
        (["run", "--memory", "4g", "--verbose"], ["--verbose"]),
    ],
)
def test_what_is_not_ours_goes_to_claude(
    machine: Machine, typed: list[str], given: list[str]
) -> None:
    done = machine.pinnace(*typed)

    assert done.returncode == 0, done.stderr
    (argv,) = machine.docker.calls("run")
    assert argv[-len(given) :] == given


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("version", "pinnace --version"),
        ("login", "pinnace auth login"),
        ("update", "pinnace pin latest"),
        ("upgrade", "pinnace pin latest"),
        ("prune", "pinnace gc"),
        ("clean", "pinnace gc"),
        ("ls", "pinnace ps"),
        ("list", "pinnace ps"),
        ("build", "pinnace-build build"),
        ("init", "pinnace pin latest"),
        ("mcp list", "pinnace -- mcp list"),
        ("run hi", "pinnace -- hi"),
        ("fix the test", "pinnace -- 'fix the test'"),
        ("hello -p", "pinnace -- hello -p"),
        ("run -e FOO=bar", "--env NAME"),
        ("run -v /a:/b", "--mount"),
        ("run --env-file x", "--secrets FILE"),
        ("run --network none", "--isolation LEVEL"),
        ("run --memroy 4g", "--memory"),
    ],
)
def test_a_word_of_another_program_gets_what_is_meant_here(
    machine: Machine, typed: str, hint: str
) -> None:
    done = machine.pinnace(*typed.split())

    assert done.returncode == 64
    assert hint in done.stderr.decode().split("hint: ", 1)[1]
    assert machine.docker.calls("run") == []


def test_help_explains_verbs_and_shows_pages(machine: Machine) -> None:
    listed = machine.pinnace("help").stdout.decode()
    assert "Running launches:" in listed
    assert "daily-work" in listed
    for verb in (("run",), ("session", "list"), ("exec",), ("network",)):
        assert machine.pinnace("help", *verb).stdout == machine.pinnace(*verb, "--help").stdout
    for name in ("network.md", "docs/network.md"):
        assert machine.pinnace("help", name).stdout.startswith(b"# Network and keys")
    assert machine.pinnace("help", "hosts").stdout.startswith(b"# ")


def test_help_of_what_there_is_not_names_what_is_like_it(machine: Machine) -> None:
    done = machine.pinnace("help", "../README")
    assert (done.returncode, done.stdout) == (64, b"")
    assert b"perhaps you meant 'settings'" in machine.pinnace("help", "setings").stderr
    assert machine.pinnace("help", "session", "lits").returncode == 64


@pytest.mark.parametrize("flag", ["--version", "-V", "-v"])
def test_the_version_is_told(machine: Machine, flag: str) -> None:
    assert machine.pinnace(flag).stdout.startswith(b"pinnace, version ")


@pytest.mark.parametrize("command", [["pinnace", "auth"], ["pinnace_builder"]])
def test_a_group_without_a_verb_prints_its_help(machine: Machine, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        check=False,
        capture_output=True,
        env=machine.environment,
        timeout=60,
    )

    assert done.returncode == 64
    lines = done.stderr.decode().splitlines()
    assert lines[0].startswith("Usage: ")
    assert len(lines) > 5


def test_without_a_version_pin_tells_the_pin(machine: Machine) -> None:
    done = machine.pinnace("pin")

    assert done.returncode == 0
    assert done.stdout.decode() == f"9.9.9 ({machine.project / '.claude-version'})\n"


@pytest.mark.parametrize(
    "arguments", [["-p", "--bg", "x"], ["daemon"], ["attach"], ["claude", "-p", "x"], ["update"]]
)
def test_what_would_lose_work_starts_nothing(machine: Machine, arguments: list[str]) -> None:
    done = machine.pinnace("--", *arguments)

    assert done.returncode in {64, 77}
    assert b"hint: " in done.stderr
    assert machine.docker.calls("run") == []


def test_a_note_that_nobody_reads_ends_no_launch(machine: Machine) -> None:
    (machine.project / "pinnace.toml").write_text("[run]\nproxy = true\n")
    reading, writing = os.pipe()
    os.close(reading)
    machine.docker.will("run", stdout="done")

    done = subprocess.run(
        [sys.executable, "-m", "pinnace", "run", "--", "-p", "hi"],
        check=False,
        cwd=machine.project,
        env=machine.environment,
        stdout=subprocess.PIPE,
        stderr=writing,
        timeout=60,
    )
    os.close(writing)

    assert (done.returncode, done.stdout) == (0, b"done")


def _run_unread(machine: Machine, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run it with an output that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "pinnace", *arguments],
        check=False,
        cwd=machine.project,
        env=machine.environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(writing)
    return done


def test_who_reads_no_more_ends_the_launch(machine: Machine) -> None:
    # As the engines' clients do: they end, and say so; the container would go on.
    machine.docker.will("run", code=1, stderr="write /dev/stdout: broken pipe\n")
    done = _run_unread(machine, "-p", "hi")

    assert done.returncode == 141
    (argv,) = machine.docker.calls("run")
    (name,) = (word.removeprefix("--name=") for word in argv if word.startswith("--name="))
    assert machine.docker.calls("container stop")[0][-1] == name
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["config"], ["--help"], ["run", "--dry-run"], ["status"]])
def test_output_that_is_lost_is_no_success(machine: Machine, arguments: list[str]) -> None:
    done = _run_unread(machine, *arguments)

    assert done.returncode == 141
    assert b"Traceback" not in done.stderr
    assert b"Broken pipe" not in done.stderr


def test_output_that_was_closed_is_an_error(machine: Machine) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -m pinnace config >&-', sys.executable],
        check=False,
        cwd=machine.project,
        env=machine.environment,
        stderr=subprocess.PIPE,
        timeout=60,
    )

    assert done.returncode == 73
    assert b"'standard output'" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="of Linux")  # noqa: PTH110
def test_output_on_a_full_disk_is_an_error(machine: Machine) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "pinnace", "config"],
            check=False,
            cwd=machine.project,
            env=machine.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
        )

    assert done.returncode == 73
    assert b"No space left" in done.stderr


def test_a_killed_container_is_said_with_the_limit(machine: Machine) -> None:
    machine.docker.will("run", code=137)

    done = machine.pinnace("run", "--memory", "100m")

    assert done.returncode == 137
    assert b"100m: --memory, run.memory" in done.stderr


def test_a_lock_of_another_version_is_said_at_a_launch_and_by_status(
    machine: Machine,
) -> None:
    _lock_another(machine.project)

    for verb in ("run", "status"):
        done = machine.pinnace(verb)
        assert done.returncode == 0, done.stderr
        said = done.stdout + done.stderr
        assert b"pinnace.lock is of 2.1.330, not of 9.9.9: pinnace pin 9.9.9 --lock" in said


@pytest.mark.parametrize(("option", "environment"), [("--locked", {}), ("--git", {"CI": "true"})])
def test_where_the_lock_is_meant_to_hold_another_versions_is_an_error(
    machine: Machine, option: str, environment: dict[str, str]
) -> None:
    _lock_another(machine.project)

    done = machine.pinnace("run", option, environment=environment)

    assert done.returncode == 79
    assert b"pinnace pin 9.9.9 --lock" in done.stderr
    assert machine.docker.calls("run") == []


def test_a_lock_that_is_asked_for_has_to_be_there(machine: Machine) -> None:
    done = machine.pinnace("run", "--locked")

    assert done.returncode == 79
    assert b"there is no pinnace.lock" in done.stderr


def _lock_another(project: Path) -> None:
    shipped = lock.load(lock.SHIPPED_LOCK).entries[CliVersion(2, 1, 330)]
    lock.save(project / "pinnace.lock", lock.Lock({shipped.version: shipped}))


def test_without_any_home_it_is_a_usage_error_that_names_it(machine: Machine) -> None:
    environment = {n: v for n, v in machine.environment.items() if n != "HOME"}
    script = (
        "import os, pwd; pwd.getpwuid = lambda uid: (_ for _ in ()).throw(KeyError(uid)); "
        "from pinnace.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "run"],
        check=False,
        capture_output=True,
        cwd=machine.project,
        env=environment,
        timeout=60,
    )

    assert done.returncode == 64
    assert b"HOME" in done.stderr


@pytest.mark.parametrize("home", ["", "somewhere"])
def test_a_home_that_is_no_whole_path_is_a_usage_error(machine: Machine, home: str) -> None:
    done = machine.pinnace("status", environment={"HOME": home})

    assert done.returncode == 64
    assert b"by its whole path" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "look at @/opt/elsewhere/x.py"], True),
        (["--add-dir", "sub", "--", "-p"], False),
        (["-p", "write to me@example.com"], False),
    ],
)
def test_what_claude_is_pointed_at_and_is_not_inside_is_said(
    machine: Machine, arguments: list[str], *, said: bool
) -> None:
    done = machine.pinnace("run", *arguments)

    assert (b"is not inside: --mount /opt/elsewhere" in done.stderr) is said


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        ("ConnectionRefusedError(111, 'Connection refused')", 75, "pinnace doctor"),
        ("FileNotFoundError(2, 'No such file or directory', '/x')", 66, "is there"),
        ("PermissionError(13, 'Permission denied', '/x')", 73, "who may"),
        ("OSError(28, 'No space left on device', '/x')", 73, "free some space"),
    ],
)
def test_what_the_system_refuses_is_told_by_its_kind(error: str, code: int, hint: str) -> None:
    script = (
        "from pinnace_core.console import run_main\n"
        f"def fail(): raise {error}\n"
        "raise SystemExit(run_main('pinnace', fail))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == code
    assert hint in done.stderr
