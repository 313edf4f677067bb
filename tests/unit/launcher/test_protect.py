"""What is read-only inside: decided of what stands in a directory."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from pinnace.plan.contributors import protect
from pinnace.plan.contributors.protect import Guard, guards
from pinnace.workspace import index, tree
from pinnace.workspace.tree import GitDirectory, Tree
from tests.support import hosts

_USUAL = frozenset({"HEAD", "config", "hooks", "objects", "refs", "commondir"})
_GIT = GitDirectory("/p/.git", _USUAL)


def _paths(found: Tree, *writable: str) -> list[str]:
    return [one.path for one in guards(found, writable)]


def test_gits_own_files_are_read_only_in_a_directory_that_nothing_replaces() -> None:
    assert guards(Tree("/p", _GIT), ()) == [
        Guard("/p/.git", read_only=False),
        Guard("/p/.git/config"),
        Guard("/p/.git/hooks"),
        Guard("/p/.git/commondir", content="./\n"),
    ]


def test_what_is_missing_is_made_as_git_would_have_it() -> None:
    found = guards(Tree("/p", GitDirectory("/p/.git", frozenset({"HEAD"}), per_worktree=True)), ())

    assert {(one.path, one.missing) for one in found if one.missing} == {
        ("/p/.git/config", "file"),
        ("/p/.git/hooks", "directory"),
        ("/p/.git/config.worktree", "file"),
        ("/p/.git/commondir", "file"),
    }


@pytest.mark.parametrize(
    ("owner", "flags", "made"),
    [(1001, 0, []), (1000, 0, ["commondir"]), (1000, os.ST_RDONLY, [])],
    ids=["somebody else's", "one's own", "on a read-only disk"],
)
def test_nothing_is_made_where_nobody_inside_can_make_it_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, flags: int, made: list[str]
) -> None:
    for name in ("config", "hooks", "HEAD"):
        (tmp_path / ".git" / name).mkdir(parents=True)
    status = os.stat_result((0o755, 0, 0, 0, owner, 0, 0, 0, 0, 0))
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "stat", lambda *_: status)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=flags))
    given = hosts.inputs(hosts.linux(uid=1000), hosts.workspace(str(tmp_path)))

    found = [Path(mount.target).name for mount in protect.contribute(given, ()).mounts]

    assert found == [".git", "config", "hooks", *made]


def test_what_is_a_link_is_left_to_the_report() -> None:
    git = GitDirectory("/p/.git", frozenset({"HEAD"}), links=frozenset({"config", "hooks"}))

    assert _paths(Tree("/p", git)) == ["/p/.git", "/p/.git/commondir"]


def test_the_attributes_and_the_configuration_of_a_worktree_are_too() -> None:
    git = _GIT._replace(names=_USUAL | {"config.worktree"}, attributes=True)

    found = _paths(Tree("/p", git))

    assert {"/p/.git/config.worktree", "/p/.git/info/attributes"} <= set(found)


def test_a_submodules_hooks_are_and_its_configuration_is_not() -> None:
    module = GitDirectory("/p/.git/modules/a/b", frozenset({"HEAD", "config", "hooks"}))

    found = guards(Tree("/p", _GIT._replace(modules=(module,))), ())

    assert found[-3:] == [
        Guard("/p/.git/modules", read_only=False),
        Guard("/p/.git/modules/a/b", read_only=False),
        Guard("/p/.git/modules/a/b/hooks"),
    ]


def test_the_repository_of_a_submodule_that_is_the_project_has_no_common_directory() -> None:
    module = GitDirectory("/x/.git/modules/p", frozenset({"HEAD", "config", "hooks"}))

    assert _paths(Tree("/x/.git/modules/p", module)) == [
        "/x/.git/modules/p/config",
        "/x/.git/modules/p/hooks",
    ]


def test_a_repository_further_down_is_guarded_like_the_projects() -> None:
    nested = GitDirectory("/p/x/.git", _USUAL)

    assert _paths(Tree("/p", nested=(nested,))) == [
        f"/p/x/.git{name}" for name in ("", "/config", "/hooks", "/commondir")
    ]


def test_claudes_settings_are_read_only_in_a_directory_that_stays() -> None:
    found = guards(Tree("/p", guarded=(".claude/settings.json", ".vscode")), ())

    assert found == [
        Guard("/p/.claude", read_only=False),
        Guard("/p/.claude/settings.json"),
        Guard("/p/.vscode"),
    ]


@pytest.mark.parametrize(
    ("writable", "left"),
    [
        (".git", ["/p/.vscode"]),
        (".git/", ["/p/.vscode"]),
        (".git/config", ["/p/.git", "/p/.git/hooks", "/p/.git/commondir", "/p/.vscode"]),
        (".vscode", ["/p/.git", "/p/.git/config", "/p/.git/hooks", "/p/.git/commondir"]),
    ],
)
def test_what_the_user_wants_writable_is(writable: str, left: list[str]) -> None:
    assert _paths(Tree("/p", _GIT, guarded=(".vscode",)), writable) == left


def _entry(name: bytes, *, extended: bool = False) -> bytes:
    flags = min(len(name), 0xFFF) | (0x4000 if extended else 0)
    more = b"\0\0" if extended else b""
    return b"\x01" * 60 + struct.pack(">H", flags) + more + name + b"\0" * 8


def _index(*entries: bytes, version: int = 2) -> bytes:
    return b"DIRC" + struct.pack(">II", version, len(entries)) + b"".join(entries)


def _tracked(place: Path, data: bytes, *names: str) -> frozenset[str]:
    (place / "index").write_bytes(data)
    return index.tracked(str(place), names, lambda _: "asked\0asked too/x\0")


def test_names_are_found_in_an_index(tmp_path: Path) -> None:
    data = _index(
        _entry(b".envrc"), _entry(b".vscode/tasks.json"), _entry(b"a/.idea/x"), _entry(b".zedx")
    )

    names = (".envrc", ".vscode", ".idea", ".zed", "tasks.json", ".vscode/tasks.json")
    found = _tracked(tmp_path, data, *names)

    assert found == {".envrc", ".vscode", ".vscode/tasks.json"}


def test_names_are_found_in_extended_entries_and_long_ones(tmp_path: Path) -> None:
    long = b".vscode/" + b"x" * 5000
    data = _index(_entry(b".envrc", extended=True), _entry(long), version=3)

    assert _tracked(tmp_path, data, ".envrc", ".vscode") == {".envrc", ".vscode"}


@pytest.mark.parametrize("data", [_index(_entry(b".envrc"), version=4), b"x", _index()[:8]])
def test_git_is_asked_about_another_kind_of_index(tmp_path: Path, data: bytes) -> None:
    assert _tracked(tmp_path, data, "asked", "asked too", ".envrc") == {"asked", "asked too"}


def test_git_is_asked_about_an_index_that_is_split(tmp_path: Path) -> None:
    (tmp_path / "sharedindex.0123").touch()

    assert _tracked(tmp_path, _index(), "asked", ".envrc") == {"asked"}


def test_without_an_answer_all_counts_as_tracked(tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(b"?")

    assert index.tracked(str(tmp_path), [".envrc"], lambda _: None) == {".envrc"}


def test_a_tree_is_read_as_it_is(tmp_path: Path) -> None:
    for name in (".vscode", ".claude", ".git/hooks", "a/.git/hooks"):
        (tmp_path / name).mkdir(parents=True)
    for name in (".claude/settings.json", ".envrc", ".git/HEAD", "a/.git/config", "other"):
        (tmp_path / name).touch()
    (tmp_path / ".idea").symlink_to("/")

    found = tree.read(str(tmp_path), hosts.linux())

    assert found.guarded == (".envrc", ".vscode", ".claude/settings.json")
    assert found.git is not None
    assert found.git.names == {"HEAD", "hooks"}
    assert [one.place for one in found.nested] == [f"{tmp_path}/a/.git"]
