"""`--branch`: a worktree of its own, with the real git, engine and CLI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.engine.conftest import VERSION, containers_of
from tests.support.git import git
from tests.support.messages_api import Text, ToolUse

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]


@pytest.fixture
def repository(isolated: Launcher) -> Path:
    """Make the project a repository with a commit, and files that are in none."""
    place = isolated.project
    git(place, "init", "-q")
    (place / "src").mkdir()
    (place / "src" / "code").write_text("code\n", encoding="utf-8")
    git(place, "add", ".")
    git(place, "commit", "-qm", "first")
    (place / "src" / "code").write_text("not committed\n", encoding="utf-8")
    return place


def test_a_branch_is_worked_on_beside_the_project(
    isolated: Launcher, repository: Path, api: MessagesApi
) -> None:
    identity = "-c user.name=a -c user.email=a@b"
    script = f"cat src/code > seen; echo new > src/new; git add src; git {identity} commit -qm work"
    api.reply_with(ToolUse("Bash", {"command": script}), Text("done"))
    command = ("run", "--branch", "fix/42", "-p", "go on", "--allowedTools", "Bash")

    shown = isolated.run("run", "--dry-run", "--branch", "fix/42")
    done = isolated.run(*command)

    place = repository.parent / "project.worktrees" / "fix-42"
    assert (shown.returncode, "a launch would make it" in shown.stderr) == (66, True)
    assert done.returncode == 0, done.stderr
    assert f"branch fix/42 is in {place}" in done.stderr
    assert (place / "seen").read_text(encoding="utf-8") == "code\n"
    assert git(repository, "log", "--format=%s", "fix/42").splitlines() == ["work", "first"]
    assert (repository / "src" / "code").read_text(encoding="utf-8") == "not committed\n"
    assert not (repository / "src" / "new").exists()

    # Gone on with, nothing is checked out again.
    (place / "src" / "code").unlink()
    api.reply_with(ToolUse("Bash", {"command": "ls src > listed"}), Text("done"))
    again = isolated.run(*command)
    assert again.returncode == 0, again.stderr
    assert (place / "listed").read_text(encoding="utf-8") == "new\n"

    listed = json.loads(isolated.run("worktree", "list", "--json").stdout)["result"]
    assert [(row["branch"], row["state"]) for row in listed] == [("fix/42", "idle")]
    assert listed[0]["unsaved"] == "3 changes that are not committed"
    refused = isolated.run("worktree", "rm", "fix/42")
    assert refused.returncode == 65, refused.stderr
    assert place.exists()
    removed = isolated.run("worktree", "rm", "fix/42", "--force")
    assert removed.returncode == 0, removed.stderr
    assert not place.exists()
    assert git(repository, "log", "--format=%s", "fix/42").startswith("work")


def test_a_pin_that_is_not_committed_is_told_of(isolated: Launcher, repository: Path) -> None:
    git(repository, "rm", "-q", "--cached", ".claude-version")
    git(repository, "commit", "-qm", "not pinned")

    done = isolated.run("run", "--branch", "fix", "--", "--version")

    assert done.returncode == 0, done.stderr
    assert f"pinnace: the pin {VERSION} (" in done.stderr
    assert "is not in branch fix: commit it there" in done.stderr


def test_what_a_repository_names_runs_inside_alone(
    isolated: Launcher, repository: Path, tmp_path: Path
) -> None:
    trap = tmp_path / "trapped"
    (repository / ".gitattributes").write_text("src/* filter=trap\n", encoding="utf-8")
    git(repository, "add", ".gitattributes")
    git(repository, "commit", "-qm", "attributes")
    git(repository, "config", "filter.trap.smudge", f"sh -c 'touch {trap}; touch seen; cat'")
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {trap}\n", encoding="utf-8")
    hook.chmod(0o755)

    done = isolated.run("run", "--branch", "fix", "--", "--version")

    assert done.returncode == 0, done.stderr
    place = repository.parent / "project.worktrees" / "fix"
    assert (place / "src" / "code").exists()
    assert not trap.exists()


def test_a_level_that_writes_nothing_says_how_to_begin(
    isolated: Launcher, repository: Path
) -> None:
    done = isolated.run("run", "--isolation", "locked", "--branch", "fix", "--", "--version")
    assert done.returncode == 64, done.stderr
    assert "first: pinnace run --isolation standard --branch fix" in done.stderr
    first = isolated.run("run", "--branch", "fix", "--", "--version")
    then = isolated.run("run", "--isolation", "locked", "--branch", "fix", "--", "--version")
    assert (first.returncode, then.returncode) == (0, 0), (first.stderr, then.stderr)
    both = isolated.run("run", "--branch", "fix", "--clone", "--", "--version")
    assert both.returncode == 64
    assert repository.exists()


def test_a_list_works_on_a_branch_each(
    isolated: Launcher, repository: Path, api: MessagesApi
) -> None:
    (repository / "list").write_text(
        "one\n" + json.dumps({"prompt": "two", "name": "second"}), encoding="utf-8"
    )
    argv = ("parallel", "list", "--limit", "2", "--branches", "try", "--output", "out")

    done = isolated.run(*argv)

    assert done.returncode == 0, done.stderr
    worked = {row["branch"] for row in json.loads(listed(isolated))["result"]}
    assert worked == {"try/1", "try/second"}
    assert len(api.requests) >= 2
    assert isolated.run("worktree", "rm", "--all").returncode == 0
    assert not (repository.parent / "project.worktrees").exists()
    assert containers_of(repository) == []


def listed(launcher: Launcher) -> str:
    return launcher.run("worktree", "list", "--json").stdout
