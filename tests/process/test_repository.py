"""Repositories whose `.git` is a file, made by the real git; and those who only claim to be."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.config import MountRequest, Settings
from pinnace.config import project as workspace
from pinnace.plan import Contribution
from pinnace.plan.contributors import git_worktree
from pinnace_core.container import Mount
from pinnace_core.errors import UnsafeRequestError
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

_UID = os.getuid()
_PLAIN = Settings()


def git(*arguments: str | Path, cwd: Path) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    files = ("-c", "protocol.file.allow=always")
    return subprocess.run(
        ["git", *identity, *files, *map(str, arguments)],
        cwd=cwd,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def new(place: Path) -> Path:
    place.mkdir(parents=True)
    git("init", "-q", "-b", "main", ".", cwd=place)
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=place)
    return place


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A repository, not the project."""
    return new(tmp_path / "main's place")


def seen(project: Path, settings: Settings = _PLAIN, **facts: Any) -> Contribution:
    host = hosts.linux(**({"cwd": str(project), "home": "/home/somebody", "uid": _UID} | facts))
    found = workspace.locate(host)
    if not git_worktree.is_needed(found):
        return Contribution()
    return git_worktree.contribute(hosts.inputs(host, found, **settings._asdict()))


def worktree(main: Path, name: str = "tree") -> Path:
    place = main.parent / name
    git("worktree", "add", "-q", place, cwd=main)
    return place


def test_an_ordinary_repository_needs_nothing(main: Path) -> None:
    assert seen(main) == Contribution()


def test_a_directory_without_git_needs_nothing(tmp_path: Path) -> None:
    assert seen(tmp_path) == Contribution()


def test_the_common_directory_of_a_worktree_is_mounted_at_its_own_path(main: Path) -> None:
    place = str(main / ".git")

    assert seen(worktree(main)) == Contribution(mounts=(Mount(place, place),))


def test_a_worktree_below_its_repository_gets_it_as_well(main: Path) -> None:
    place = str(main / ".git")

    assert seen(worktree(main, f"{main.name}/trees/a")).mounts == (Mount(place, place),)


def test_a_worktree_of_a_bare_repository(main: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    git("clone", "-q", "--bare", main, bare, cwd=tmp_path)

    assert seen(worktree(bare)).mounts == (Mount(str(bare), str(bare)),)
    # The layout in which the bare repository is around its worktrees.
    assert seen(worktree(bare, "bare.git/inner")).mounts == (Mount(str(bare), str(bare)),)


@pytest.mark.parametrize("value", ["group", "all", "true", "1", "0660", ""])
def test_a_repository_that_wants_set_id_bits_is_said(main: Path, value: str) -> None:
    config = main / ".git" / "config"
    line = f"sharedRepository = {value}" if value else "sharedRepository"
    config.write_text(f"{config.read_text()}[core]\n\t{line}\n")

    for place in (main, worktree(main)):
        assert any("core.sharedRepository" in note for note in seen(place).notes)


@pytest.mark.parametrize("value", ["umask", "false", "0"])
def test_a_repository_that_shares_nothing_is_not(main: Path, value: str) -> None:
    git("config", "core.sharedRepository", value, cwd=main)

    assert seen(main) == Contribution()


def test_relative_pointers_lead_to_the_same_place(main: Path) -> None:
    tree = worktree(main)
    (tree / ".git").write_text(f"gitdir: ../{main.name}/.git/worktrees/tree\n")
    (main / ".git" / "worktrees" / "tree" / "gitdir").write_text("../../../../tree/.git\n")
    place = str(main / ".git")

    assert seen(tree).mounts == (Mount(place, place),)


def test_behind_a_link_the_place_inside_is_the_one_that_is_written(
    main: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(main)
    tree = worktree(main)
    (tree / ".git").write_text(f"gitdir: {tmp_path}/link/.git/worktrees/tree\n")

    assert seen(tree).mounts == (Mount(str(main / ".git"), f"{tmp_path}/link/.git"),)


def test_a_project_behind_a_link_is_followed_from_its_name_inside(
    main: Path, tmp_path: Path
) -> None:
    tree = worktree(main)
    (tree / ".git").write_text(f"gitdir: ../{main.name}/.git/worktrees/tree\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "link").symlink_to(tree)

    # Inside, `deep/link` is a directory, and `..` is `deep`.
    expected = Mount(str(main / ".git"), f"{tmp_path}/deep/{main.name}/.git")
    assert seen(tmp_path / "deep" / "link").mounts == (expected,)


def test_an_absolute_commondir_is_mounted_where_it_says(main: Path, tmp_path: Path) -> None:
    tree = worktree(main)
    (tmp_path / "link").symlink_to(main)
    (main / ".git" / "worktrees" / "tree" / "commondir").write_text(f"{tmp_path}/link/.git\n")

    assert seen(tree).mounts == (
        Mount(str(main / ".git"), f"{tmp_path}/link/.git"),
        Mount(str(main / ".git"), str(main / ".git")),
    )


@pytest.fixture
def submodule(main: Path, tmp_path: Path) -> Path:
    above = new(tmp_path / "above")
    git("submodule", "--quiet", "add", main, "part", cwd=above)
    return above / "part"


def test_a_submodule_gets_its_own_git_directory_only(submodule: Path) -> None:
    place = str(submodule.parent / ".git" / "modules" / "part")

    assert seen(submodule).mounts == (Mount(place, place),)
    assert seen(submodule.parent) == Contribution()


def test_a_worktree_of_a_submodule(submodule: Path, tmp_path: Path) -> None:
    git("worktree", "add", "-q", tmp_path / "tree", cwd=submodule)
    place = str(submodule.parent / ".git" / "modules" / "part")

    assert seen(tmp_path / "tree").mounts == (Mount(place, place),)


def test_a_git_directory_elsewhere_counts_once_it_knows_its_worktree(tmp_path: Path) -> None:
    git("init", "-q", "--separate-git-dir=store", "project", cwd=tmp_path)
    with pytest.raises(UnsafeRequestError, match="does not name this directory"):
        seen(tmp_path / "project")

    git("config", "core.worktree", tmp_path / "project", cwd=tmp_path / "project")

    store = str(tmp_path / "store")
    assert seen(tmp_path / "project").mounts == (Mount(store, store),)


# Attacks: the `.git` file is the work of whoever wrote the project.


def pointing(tmp_path: Path, target: str | Path) -> Path:
    project = tmp_path / "hostile"
    project.mkdir(exist_ok=True)
    (project / ".git").write_text(f"gitdir: {target}\n")
    return project


def refused(project: Path, why: str, **facts: Any) -> None:
    with pytest.raises(UnsafeRequestError, match=why) as caught:
        seen(project, **facts)
    assert caught.value.exit_code == 77
    assert caught.value.hint


def test_a_directory_of_keys_is_not_mounted(tmp_path: Path) -> None:
    keys = tmp_path / ".ssh"
    keys.mkdir()

    refused(pointing(tmp_path, keys), "does not name")
    refused(pointing(tmp_path, "../.ssh"), "does not name")


def test_another_repository_is_not_mounted(main: Path, tmp_path: Path) -> None:
    worktree(main)

    for place in (main / ".git", main, main / ".git" / "worktrees" / "tree"):
        refused(pointing(tmp_path, place), "does not name")


def test_a_git_directory_of_the_projects_own_cannot_name_another_as_common(
    main: Path, tmp_path: Path
) -> None:
    project = pointing(tmp_path, "fake")
    fake = project / "fake"
    fake.mkdir()
    (fake / "gitdir").write_text(f"{project}/.git\n")
    (fake / "commondir").write_text(f"{main}/.git\n")

    assert seen(project).mounts == ()


def test_nor_can_one_that_lies_outside(main: Path, tmp_path: Path) -> None:
    project = pointing(tmp_path, tmp_path / "fake")
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "gitdir").write_text(f"{project}/.git\n")
    (fake / "commondir").write_text(f"{main}/.git\n")

    refused(project, "does not name")


def test_a_link_in_the_project_does_not_help(main: Path, tmp_path: Path) -> None:
    project = pointing(tmp_path, "link")
    (project / "link").symlink_to(main / ".git")

    refused(project, "through a link in the project")


def planted(tree: Path, main: Path) -> Path:
    """A link in the project, from which `..` leads to the repository."""
    (main / ".git" / "worktrees" / "tree" / "a" / "b" / "c").mkdir(parents=True)
    (tree / "link").symlink_to(main / ".git" / "worktrees" / "tree" / "a" / "b" / "c")
    return tree / "link"


def test_a_link_in_the_project_does_not_choose_the_place_inside(main: Path) -> None:
    tree = worktree(main)
    link = planted(tree, main)
    for name in (f"{link}/../../..", "link/../../..", f"{link}/../../../../tree"):
        (tree / ".git").write_text(f"gitdir: {name}\n")
        refused(tree, "through a link in the project")


def test_nor_does_a_commondir_that_was_written_from_inside(main: Path) -> None:
    tree = worktree(main)
    link = planted(tree, main)
    (tree / "plain").symlink_to(main / ".git")
    for name in (f"{link}/../../../../..", f"{tree}/plain"):
        (main / ".git" / "worktrees" / "tree" / "commondir").write_text(f"{name}\n")
        refused(tree, "through a link in the project")


def test_a_commondir_of_an_ordinary_repository_is_not_followed(main: Path, tmp_path: Path) -> None:
    other = new(tmp_path / "other")
    (other / ".git" / "commondir").write_text(f"{main}/.git\n")

    assert seen(other).mounts == ()
    assert "commondir" in seen(other).notes[0]


def test_what_only_looks_like_a_worktrees_directory_is_refused(tmp_path: Path) -> None:
    project = pointing(tmp_path, tmp_path / "keys" / "worktrees" / "x")
    fake = tmp_path / "keys" / "worktrees" / "x"
    fake.mkdir(parents=True)
    (fake / "gitdir").write_text(f"{project}/.git\n")
    (fake / "commondir").write_text("../..\n")

    refused(project, "not a git directory")


def test_somebody_elses_repository_is_refused(main: Path) -> None:
    tree = worktree(main)
    host = hosts.linux(cwd=str(tree), home="/home/somebody", uid=_UID + 1)
    found = workspace.locate(host)._replace(owner=(_UID + 2, 0))

    with pytest.raises(UnsafeRequestError, match="somebody else"):
        git_worktree.contribute(hosts.inputs(host, found))


def test_a_repository_around_home_is_refused(main: Path) -> None:
    (main / ".git" / "home").mkdir()

    refused(worktree(main), "home directory", home=str(main / ".git" / "home"))


def test_a_copied_worktree_is_refused_with_the_remedy(main: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / ".git").write_bytes((worktree(main) / ".git").read_bytes())

    with pytest.raises(UnsafeRequestError) as caught:
        seen(copy)
    assert "git worktree repair" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["", "gitdir: ", "gitdir: \0", "gitdir: nowhere", "gitdir: /\n/", "x" * 100_000, "\xff"]
)
def test_a_file_that_leads_nowhere_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").write_text(text, encoding="latin-1")

    assert seen(tmp_path).mounts == ()
    assert "git does not work inside" in seen(tmp_path).notes[0]


def test_a_git_link_is_said(main: Path, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".git").symlink_to(main / ".git")

    assert seen(tmp_path / "project").mounts == ()
    assert "is a link" in seen(tmp_path / "project").notes[0]


def test_a_windows_pointer_is_said(main: Path) -> None:
    tree = worktree(main)
    found = workspace.locate(hosts.linux(cwd=str(tree), home="/home/somebody"))

    given = git_worktree.contribute(hosts.inputs(hosts.windows(), found))

    assert given.mounts == ()
    assert "path of Windows" in given.notes[0]


def test_borrowed_objects_are_never_mounted_by_themselves(main: Path, tmp_path: Path) -> None:
    git("clone", "-q", "--shared", main, "clone", cwd=tmp_path)
    clone = tmp_path / "clone"

    assert seen(clone).mounts == ()
    assert f"borrows from '{main}/.git/objects'" in seen(clone).notes[0]

    asked = MountRequest(str(main / ".git"), str(main / ".git"))
    assert seen(clone, Settings(mounts=(asked,))).notes == ()


def test_a_worktree_of_a_borrower_is_told_as_well(main: Path, tmp_path: Path) -> None:
    git("clone", "-q", "--shared", main, "clone", cwd=tmp_path)

    given = seen(worktree(tmp_path / "clone"))

    assert [mount.source for mount in given.mounts] == [str(tmp_path / "clone" / ".git")]
    assert len(given.notes) == 1


def test_links_that_lead_in_a_circle_are_no_repository(tmp_path: Path) -> None:
    project, circle, other = tmp_path / "project", tmp_path / "circle", tmp_path / "other"
    project.mkdir()
    circle.symlink_to(circle)
    (project / ".git").symlink_to(".git")
    (note,) = seen(project).notes
    (project / ".git").unlink()
    (project / ".git").write_text(f"gitdir: {other}/worktrees/x\n")
    (other / "worktrees" / "x").mkdir(parents=True)
    for name, text in {"gitdir": f"{circle}/.git", "commondir": "../.."}.items():
        (other / "worktrees" / "x" / name).write_text(f"{text}\n")

    assert "is not there" in note
    with pytest.raises(UnsafeRequestError, match="does not name this directory"):
        seen(project)
