"""What a launch leaves that this machine would run: said at its end, reviewed, remembered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.workspace import git, store
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.process.conftest import Machine

_SAID = b"this machine would run"


@pytest.fixture(autouse=True)
def _own_state(machine: Machine) -> None:
    machine.environment["XDG_STATE_HOME"] = str(Path(machine.environment["HOME"], ".local/state"))


@contextmanager
def _running(
    machine: Machine, *, alone: bool = True, **behaviour: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Launch; what happens inside happens in the body, once all that was there before is known."""
    before, begun = len(machine.docker.log("ready")), time.time_ns()
    machine.docker.will("run", wait=True, **behaviour)
    argv = [sys.executable, "-m", "pinnace", "run"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, cwd=machine.project, env=machine.environment, **pipes) as child:  # type: ignore[call-overload]
        wait_until(lambda: len(machine.docker.log("ready")) > before, "the child does not start")
        if alone:
            wait_until(lambda: _is_known(machine, begun), "nothing is looked at")
        yield child


def _is_known(machine: Machine, since: int) -> bool:
    kept = Path(machine.environment["XDG_STATE_HOME"], "pinnace", "review")
    return any(
        json.loads(one.read_bytes())["whole"] and one.stat().st_mtime_ns > since
        for one in kept.glob("*/baseline.json")
    )


def _launch(machine: Machine, changes: dict[str, str], **behaviour: Any) -> bytes:
    """Launch, change files meanwhile; return what was said."""
    with _running(machine, **behaviour) as child:
        for name, text in changes.items():
            path = machine.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        machine.docker.finish()
        said = child.communicate()[1]
    (machine.docker.place / "finish").unlink()
    return said


def _waiting(machine: Machine) -> list[tuple[str, str]]:
    done = machine.pinnace("review", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["result"]["findings"]
    return [(one["path"], one["change"]) for one in found]


@pytest.mark.parametrize("code", [0, 1, 130])
def test_a_launch_says_what_it_leaves_whatever_its_exit_code(machine: Machine, code: int) -> None:
    said = _launch(machine, {"sub/.envrc": "evil"}, code=code)

    (line,) = (line for line in said.splitlines() if _SAID in line)
    assert b"sub/.envrc (direnv)" in line
    assert b"pinnace review" in line


def test_a_launch_that_leaves_nothing_says_nothing(machine: Machine) -> None:
    (machine.project / ".envrc").write_text("mine")

    assert _SAID not in _launch(machine, {"README.md": "x", "src/main.py": "x"})
    assert _waiting(machine) == []


def test_what_the_next_build_runs_is_shown_and_not_said(machine: Machine) -> None:
    (machine.project / "build.gradle").write_text("mine")

    said = _launch(machine, {"build.gradle": "evil", "app/CMakeLists.txt": "x", "README.md": "x"})

    assert _SAID not in said
    shown = machine.pinnace("review")
    assert shown.stdout.decode().splitlines()[1].split()[:2] == ["new", "app/CMakeLists.txt"]
    assert b"changed  build.gradle" in shown.stdout
    builds = json.loads(machine.pinnace("review", "--json").stdout)["result"]["builds"]
    assert {one["path"] for one in builds} == {"build.gradle", "app/CMakeLists.txt"}
    assert machine.pinnace("review", "revert").returncode == 0
    assert (machine.project / "build.gradle").read_text() == "evil"
    assert machine.pinnace("review", "revert", "build.gradle").returncode == 0
    assert (machine.project / "build.gradle").read_text() == "mine"


def test_what_is_built_does_not_wait_for_a_decision(machine: Machine) -> None:
    _launch(machine, {"Makefile": "x", "sub/.envrc": "x"})

    _launch(machine, {"README.md": "x"})

    found = json.loads(machine.pinnace("review", "--json").stdout)["result"]
    assert [one["path"] for one in found["findings"]] == ["sub/.envrc"]
    assert found["builds"] == []


def test_a_revert_leaves_what_was_run_only_for_what_another_file_says(machine: Machine) -> None:
    (machine.project / "src.py").write_text("mine")
    hook = {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "python src.py"}]}]}}

    said = _launch(machine, {".claude/settings.json": json.dumps(hook), "src.py": "theirs"})

    assert b"src.py (Claude)" in said
    done = machine.pinnace("review", "revert")
    assert done.returncode == 0, done.stderr
    assert not (machine.project / ".claude/settings.json").exists()
    assert (machine.project / "src.py").read_text() == "theirs"
    assert _waiting(machine) == []


def test_a_directory_that_becomes_a_repository_is_looked_into_again(machine: Machine) -> None:
    for name in ("d/hooks/pre-commit", "d/refs/x", "d/objects/x", "d/config"):
        path = machine.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[core]\n\tfsmonitor = evil\n")

    said = _launch(machine, {"d/HEAD": "ref: refs/heads/x"})

    assert b"d/config (git)" in said
    assert {"d/config", "d/hooks/pre-commit"} <= {path for path, _ in _waiting(machine)}
    refused = machine.pinnace("review", "revert")
    assert refused.returncode == 77
    assert b"was there before" in refused.stderr
    assert (machine.project / "d/hooks/pre-commit").exists()


def test_after_a_launcher_was_killed_the_next_verb_says_it(machine: Machine) -> None:
    with _running(machine) as child:
        (machine.project / ".nvim.lua").write_text("evil")
        child.send_signal(signal.SIGKILL)
        child.wait()
        machine.docker.finish()

    said = machine.pinnace("config").stderr

    assert b".nvim.lua (Vim)" in said
    assert b"was killed" in said
    assert _SAID not in machine.pinnace("config").stderr
    assert _waiting(machine) == [(".nvim.lua", "new")]


def test_after_its_client_was_killed_a_container_is_looked_at_again(machine: Machine) -> None:
    machine.docker.will("run", kill=signal.SIGKILL.value)
    machine.pinnace("run")
    assert _SAID not in machine.pinnace("config").stderr

    (machine.project / ".nvim.lua").write_text("evil")

    assert b".nvim.lua (Vim)" in machine.pinnace("config").stderr
    assert _SAID not in machine.pinnace("config").stderr


def test_what_is_known_about_a_project_is_forgotten_with_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", machine.environment["XDG_STATE_HOME"])
    _launch(machine, {})
    assert list(store.forgotten()) == []

    machine.project.rename(machine.project.with_name("elsewhere"))

    assert [place.name[:11] for place in store.forgotten()] == ["my-project-"]


def test_what_waits_is_said_again_until_it_is_decided(machine: Machine) -> None:
    (machine.project / "sub").mkdir()
    (machine.project / "sub" / ".npmrc").write_text("old")
    assert _SAID in _launch(machine, {"sub/.npmrc": "evil"})
    assert _SAID in _launch(machine, {})
    assert _waiting(machine) == [("sub/.npmrc", "changed")]

    done = machine.pinnace("review", "accept", "sub")

    assert done.stdout == b"accepted sub/.npmrc\n"
    assert _SAID not in _launch(machine, {})
    assert _SAID in _launch(machine, {"sub/.npmrc": "worse"})


def test_what_was_accepted_is_known_by_its_content(machine: Machine) -> None:
    _launch(machine, {"sub/.envrc": "good"})
    machine.pinnace("review", "accept")
    (machine.project / "sub" / ".envrc").unlink()
    _launch(machine, {})

    assert _SAID not in _launch(machine, {"sub/.envrc": "good"})
    assert _SAID in _launch(machine, {"sub/.envrc": "evil"})


def test_what_was_accepted_is_what_is_put_back(machine: Machine) -> None:
    _launch(machine, {"sub/.envrc": "good", "mise.toml": "good"})
    machine.pinnace("review", "accept")
    (machine.project / "sub" / ".envrc").write_text("evil")
    (machine.project / "mise.toml").unlink()
    done = machine.pinnace("review", "revert")

    assert done.returncode == 0, done.stderr
    assert (machine.project / "sub" / ".envrc").read_text() == "good"
    assert machine.pinnace("review").stdout == b"nothing waits for review here\n"


def test_what_the_user_changes_between_launches_is_not_reported(machine: Machine) -> None:
    _launch(machine, {})
    (machine.project / "mise.toml").write_text("mine")

    assert _SAID not in _launch(machine, {})


def test_what_the_user_puts_right_does_not_wait_any_more(machine: Machine) -> None:
    assert _SAID in _launch(machine, {"sub/.envrc": "evil"})
    (machine.project / "sub" / ".envrc").write_text("mine")

    assert _SAID not in _launch(machine, {})


def test_a_second_launch_does_not_take_what_the_first_does_for_known(machine: Machine) -> None:
    with _running(machine) as first:
        (machine.project / "sub").mkdir()
        (machine.project / "sub" / ".envrc").write_text("evil")
        with _running(machine, alone=False) as second:
            machine.docker.finish()
            for child in (first, second):
                assert _SAID in child.communicate()[1]


def test_to_be_without_a_file_may_be_reported_too(machine: Machine) -> None:
    (machine.project / "sub").mkdir()
    (machine.project / "sub" / ".npmrc").write_text("ignore-scripts=true")
    with _running(machine) as child:
        (machine.project / "sub" / ".npmrc").unlink()
        machine.docker.finish()
        assert _SAID in child.communicate()[1]

    assert _waiting(machine) == [("sub/.npmrc", "gone")]
    assert machine.pinnace("review", "revert").stdout == b"put back sub/.npmrc\n"
    assert (machine.project / "sub" / ".npmrc").read_text() == "ignore-scripts=true"
    assert _waiting(machine) == []


def test_a_revert_puts_back_content_and_mode(machine: Machine) -> None:
    hook = machine.project / "a" / ".githooks" / "pre-push"
    hook.parent.mkdir(parents=True)
    hook.write_text("mine")
    hook.chmod(0o751)
    _launch(machine, {"a/.githooks/pre-push": "evil", "a/.githooks/post-merge": "evil"})
    assert b"+evil" in machine.pinnace("review").stdout

    done = machine.pinnace("review", "revert")

    assert done.stdout == b"removed a/.githooks/post-merge\nput back a/.githooks/pre-push\n"
    assert (hook.read_text(), hook.stat().st_mode & 0o777) == ("mine", 0o751)
    assert list(hook.parent.iterdir()) == [hook]


def test_a_path_at_which_nothing_waits_is_an_error(machine: Machine) -> None:
    done = machine.pinnace("review", "accept", "elsewhere")

    assert done.returncode == 66
    assert b"nothing waits for review at 'elsewhere'" in done.stderr


def test_nothing_in_a_workspace_makes_a_verb_wait(machine: Machine) -> None:
    machine.environment["PINNACE_TOOLS"] = "none"
    for name in (".npmrc", ".gitattributes", "package.json", "pyproject.toml"):
        os.mkfifo(machine.project / name)
    (machine.project / ".exrc").symlink_to(".exrc")
    (machine.project / ".zed").symlink_to(".")
    with (machine.project / "build.rs").open("wb") as file:
        file.truncate(1 << 40)

    assert _SAID not in _launch(machine, {})
    assert _waiting(machine) == []


def test_git_that_is_asked_runs_nothing_that_a_repository_names(tmp_path: Path) -> None:
    ran, home = tmp_path / "ran", tmp_path / "home"
    program = tmp_path / "evil"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    project = tmp_path / "project"
    subprocess.run(["git", "init", "-q", str(project)], check=True, env=environment)
    for key in ("core.fsmonitor", "core.pager", "core.editor", "gpg.program", "core.sshCommand"):
        subprocess.run(["git", "config", key, str(program)], check=True, cwd=project)
    for name in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction"):
        (project / ".git" / "hooks" / name).symlink_to(program)

    def asked(command: tuple[str, ...], *arguments: str) -> bool:
        ran.unlink(missing_ok=True)
        whole = [*command, *arguments]
        variables = git.environment(environment)
        subprocess.run(whole, check=False, cwd=project, env=variables, capture_output=True)
        return ran.exists()

    assert asked(("git",), "status")
    for arguments in (("status",), ("ls-files",), ("update-ref", "refs/x", "HEAD"), ("add", ".")):
        assert not asked(git.COMMAND, *arguments)


@pytest.mark.parametrize("place", ["{}/bin", "bin"])
def test_no_program_of_the_project_is_taken_for_the_engines(machine: Machine, place: str) -> None:
    evil = machine.project / "bin" / "docker"
    evil.parent.mkdir()
    evil.write_text(f"#!/bin/sh\ntouch {machine.project}/ran\n")
    evil.chmod(0o755)
    path = f"{place.format(machine.project)}{os.pathsep}{machine.environment['PATH']}"

    done = machine.pinnace("run", environment={"PATH": path})

    assert done.returncode == 0, done.stderr
    assert len(machine.docker.calls("run")) == 1
    assert not (machine.project / "ran").exists()
