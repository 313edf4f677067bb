"""Attacks by what lies in a worktree, or is said of it, on who removes it: no work is lost.

Whoever works on a branch writes its files, and git's own records of it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from pinnace.cli import cli
from pinnace.config import project
from pinnace.launch import worktrees
from pinnace_core import output
from pinnace_core.errors import PinnaceError
from pinnace_core.host import HostFacts
from tests.support.git import git

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pinnace.launch.worktrees import Worktree

_BRANCH: Final = "fix/42"
_PRECIOUS: Final = "not committed\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository, with a directory beside it that is nobody's business."""
    made = tmp_path / "hello"
    (made / "src").mkdir(parents=True)
    git(made, "init", "-q")
    (made / "file").write_text("one\n")
    (made / "src/code").write_text("code\n")
    (made / ".gitignore").write_text("ignored\n")
    git(made, "add", ".")
    git(made, "commit", "-qm", "first")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text(_PRECIOUS)
    return made


@pytest.fixture
def one(place: Path, monkeypatch: pytest.MonkeyPatch) -> Worktree:
    """A worktree of a branch, checked out."""
    monkeypatch.chdir(place)
    facts = HostFacts.detect()
    made = worktrees.make(worktrees.of_project(facts, project.locate(facts)), _BRANCH, facts)
    git(made.path, "reset", "-q", "--hard")
    return made


class Done(NamedTuple):
    """What came of the verb."""

    code: int
    said: str


def _worktree(*words: str) -> Done:
    """Call the verb, in this process."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            code = output.invoke(cli, "pinnace", ["worktree", *words])
        except PinnaceError as error:
            return Done(error.exit_code, f"{said.getvalue()}{error.message}")
    return Done(code if isinstance(code, int) else 0, said.getvalue())


def _commit(place: Path, *, inside: str = "more") -> None:
    (place / inside).write_text(_PRECIOUS)
    git(place, "add", ".")
    git(place, "commit", "-qm", "work")


def _nested(one: Worktree, where: str) -> None:
    made = one.path / where
    made.mkdir(parents=True, exist_ok=True)
    git(made, "init", "-q")
    _commit(made)


def _tracked_becomes_a_repository(one: Worktree) -> None:
    git(one.path / "src", "init", "-q")
    (one.path / "src/code").write_text(_PRECIOUS)
    git(one.path / "src", "add", ".")
    git(one.path / "src", "commit", "-qm", "work")
    (one.path / "src/code").write_text("code\n")


def _gitlink(one: Worktree, *, cloned: bool) -> None:
    """Name a submodule that there is none of, and put files in its place."""
    head = git(one.path, "rev-parse", "HEAD")
    git(one.path, "update-index", "--add", "--cacheinfo", f"160000,{head},sub")
    git(one.path, "commit", "-qm", "a submodule")
    (one.path / "sub").mkdir()
    if cloned:
        git(one.path / "sub", "init", "-q")
    (one.path / "sub/work").write_text(_PRECIOUS)


def _submodule(one: Worktree) -> None:
    git(one.path, "submodule", "add", "-q", str(one.path.parents[1] / "hello"), "sub")
    git(one.path, "commit", "-qam", "a submodule")
    _commit(one.path / "sub")
    git(one.path / "sub", "switch", "-q", "--detach")


def _flagged(one: Worktree, flag: str) -> None:
    git(one.path, "update-index", flag, "file")
    (one.path / "file").write_text(_PRECIOUS)


def _forged_times(one: Worktree) -> None:
    """Let git believe that it has looked at what is there now."""
    before = (one.path / "file").stat()
    (one.path / "file").write_text("two\n")
    os.utime(one.path / "file", ns=(before.st_atime_ns, before.st_mtime_ns))
    git(one.path, "config", "core.trustctime", "false")
    os.utime(one.git / "index")


def _index_is_gone(one: Worktree) -> None:
    (one.path / "file").write_text(_PRECIOUS)
    (one.git / "index").unlink()


def _index_is_broken(one: Worktree) -> None:
    (one.path / "file").write_text(_PRECIOUS)
    (one.git / "index").write_bytes(b"DIRC" + bytes(40))


def _on_no_branch(one: Worktree) -> None:
    git(one.path, "switch", "-q", "--detach")
    _commit(one.path)


def _on_a_ref_of_its_own(one: Worktree) -> None:
    _on_no_branch(one)
    for ref in ("refs/worktree/mine", "refs/bisect/bad"):
        git(one.path, "update-ref", ref, "HEAD")


def _operation(one: Worktree) -> None:
    (one.git / "rebase-merge").mkdir()
    (one.git / "rebase-merge/autostash").write_text(git(one.path, "rev-parse", "HEAD"))


def _excluded_by_a_pattern(one: Worktree) -> None:
    (one.path / "new").write_text(_PRECIOUS)
    (one.path / "new.link").symlink_to("/nowhere")


_WORK: Final[dict[str, Callable[[Worktree], None]]] = {
    "new files": _excluded_by_a_pattern,
    "a repository": lambda one: _nested(one, "nested"),
    "a repository in a directory that is tracked": lambda one: _nested(one, "src/deep/nested"),
    "a repository that git ignores": lambda one: _nested(one, "ignored/nested"),
    "a tracked directory that became a repository": _tracked_becomes_a_repository,
    "files in the place of a submodule": lambda one: _gitlink(one, cloned=False),
    "a clone in the place of a submodule": lambda one: _gitlink(one, cloned=True),
    "commits in a submodule": _submodule,
    "a change that is said not to be one": lambda one: _flagged(one, "--assume-unchanged"),
    "a change that is not to be looked at": lambda one: _flagged(one, "--skip-worktree"),
    "a change with the times of before": _forged_times,
    "a change and no index": _index_is_gone,
    "a change and a broken index": _index_is_broken,
    "commits on no branch": _on_no_branch,
    "commits on a ref of the worktree's own": _on_a_ref_of_its_own,
    "an operation of git's": _operation,
}


@pytest.mark.parametrize("name", _WORK)
def test_work_that_is_nowhere_else_is_not_removed(one: Worktree, name: str) -> None:
    _WORK[name](one)
    before = sorted(one.path.rglob("*"))

    done = _worktree("rm", one.path.name)
    everything = _worktree("rm", "--all")

    told = {65} if name != "a change and a broken index" else {70}
    assert {done.code, everything.code} == told, (done, everything)
    assert sorted(one.path.rglob("*")) == before
    forced = _worktree("rm", one.path.name, "--force")
    assert forced.code == 0, forced.said
    assert not one.path.exists()


def test_what_was_left_out_of_a_checkout_is_no_work(one: Worktree) -> None:
    git(one.path, "sparse-checkout", "set", "--no-cone", "/file")
    assert not (one.path / "src").exists()

    assert _worktree("rm", _BRANCH).code == 0
    assert not one.path.exists()


def test_files_of_lfs_that_are_there_are_left_rather_than_lost(one: Worktree) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 3\n"
    (one.path / "big").write_text(pointer)
    git(one.path, "add", ".")
    git(one.path, "commit", "-qm", "a pointer")
    assert json.loads(_worktree("list", "--json").said)["result"][0]["unsaved"] == ""
    (one.path / "big").write_text("big")

    assert _worktree("rm", _BRANCH).code == 65
    assert (one.path / "big").read_text() == "big"


def test_a_locked_one_stays_whatever_is_said(place: Path, one: Worktree) -> None:
    git(place, "worktree", "lock", str(one.path))

    done = _worktree("rm", _BRANCH)
    forced = _worktree("rm", _BRANCH, "--force")

    assert {done.code, forced.code} & {0} == set()
    assert "locked" in done.said
    assert (one.path / "file").exists()


def test_links_are_removed_and_not_followed(place: Path, one: Worktree) -> None:
    precious = one.path.parents[1] / "precious"
    for name, target in (("a", precious), ("b", precious / "file"), ("c", place)):
        (one.path / name).symlink_to(target)
    shutil.rmtree(one.path / "src")
    (one.path / "src").symlink_to(precious)

    assert _worktree("rm", _BRANCH).code == 65
    assert _worktree("rm", _BRANCH, "--force").code == 0
    assert (precious / "file").read_text() == _PRECIOUS
    assert (place / "src/code").exists()


def _points_to(one: Worktree, target: Path) -> None:
    (one.path / ".git").write_text(f"gitdir: {target}\n")


def _replaced_by_a_link(one: Worktree) -> None:
    one.path.rename(one.path.with_name("moved"))
    one.path.symlink_to(one.path.parents[1] / "precious")


def _records_are_a_link(one: Worktree) -> None:
    records = one.git.parent
    records.rename(records.with_name("moved"))
    records.symlink_to("moved")


def _says_it_is_elsewhere(one: Worktree) -> None:
    (one.git / "gitdir").write_text(f"{one.path.parents[1]}/precious/.git\n")


def _two_claim_it(one: Worktree) -> None:
    """Have records before those of the worktree say that it is theirs."""
    twin = one.git.with_name("aaa")
    shutil.copytree(one.git, twin)
    (one.path / ".git").write_text(f"gitdir: {one.git.with_name('other')}\n")


_FALSE: Final[dict[str, Callable[[Worktree], None]]] = {
    "the project": lambda one: _points_to(one, one.path.parents[1] / "hello/.git"),
    "another repository": lambda one: _points_to(one, one.path.parents[1] / "other/.git"),
    "nothing": lambda one: _points_to(one, one.path / "nothing"),
    "itself": lambda one: _points_to(one, one.path / ".git"),
    "a link in its place": _replaced_by_a_link,
    "records behind a link": _records_are_a_link,
    "a place elsewhere": _says_it_is_elsewhere,
    "records of two": _two_claim_it,
}


@pytest.mark.parametrize("name", _FALSE)
def test_what_is_no_worktree_of_the_repositorys_is_left(
    place: Path, one: Worktree, name: str
) -> None:
    other = place.parent / "other"
    other.mkdir()
    git(other, "init", "-q")
    _commit(other)
    _FALSE[name](one)

    done = _worktree("rm", "--all", "--force")
    named = _worktree("rm", _BRANCH, "--force")

    assert done.code == 0, done.said
    assert "removed" not in done.said
    assert named.code not in {0, 70}, named.said
    assert (place.parent / "precious/file").read_text() == _PRECIOUS
    assert (other / "more").read_text() == _PRECIOUS
    assert (place / "file").exists()


@pytest.mark.parametrize(
    "name",
    [
        *("-x", "--", "../..", "..", ".", "/", "../precious", "fix/42/../..", "main", ""),
        *("fix/\uff142", "fix/42\u202e", "\x1b[2J", "a" * 5000, "HEAD", "hello", "@{-1}"),
    ],
    ids=ascii,
)
def test_no_name_leads_elsewhere(place: Path, one: Worktree, name: str) -> None:
    done = _worktree("rm", "--force", "--", name)

    assert done.code not in {0, 70}, done.said
    assert (place / "file").exists()
    assert (one.path / "file").exists()
    assert (place.parent / "precious/file").exists()


def test_a_branch_that_is_checked_out_elsewhere_is_not_touched(place: Path, one: Worktree) -> None:
    assert _worktree("rm", "main", "--force").code == 66
    git(one.path, "switch", "-qc", "another")
    git(place, "switch", "-q", _BRANCH)

    # There, the branch is in the project itself; what lies in its place is of another one.
    done = _worktree("rm", _BRANCH, "--force")

    assert done.code == 66, done.said
    assert (one.path / "file").exists()
    assert (place / "file").exists()


def test_one_that_lies_in_another_ones_files_counts_as_work(one: Worktree) -> None:
    git(one.path, "worktree", "add", "-q", "-b", "inner", str(one.path / "ignored"))

    done = _worktree("rm", _BRANCH)

    assert done.code == 65, done.said
    assert "a repository of its own in 'ignored'" in done.said
