"""The commit that a project is at, as git's files say it; no program is run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pinnace.audit.commit import commit_of

if TYPE_CHECKING:
    from pathlib import Path

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def git(tmp_path: Path) -> Path:
    made = tmp_path / ".git"
    (made / "refs" / "heads" / "a").mkdir(parents=True)
    (made / "HEAD").write_text("ref: refs/heads/a/b\n")
    return made


def test_of_a_branch(tmp_path: Path, git: Path) -> None:
    (git / "refs/heads/a/b").write_text(f"{_COMMIT}\n")

    assert commit_of(str(tmp_path)) == _COMMIT


def test_of_a_branch_that_is_packed(tmp_path: Path, git: Path) -> None:
    (git / "packed-refs").write_text(
        f"# pack-refs with: peeled\n{'f' * 40} refs/heads/a/bc\n"
        f"{_COMMIT} refs/heads/a/b\n^{'e' * 40}\n"
    )

    assert commit_of(str(tmp_path)) == _COMMIT


@pytest.mark.parametrize("commit", [_COMMIT, "ab" * 32])
def test_of_no_branch(tmp_path: Path, git: Path, commit: str) -> None:
    (git / "HEAD").write_text(f"{commit}\n")

    assert commit_of(str(tmp_path)) == commit


def test_of_a_worktree(tmp_path: Path, git: Path) -> None:
    (git / "refs/heads/a/b").write_text(f"{_COMMIT}\n")
    own = git / "worktrees" / "w"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/a/b\n")
    (own / "commondir").write_text("../..\n")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {own}\n")

    assert commit_of(str(tree)) == _COMMIT


def test_without_a_repository_or_a_commit_nothing_is_known(tmp_path: Path) -> None:
    assert commit_of(str(tmp_path)) == ""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    assert commit_of(str(tmp_path)) == ""


@pytest.mark.parametrize(
    "head",
    [
        "ref: refs/heads/../../../secret",
        "ref: /etc/passwd",
        "ref: refs/heads/\x1b[2J",
        "0123",
        _COMMIT.upper(),
        f"{_COMMIT}\nmore",
        "\0" * 10,
        "x" * 100_000,
    ],
)
def test_what_is_no_commit_is_none(tmp_path: Path, git: Path, head: str) -> None:
    (tmp_path / "secret").write_text(_COMMIT)
    (git / "HEAD").write_text(head)

    assert commit_of(str(tmp_path)) == ""


@pytest.mark.parametrize("name", ["HEAD", "refs/heads/a/b", "packed-refs", "commondir"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, git: Path, name: str) -> None:
    (git / name).unlink(missing_ok=True)
    os.mkfifo(git / name)

    assert commit_of(str(tmp_path)) == ""
