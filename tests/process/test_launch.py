"""A whole launch: what is run, and what is passed through."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.process.conftest import image
from tests.support import hosts, pasting
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.process.conftest import Machine

_OTHER = f"sha256:{'0' * 64}"
_CANARY = "canary-0123456789-abcdefghij"
_SECRETS = {
    "ANTHROPIC_API_KEY": f"sk-ant-{_CANARY}",
    "CLAUDE_CODE_OAUTH_TOKEN": _CANARY,
    "MY_TOKEN": _CANARY,
}


def test_the_selected_image_is_run_by_its_id(machine: Machine) -> None:
    machine.engine.images = [
        image(_OTHER, created="2027-01-01T00:00:00Z", version="9.9.8"),
        image(created="2026-01-01T00:00:00Z"),
        image(f"sha256:{'1' * 64}", created="2025-01-01T00:00:00Z"),
    ]

    done = machine.pinnace("run", "--", "--version")

    assert done.returncode == 0
    (argv,) = machine.docker.calls("run")
    assert argv[-2:] == ["/opt/claude/bin/claude", "--version"]
    assert hosts.IMAGE_ID in argv
    assert "--pull=never" in argv


@pytest.mark.parametrize("arguments", [(), ("--no-provision",)])
def test_without_a_verb_it_is_a_launch(machine: Machine, arguments: tuple[str, ...]) -> None:
    assert machine.pinnace(*arguments).returncode == 0
    assert len(machine.docker.calls("run")) == 1


def test_claudes_arguments_arrive_untouched(machine: Machine) -> None:
    arguments = ["-p", "a b", "", "--", "--env=X", "$HOME", "'q'", '"', "ü", "\n"]

    machine.pinnace("run", "--", *arguments)

    assert machine.docker.calls("run")[0][-len(arguments) :] == arguments


@pytest.mark.parametrize("code", [0, 1, 3, 64, 66, 127, 143])
def test_the_exit_code_is_claudes(machine: Machine, code: int) -> None:
    machine.docker.will("run", code=code)

    assert machine.pinnace("run").returncode == code


def test_a_client_that_was_killed_gives_128_and_the_number(machine: Machine) -> None:
    machine.docker.will("run", kill=signal.SIGKILL.value)

    assert machine.pinnace("run").returncode == 137


def test_stdout_holds_the_childs_output_only(machine: Machine) -> None:
    data = random.Random(1).randbytes(100_000)  # noqa: S311 (any bytes)
    machine.docker.will("run", stdout="first\n", stderr="complaint\n", echo=True)

    done = machine.pinnace("run", stdin=data)

    assert done.stdout == b"first\n" + data
    assert done.stderr.endswith(b"complaint\n")


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_a_closed_stream_does_not_change_the_exit_code(machine: Machine, redirection: str) -> None:
    machine.docker.will("run", code=3)

    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m pinnace run {redirection}', sys.executable],
        check=False,
        cwd=machine.project,
        env=machine.environment,
        capture_output=True,
        timeout=60,
    )

    assert (done.returncode, b"Traceback" in done.stderr) == (3, False)


def test_a_complaint_never_goes_to_stdout_instead(machine: Machine) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -m pinnace run --memroy 2>&-', sys.executable],
        check=False,
        cwd=machine.project,
        env=machine.environment,
        stdout=subprocess.PIPE,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (64, b"")


def test_a_signal_is_passed_on(machine: Machine) -> None:
    machine.docker.will("run", wait=True, code=143)
    with subprocess.Popen(
        [sys.executable, "-m", "pinnace", "run"], cwd=machine.project, env=machine.environment
    ) as launcher:
        wait_until(lambda: machine.docker.log("ready"), "the child does not start")
        launcher.send_signal(signal.SIGTERM)
        wait_until(machine.docker.signals, "SIGTERM does not reach the child")
        machine.docker.finish()

        assert launcher.wait(60) == 143
    assert machine.docker.signals() == ["SIGTERM"]


def test_a_secret_reaches_the_client_but_no_argument(machine: Machine) -> None:
    done = machine.pinnace("run", "--env", "MY_TOKEN", environment=_SECRETS)

    (call,) = (record for record in machine.docker.log("call") if record["command"] == "run")
    assert {name: call["environment"][name] for name in _SECRETS} == _SECRETS
    placeholders = {word.partition("=pinnace-placeholder")[0] for word in call["argv"]}
    assert {f"--env={name}" for name in _SECRETS} <= placeholders
    for command in ("run", "check"):
        assert _CANARY not in repr(machine.docker.calls(command))
    assert _CANARY.encode() not in done.stdout + done.stderr


def _without_name(argv: list[str]) -> list[str]:
    """The container's name ends in something random; only the launcher itself is its launcher."""
    launcher = tuple(f"--label=pinnace.run.{name}=" for name in ("pid", "started", "host"))
    named = "--env=ANTHROPIC_CUSTOM_HEADERS="
    kept = [a for a in argv if not a.startswith((*launcher, named))]
    return [a.rpartition("-")[0] if a.startswith("--name=") else a for a in kept]


def test_a_dry_run_prints_one_line_that_can_be_pasted(machine: Machine) -> None:
    arguments = ("--env", "MY_TOKEN", "--", "-p", 'it\'s a "b" $HOME')
    machine.pinnace("run", *arguments, environment=_SECRETS)

    done = machine.pinnace("run", "--dry-run", *arguments, environment=_SECRETS)

    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 1
    assert _CANARY.encode() not in done.stdout + done.stderr
    (argv,) = machine.docker.calls("run")
    assert _without_name(pasting.words(done.stdout.decode())) == _without_name(["docker", *argv])


@pytest.mark.parametrize("arguments", [("run", "--dry-run"), ("status",), ("status", "--json")])
def test_a_reader_that_has_gone_causes_no_traceback(
    machine: Machine, arguments: tuple[str, ...]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pinnace", *arguments],
            check=False,
            cwd=machine.project,
            env=machine.environment,
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    finally:
        os.close(writer)

    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


def test_a_second_launch_does_not_verify_again(machine: Machine) -> None:
    for _ in range(2):
        assert machine.pinnace("run").returncode == 0

    (check,) = machine.docker.calls("check")
    assert hosts.IMAGE_ID in check
    assert len(machine.docker.calls("run")) == 2


def test_another_image_of_the_same_version_is_verified_too(machine: Machine) -> None:
    machine.pinnace("run")
    machine.engine.images.append(image(_OTHER, created="2027-01-01T00:00:00Z"))
    machine.pinnace("run")

    assert [_OTHER in argv for argv in machine.docker.calls("check")] == [False, True]


def test_a_launch_leaves_nothing_in_the_project(machine: Machine) -> None:
    machine.pinnace("run")

    assert [path.name for path in machine.project.iterdir()] == [".claude-version"]
