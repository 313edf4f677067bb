"""A day's work with the real CLI: tools, git, bypass mode, and what Claude is told."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.engine.conftest import docker
from tests.support.messages_api import Text
from tests.support.tmux import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

_PROMPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"


def shell(launcher: Launcher, script: str, *options: str) -> str:
    """Run a script where Claude would run; return what it prints."""
    launcher.environment["PINNACE_TEST_SCRIPT"] = script
    for option in options:
        name, _, value = option.partition("=")
        launcher.environment[name] = value
    done = launcher.run("shell", text=script)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def git(directory: Path, *arguments: str) -> str:
    """Run the host's git."""
    return subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=e@example", *arguments],
        cwd=directory,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_a_node_project_gets_node_and_its_tests_run(launcher: Launcher) -> None:
    (launcher.project / "package.json").write_text(
        json.dumps({"name": "x", "version": "1.0.0", "scripts": {"test": "node --test"}})
    )
    (launcher.project / "a.test.js").write_text("require('node:test')('it works', () => {})\n")

    said = shell(launcher, "node --version && npm --version && npm test")

    assert said.startswith("v24.")
    assert "pass 1" in said
    assert "image" not in launcher.run("run", "--tool", "none", "--", "--version").stderr


def test_a_python_project_has_python_with_venv_and_pip(launcher: Launcher) -> None:
    script = "python3 -m venv /tmp/v && /tmp/v/bin/pip --version && /tmp/v/bin/python -c 'print(7)'"

    assert shell(launcher, script).endswith("7\n")


@pytest.mark.parametrize("before", [["-p", "hi"], ["--version"]], ids=["printed", "version"])
def test_bypass_mode_asks_nothing_in_a_profile_that_was_used(
    launcher: Launcher, api: MessagesApi, tmp_path: Path, before: list[str]
) -> None:
    api.reply_with(Text("done"))
    assert launcher.run("run", "--", *before).returncode == 0

    argv = launcher.argv("--dangerously-skip-permissions")
    terminal = Terminal(tmp_path / "tmux", argv, cwd=launcher.project)
    with terminal.start(launcher.environment):
        screen = terminal.wait_for("bypass permissions on")
        assert "Yes, I accept" not in screen
        terminal.type("hello", "Enter")
        terminal.wait_for("done")


def test_claudes_own_doctor_finds_nothing_to_mend(launcher: Launcher) -> None:
    said = launcher.run("run", "--", "doctor").stdout

    assert "Running: native" in said
    assert "warning" not in said


def test_claude_is_told_where_it_is_unless_it_is_turned_off(
    launcher: Launcher, api: MessagesApi
) -> None:
    for option, told in (("--note", True), ("--no-note", False)):
        api.requests.clear()
        api.reply_with(Text("ok"))
        assert launcher.run("run", option, "--", "-p", "hi").returncode == 0
        sent = json.dumps(api.requests)
        assert ("You run in a container that Pinnace started" in sent) is told
        assert (f"You can write to the project (`{launcher.project}`)" in sent) is told


def test_lfs_files_are_committed_as_pointers(launcher: Launcher) -> None:
    git(launcher.project, "init", "-q")
    (launcher.project / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (launcher.project / "big.bin").write_bytes(os.urandom(1000))

    shell(launcher, "git -c user.name=n -c user.email=e commit -qm x --allow-empty && git add .")

    assert git(launcher.project, "show", ":big.bin").startswith("version https://git-lfs")


def test_another_required_filter_is_an_error_not_a_commit_of_what_it_hides(
    launcher: Launcher, tmp_path: Path
) -> None:
    (tmp_path / "gitconfig").write_text(
        '[filter "crypt"]\n\tclean = /opt/crypt clean\n\tsmudge = /opt/crypt\n\trequired = true\n'
    )
    launcher.environment["GIT_CONFIG_GLOBAL"] = str(tmp_path / "gitconfig")
    git(launcher.project, "init", "-q")
    (launcher.project / ".gitattributes").write_text("*.key filter=crypt\n")
    (launcher.project / "a.key").write_text("secret\n")

    said = shell(launcher, "git add a.key 2>&1 || echo refused")

    assert "refused" in said
    assert git(launcher.project, "ls-files") == ""


def test_a_token_that_goes_in_is_what_git_pushes_with(launcher: Launcher) -> None:
    launcher.environment |= {"GH_TOKEN": "canary-gh", "PINNACE_ENVIRONMENT": "GH_TOKEN"}
    ask = "printf 'protocol=https\\nhost=github.com\\n\\n' | git credential fill"

    said = shell(launcher, ask)

    assert "username=x-access-token" in said
    assert "password=canary-gh" in said


def test_a_repository_that_only_a_newer_git_opens_is_said(launcher: Launcher) -> None:
    git(launcher.project, "init", "-q")
    git(launcher.project, "config", "core.repositoryformatversion", "1")
    with (launcher.project / ".git" / "config").open("a") as file:
        file.write("[extensions]\n\trelativeWorktrees = true\n")

    done = launcher.run("run", "--", "--version")

    assert done.returncode == 0
    assert "extensions.relativeWorktrees" in done.stderr


def test_a_git_directory_by_another_name_works(launcher: Launcher) -> None:
    git(launcher.project, "init", "-q")
    (launcher.project / ".git").rename(launcher.project / ".git.nosync")
    (launcher.project / ".git").symlink_to(".git.nosync")

    done = launcher.run("shell", text="git status --porcelain && echo fine")

    assert done.stdout.endswith("fine\n"), done.stderr
    assert "'.git' is a link" not in done.stderr


def test_the_image_runs_as_any_user_of_group_0(image: str) -> None:
    script = "mkdir ~/x && touch ~/.claude/x && claude --version"
    said = docker("run", "--rm", "--user=12345:0", "--network=none", image, "sh", "-c", script)
    read_only = ("--read-only", "--tmpfs=/tmp", "--tmpfs=/home/agent")
    again = docker("run", "--rm", "--user=12345:0", *read_only, image, "claude", "--version")

    assert said == again
    assert "(Claude Code)" in said


def test_printing_works_in_the_background_of_a_terminal(
    launcher: Launcher, api: MessagesApi, tmp_path: Path
) -> None:
    api.reply_with(Text("from the background"))
    line = f"{shlex.join(launcher.argv('-p', 'hi'))} & wait; echo over"
    terminal = Terminal(tmp_path / "tmux", ["bash", "-mc", line], cwd=launcher.project)
    with terminal.start(launcher.environment):
        terminal.wait_for("from the background")
        terminal.wait_for("over")


def test_an_interactive_launch_in_the_background_waits_for_the_terminal(
    launcher: Launcher, tmp_path: Path
) -> None:
    stopped = "for _ in {1..150}; do jobs > jobs; grep -q Stopped jobs && break; sleep 0.2; done"
    line = f"{shlex.join(launcher.argv())} & {stopped}; fg"
    terminal = Terminal(tmp_path / "tmux", ["bash", "-mc", line], cwd=launcher.project)
    with terminal.start(launcher.environment):
        terminal.wait_for(_PROMPT)
    assert "Stopped" in (launcher.project / "jobs").read_text()
