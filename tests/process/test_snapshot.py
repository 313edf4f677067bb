"""Names are walked, contents looked at, and put back: on real directories."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.workspace import gone, links, looks, named, names, revert, snapshot
from pinnace.workspace.snapshot import Earlier
from pinnace_core.errors import CannotWriteError, UnsafeRequestError
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

_FACTS = hosts.linux()
_OLD_NS = 10_000_000_000


def _write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _found(root: Path, known: names.Names | None = None, *, modes: bool = False) -> set[str]:
    walk = names.walk(str(root), moment=time.time_ns(), known=known, modes=modes)
    assert walk.whole
    return {path.removeprefix(f"{root}/") for path in walk.found()}


def test_a_walk_finds_what_is_in_scope_wherever_it_lies(tmp_path: Path) -> None:
    inside = [
        "a/b/.vscode/tasks.json",
        ".git/config",
        ".git/modules/x/y/hooks/pre-push",
        "c/.envrc",
    ]
    outside = [
        "a/b/c.txt",
        ".git/objects/config",
        ".git/refs/heads/config",
        "x/node_modules/.npmrc",
    ]
    for name in (*inside, *outside, ".git/HEAD", ".git/modules/x/y/HEAD"):
        _write(tmp_path / name)

    assert _found(tmp_path) == set(inside)


def test_what_git_takes_for_a_repository_is_one_whatever_it_is_called(tmp_path: Path) -> None:
    for name in ("HEAD", "config", "hooks/post-update", "objects/x", "refs/x"):
        _write(tmp_path / "docs" / "data" / name)
    _write(tmp_path / "docs" / "half" / "HEAD")
    _write(tmp_path / "docs" / "half" / "config")

    assert _found(tmp_path) == {"docs/data/config", "docs/data/hooks/post-update"}


def test_links_count_if_they_lead_out_or_stand_for_what_is_in_scope(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name, target in {
        "in": "d",
        "system": "/usr/bin/env",
        "out": "/root/x",
        "up": "../../x",
        "by-another": "d/../..",
        ".vscode": "d",
        ".git": "d",
    }.items():
        (tmp_path / name).symlink_to(target)

    assert _found(tmp_path) == {"out", "up", "by-another", ".vscode", ".git"}


def test_a_link_counts_if_it_gives_what_it_leads_to_a_name_that_does(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    inside = ["a/.claude", "a/.venv", "a/.config", ".git/hooks", ".claude/agents", "a/.YARN"]
    inside.append(".venv/lib/python3/site-packages")
    for name in (*inside, ".venv/lib64", "lib", "node_modules/.claude"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(tmp_path / "d")

    assert _found(tmp_path) == set(inside)


def test_what_is_behind_a_link_that_counts_is_looked_at(tmp_path: Path) -> None:
    root, rule = str(tmp_path), links.LINKED
    many = [_write(tmp_path / "d" / f"{number}") for number in range(600)]
    (tmp_path / ".claude").symlink_to("d")
    before = looks.look(f"{root}/.claude", root, rule)
    assert before == looks.look(f"{root}/.claude", root, rule)

    for one in (many[0], many[-1]):
        was = looks.look(f"{root}/.claude", root, rule)
        one.write_text("y")
        assert looks.look(f"{root}/.claude", root, rule) != was


def test_what_claude_is_told_to_run_is_looked_at(tmp_path: Path) -> None:
    inside = ["tools/a.sh", "b.py", "tools/c.js", "tools/d"]
    for name in (*inside, "tools/other", "tools/said"):
        _write(tmp_path / name)
    hooks = [{"hooks": [{"command": "'${CLAUDE_PROJECT_DIR}/tools/a.sh' -x"}, {"command": "b.py"}]}]
    settings = {
        "hooks": {"Stop": hooks},
        "apiKeyHelper": "sh -c tools/d",
        "env": {"x": "tools/said"},
    }
    _write(tmp_path / ".claude/settings.json", json.dumps(settings))
    servers = {"a": {"command": "node", "args": ["tools/c.js", "/etc/hostname", "../x", "a\0b"]}}
    _write(tmp_path / ".mcp.json", json.dumps({"mcpServers": servers}))
    _write(tmp_path / ".claude/settings.local.json", "[" * 100_000)

    found = named.paths(str(tmp_path), _FACTS)

    assert set(found) == {str(tmp_path / name) for name in inside}


def test_what_waits_when_it_is_opened_is_found_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / ".envrc")

    found = snapshot.take((str(tmp_path),), _FACTS, time.time_ns())

    assert set(found.digests) == {f"{tmp_path}/pipe", f"{tmp_path}/.envrc"}


def test_a_set_id_bit_is_looked_for_where_nothing_else_keeps_it_away(tmp_path: Path) -> None:
    program = _write(tmp_path / "program")
    program.chmod(0o4755)

    assert _found(tmp_path) == set()
    assert _found(tmp_path, modes=True) == {"program"}
    found = snapshot.take((str(tmp_path),), _FACTS, 0, Earlier(modes=True))
    assert found.digests == {str(program): "set-id:4000"}
    revert.clear_set_id(str(tmp_path), str(program))
    assert program.stat().st_mode & 0o7777 == 0o755


def test_a_second_walk_reads_only_directories_that_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/b/.envrc", "c/d/.envrc"):
        _write(tmp_path / name)
    later = time.time_ns() + _OLD_NS
    known = names.walk(str(tmp_path), moment=later)
    read: list[str] = []
    scan = os.scandir

    def noted(place: str) -> Any:
        read.append(place)
        return scan(place)

    monkeypatch.setattr(os, "scandir", noted)

    unchanged = names.walk(str(tmp_path), moment=later, known=known)
    nothing = list(read)
    _write(tmp_path / "c" / "d" / ".npmrc")
    changed = names.walk(str(tmp_path), moment=later, known=known)

    assert unchanged.found() == known.found()
    assert nothing == []
    assert changed.found().keys() - known.found().keys() == {f"{tmp_path}/c/d/.npmrc"}
    assert len(read) == 1


def test_what_is_around_a_directory_may_make_another_of_it(tmp_path: Path) -> None:
    for name in ("d/hooks/pre-commit", "d/refs/x", "d/objects/x", "d/modules/m/hooks/x"):
        _write(tmp_path / name)
    later = time.time_ns() + _OLD_NS
    known = names.walk(str(tmp_path), moment=later)
    assert known.found() == {}

    _write(tmp_path / "d/HEAD")

    found = names.walk(str(tmp_path), moment=later, known=known).found()
    assert {f"{tmp_path}/d/hooks/pre-commit", f"{tmp_path}/d/modules/m/hooks/x"} <= found.keys()


def test_build_files_of_what_was_built_or_installed_are_nobodys_work(tmp_path: Path) -> None:
    for name in ("Makefile", "src/CMakeLists.txt", "build/Makefile", "vendor/x/.envrc"):
        _write(tmp_path / name)
    _write(tmp_path / "vendor/x/Makefile")

    assert _found(tmp_path) == {"Makefile", "src/CMakeLists.txt", "vendor/x/.envrc"}


def test_a_walk_ends_where_there_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        (tmp_path / f"{number}" / "x").mkdir(parents=True)
    monkeypatch.setattr(names, "MOST_NAMES", 10)

    assert not names.walk(str(tmp_path), moment=0).whole


def test_what_changed_before_anybody_saw_it_is_not_known(tmp_path: Path) -> None:
    _write(tmp_path / "a" / ".envrc")
    roots = (str(tmp_path),)

    late = snapshot.take(roots, _FACTS, 0, Earlier({}))
    soon = snapshot.take(roots, _FACTS, time.time_ns() + _OLD_NS, Earlier({}))

    assert list(late.digests.values()) == [looks.UNKNOWN]
    assert soon.digests == snapshot.take(roots, _FACTS, 0).digests


def test_what_is_near_the_top_is_known_before_anything_runs(tmp_path: Path) -> None:
    for name in (".envrc", ".vscode/a/tasks.json", ".git/config", ".git/HEAD", "a/.envrc"):
        _write(tmp_path / name)
    early = snapshot.early((str(tmp_path),))
    _write(tmp_path / ".envrc", "evil")

    found = snapshot.take((str(tmp_path),), _FACTS, 0, Earlier(early))

    assert {path.removeprefix(f"{tmp_path}/") for path in early} == {
        *(".envrc", ".vscode/a/tasks.json", ".git/config")
    }
    assert found.looks[f"{tmp_path}/.envrc"].data == b"x"


def test_only_content_tells_what_has_changed(tmp_path: Path) -> None:
    path = _write(tmp_path / ".envrc", "mine")
    before = snapshot.take((str(tmp_path),), _FACTS, 0)
    times = path.stat()
    path.write_text("evil")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    after = snapshot.take((str(tmp_path),), _FACTS, 0)
    (found,) = snapshot.compare(before.digests, after, accepted={})

    assert (found.path, found.change) == (str(path), "changed")
    assert list(snapshot.compare(before.digests, after, accepted={str(path): [found.digest]})) == []


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("gitdir: ../.git/worktrees/w\n", True),
        ("gitdir: ../.git/modules/a/b\n", True),
        ("gitdir: ../.git\n", False),
        ("gitdir: ../.git/worktrees/../x\n", False),
        ("gitdir: ../other\n", False),
        ("gitdir: /elsewhere/.git/worktrees/w\n", False),
    ],
)
def test_a_git_file_is_fine_if_it_leads_to_what_the_repository_keeps(
    tmp_path: Path, text: str, *, own: bool
) -> None:
    (tmp_path / ".git" / "worktrees").mkdir(parents=True)
    path = _write(tmp_path / "w" / ".git", text)

    found = snapshot.take((str(tmp_path),), _FACTS, 0)

    assert (found.digests[str(path)] == looks.PLAIN) is own


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = _write(root / "a" / ".envrc", "evil")
    shutil.rmtree(path.parent)
    path.parent.symlink_to(elsewhere)
    _write(elsewhere / ".envrc", "theirs")

    with pytest.raises(UnsafeRequestError):
        revert.restore(str(root), str(path), b"mine", 0o644)
    with pytest.raises(UnsafeRequestError):
        revert.remove(str(root), str(path))
    with pytest.raises(UnsafeRequestError):
        revert.remove(str(root), str(elsewhere / ".envrc"))
    assert (elsewhere / ".envrc").read_text() == "theirs"


def test_what_cannot_be_put_back_is_said(tmp_path: Path) -> None:
    (tmp_path / ".envrc" / "x").mkdir(parents=True)

    with pytest.raises(CannotWriteError):
        revert.restore(str(tmp_path), str(tmp_path / ".envrc"), b"", 0o644)
    assert [path.name for path in tmp_path.iterdir()] == [".envrc"]


def _gone(root: Path, before: names.Names) -> tuple[list[str], bool]:
    after = names.walk(str(root), moment=time.time_ns(), known=before)
    found = gone.between(before, after)
    return sorted(path.removeprefix(f"{root}/") for path in found.paths), found.whole


def test_what_is_gone_is_told_by_the_names_that_there_were(tmp_path: Path) -> None:
    for name in ("stays", "goes", "below/goes", "below/deep/goes", "moved/old", "link/x"):
        _write(tmp_path / name)
    before = names.walk(str(tmp_path), moment=time.time_ns())
    (tmp_path / "goes").unlink()
    shutil.rmtree(tmp_path / "below")
    (tmp_path / "moved").rename(tmp_path / "renamed")
    # Another directory in its place.
    shutil.rmtree(tmp_path / "link")
    (tmp_path / "link").symlink_to("renamed")
    _write(tmp_path / "new")

    found, whole = _gone(tmp_path, before)

    assert found == ["below/deep/goes", "below/goes", "goes", "link/x", "moved/old"]
    assert whole


def test_what_cannot_be_read_any_more_is_not_said_to_be_gone(tmp_path: Path) -> None:
    _write(tmp_path / "closed" / "below" / "there")
    before = names.walk(str(tmp_path), moment=0)
    closed = str(tmp_path / "closed")
    unread = names.Directory((0, 0, 0, 0), (), {closed: names.UNREAD}, 1)
    top = before.directories[str(tmp_path)]
    after = before._replace(directories={str(tmp_path): top, closed: unread})

    assert gone.between(before, after) == gone.Gone((), whole=False)


def test_more_names_than_are_kept_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_KEPT", 2)
    monkeypatch.setattr(gone, "MOST_KEPT", 2)
    for name in "abc":
        _write(tmp_path / name / name)
    before = names.walk(str(tmp_path), moment=time.time_ns())
    shutil.rmtree(tmp_path / "a")

    assert _gone(tmp_path, before)[1] is False
