"""Worktrees of branches, with the real git: made, found, told of, removed; nothing runs here."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pinnace.config import kinds, project
from pinnace.launch import repositories, worktrees
from pinnace.launch.unsaved import unsaved
from pinnace_core.errors import (
    CannotWriteError,
    UnsafeRequestError,
    UsageError,
    WorktreeFailedError,
)
from tests.support.git import git
from tests.support.hosts import linux

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.launch.repositories import Repository
    from pinnace_core.host import HostFacts


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "hello"
    made.mkdir()
    git(made, "init", "-q")
    (made / "file").write_text("one\n", encoding="utf-8")
    git(made, "add", ".")
    git(made, "commit", "-qm", "first")
    return made


@pytest.fixture
def facts(place: Path, tmp_path: Path) -> HostFacts:
    environment = {"PATH": os.environ["PATH"]}
    return linux(
        cwd=str(place), home=str(tmp_path / "home"), uid=os.getuid(), environment=environment
    )


@pytest.fixture
def repository(facts: HostFacts) -> Repository:
    return worktrees.of_project(facts, project.locate(facts))


def fill(one: worktrees.Worktree) -> None:
    git(one.path, "reset", "-q", "--hard")


def test_one_is_made_found_and_removed(
    repository: Repository, facts: HostFacts, place: Path
) -> None:
    assert worktrees.find(repository, "fix/42", facts) is None

    made = worktrees.make(repository, "fix/42", facts)

    assert made.path == place.parent / "hello.worktrees" / "fix-42"
    assert not made.is_filled
    assert unsaved(repository, made, facts) == ""
    fill(made)
    found = worktrees.find(repository, "fix/42", facts)
    assert found == made
    assert found.is_filled
    assert [one.branch for one in worktrees.all_of(repository, facts)] == ["fix/42"]

    worktrees.remove(repository, made)

    assert not made.path.parent.exists()
    assert "fix/42" in git(place, "branch", "--list", "fix/42")
    again = worktrees.make(repository, "fix/42", facts)
    assert again.path == made.path


def test_it_is_found_from_within_another_one(repository: Repository, facts: HostFacts) -> None:
    made = worktrees.make(repository, "one", facts)
    fill(made)
    git(made.path, "commit", "-q", "--allow-empty", "-m", "more")
    inside = facts._replace(cwd=str(made.path))
    within = worktrees.of_project(inside, project.locate(inside))

    other = worktrees.make(within, "two", inside)

    assert other.path.parent == made.path.parent
    # A branch begins where the one stands that it was made from.
    assert git(made.path, "rev-parse", "one") == git(made.path, "rev-parse", "two")


def test_what_is_not_committed_is_told(repository: Repository, facts: HostFacts) -> None:
    made = worktrees.make(repository, "fix", facts)
    fill(made)
    assert unsaved(repository, made, facts) == ""
    (made.path / "new").write_text("x", encoding="utf-8")
    (made.path / "file").write_text("two\n", encoding="utf-8")
    assert unsaved(repository, made, facts) == "2 changes that are not committed"
    git(made.path, "add", ".")
    git(made.path, "commit", "-qm", "all of it")
    assert unsaved(repository, made, facts) == ""
    git(made.path, "switch", "-q", "--detach")
    git(made.path, "commit", "-q", "--allow-empty", "-m", "on no branch")
    (found,) = worktrees.all_of(repository, facts)
    assert unsaved(repository, found, facts) == "commits that no branch has"


def test_what_changed_in_the_moment_of_the_index_is_told(
    repository: Repository, facts: HostFacts
) -> None:
    made = worktrees.make(repository, "fix", facts)
    fill(made)
    file, index = made.path / "file", made.git / "index"
    # As where a file system's clock is coarse: size and times are the same.
    os.utime(file, ns=(10**18, 10**18))
    git(made.path, "update-index", "--refresh")
    os.utime(index, ns=(10**18, 10**18))
    before = file.stat()
    file.write_text("two\n", encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    git(made.path, "config", "core.trustctime", "false")

    assert unsaved(repository, made, facts) == "1 change that is not committed"


def test_a_branch_that_is_checked_out_elsewhere_says_where(
    repository: Repository, facts: HostFacts
) -> None:
    with pytest.raises(WorktreeFailedError, match="hello"):
        worktrees.make(repository, "main", facts)
    made = worktrees.make(repository, "fix", facts)
    fill(made)
    git(made.path, "switch", "-qc", "other")
    with pytest.raises(WorktreeFailedError, match="'other' is checked out"):
        worktrees.find(repository, "fix", facts)


def test_without_a_repository_or_a_commit_there_is_none(tmp_path: Path, facts: HostFacts) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    here = facts._replace(cwd=str(empty))
    with pytest.raises(UsageError, match="no git repository"):
        worktrees.of_project(here, project.locate(here))
    git(empty, "init", "-q")
    made = worktrees.of_project(here, project.locate(here))
    with pytest.raises(WorktreeFailedError, match="gets no worktree"):
        worktrees.make(made, "fix", here)


def test_nothing_that_the_repository_names_runs_here(
    repository: Repository, facts: HostFacts, place: Path, tmp_path: Path
) -> None:
    trap = tmp_path / "trapped"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {trap}\ncat\n", encoding="utf-8")
    program.chmod(0o755)
    (place / ".gitattributes").write_text("* filter=evil diff=evil\n", encoding="utf-8")
    git(place, "add", ".")
    git(place, "commit", "-qm", "attributes")
    for kind in ("smudge", "clean", "process"):
        git(place, "config", f"filter.evil.{kind}", str(program))
    git(place, "config", "filter.evil.required", "true")
    git(place, "config", "core.fsmonitor", str(program))
    git(place, "config", "core.hooksPath", str(tmp_path))
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        (tmp_path / hook).symlink_to(program)

    made = worktrees.make(repository, "fix", facts)
    (made.git / "index").write_bytes((place / ".git" / "index").read_bytes())
    (made.path / "file").write_text("changed\n", encoding="utf-8")
    unsaved(repository, made, facts)
    list(worktrees.all_of(repository, facts))
    worktrees.remove(repository, made)

    assert not trap.exists()


def test_git_sees_nothing_of_what_the_repository_names(
    repository: Repository, facts: HostFacts, place: Path, tmp_path: Path
) -> None:
    """Whatever is written to it meanwhile: each git that is started lists what it goes by."""
    git(place, "config", "include.path", "../shared")
    git(place, "config", "hook.a.b.event", "post-checkout")
    (place / "shared").write_text('[hook "x"]\n\tcommand = evil\n[broken', encoding="utf-8")
    real, said = shutil.which("git"), tmp_path / "said"
    around = tmp_path / "bin"
    around.mkdir()
    program = around / "git"
    program.write_text(
        f'#!/bin/sh\n{real} config --list --show-origin >>{said}\nexec {real} "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    here = facts._replace(environment={"PATH": f"{around}:{os.environ['PATH']}"})

    made = worktrees.make(repository, "fix", here)
    again = repository._replace(git=made.git)
    assert repositories.run(again, here, "symbolic-ref", "HEAD").stdout == "refs/heads/fix\n"
    other = worktrees.make(again, "other", here)
    worktrees.remove(repository, made)

    lines = said.read_text(encoding="utf-8")
    assert "core.bare=false" in lines
    assert not any(word in lines for word in ("hook.", "include", str(place)))
    # What it has written is the repository's own.
    (place / "shared").write_text("", encoding="utf-8")
    assert str(other.path) in git(place, "worktree", "list")
    assert git(other.path, "rev-parse", "HEAD") == git(place, "rev-parse", "HEAD")
    assert set(git(place, "branch", "--format=%(refname:short)").split()) >= {"fix", "other"}


def test_worktrees_that_lie_elsewhere_by_a_link_are_refused(
    repository: Repository, facts: HostFacts, place: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (place / ".git/worktrees").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UnsafeRequestError, match="is a link"):
        worktrees.make(repository, "fix", facts)

    assert not any((tmp_path / "elsewhere").iterdir())


def test_a_worktree_that_is_locked_is_not_removed(
    repository: Repository, facts: HostFacts, place: Path
) -> None:
    made = worktrees.make(repository, "fix", facts)
    git(place, "worktree", "lock", str(made.path))

    with pytest.raises(WorktreeFailedError, match="is locked"):
        worktrees.remove(repository, made)


@pytest.mark.parametrize("options", [("--object-format=sha256",), ("--bare",)])
def test_repositories_of_other_kinds_get_one(
    tmp_path: Path, facts: HostFacts, options: tuple[str, ...]
) -> None:
    bare, there = tmp_path / "own.git", tmp_path / "first"
    git(tmp_path, "init", "-q", "-b", "main", *options, "--bare", str(bare))
    git(tmp_path, "init", "-q", *[o for o in options if "format" in o], str(tmp_path / "seed"))
    git(tmp_path / "seed", "commit", "-q", "--allow-empty", "-m", "first")
    git(tmp_path / "seed", "push", "-q", str(bare), "HEAD:main")
    git(bare, "worktree", "add", "-q", str(there), "main")
    here = facts._replace(cwd=str(there))

    made = worktrees.make(worktrees.of_project(here, project.locate(here)), "fix", here)

    assert git(made.path, "rev-parse", "HEAD") == git(there, "rev-parse", "HEAD")


def test_what_is_named_after_a_look_does_not_run_either(
    repository: Repository,
    facts: HostFacts,
    place: Path,
    tmp_path: Path,
) -> None:
    (place / ".gitattributes").write_text("* filter=evil\n", encoding="utf-8")
    git(place, "add", ".")
    git(place, "commit", "-qm", "attributes")
    made = worktrees.make(repository, "fix", facts)
    fill(made)
    git(place, "config", "filter.evil.clean", f"touch {tmp_path}/trapped; cat")
    (made.path / "file").write_text("new\n", encoding="utf-8")

    assert unsaved(repository, made, facts) == "1 change that is not committed"
    assert not (tmp_path / "trapped").exists()
    git(made.path, "status")
    assert (tmp_path / "trapped").exists()


@pytest.mark.parametrize("kind", ["directory", "link", "repository"])
def test_what_lies_in_its_place_is_not_entered(
    repository: Repository, facts: HostFacts, tmp_path: Path, kind: str
) -> None:
    where = worktrees.path_of(repository, "fix")
    where.parent.mkdir()
    secret = tmp_path / "secret"
    secret.mkdir()
    if kind == "link":
        where.symlink_to(secret)
    else:
        where.mkdir()
    if kind == "repository":
        git(where, "init", "-q")

    with pytest.raises(UnsafeRequestError, match="no worktree of this repository"):
        worktrees.find(repository, "fix", facts)
    assert list(worktrees.all_of(repository, facts)) == []


def test_a_worktree_that_is_said_to_lie_elsewhere_is_not_entered(
    repository: Repository, facts: HostFacts, tmp_path: Path
) -> None:
    made = worktrees.make(repository, "fix", facts)
    secret = tmp_path / "secret"
    secret.mkdir()
    # What an agent can write.
    (made.git / "gitdir").write_text(f"{secret}/.git\n", encoding="utf-8")

    with pytest.raises(UnsafeRequestError):
        worktrees.find(repository, "fix", facts)


def test_no_worktree_is_put_through_a_link(
    repository: Repository, facts: HostFacts, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    worktrees.place_of(repository).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotWriteError, match="a link"):
        worktrees.make(repository, "fix", facts)


@pytest.mark.parametrize("name", ["fix", "fix/42", "a.b/c_d", "feature/#12+x=1"])
def test_names_of_branches(name: str) -> None:
    assert kinds.is_branch(name)


@pytest.mark.parametrize(
    "name", ["", "-b", "a..b", "a//b", "a/", ".a", "a.lock", "a.lock/b", "HEAD", "a b", "a:b", "@{"]
)
def test_what_no_branch_is_called(name: str) -> None:
    assert not kinds.is_branch(name)


def test_git_that_cannot_be_run_is_said(
    repository: Repository, facts: HostFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(subprocess, "run", refused)
    with pytest.raises(WorktreeFailedError, match="Operation not permitted"):
        worktrees.make(repository, "fix/42", facts)
