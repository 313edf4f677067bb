"""Read a Dockerfile and what it copies: what is left out, remembered, or refused."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace.image import build_context
from pinnace_core import host
from pinnace_core.errors import BadProjectImageError, CannotReadError

if TYPE_CHECKING:
    from pinnace_images.contract import ContextFile


@pytest.fixture
def dockerfile(tmp_path: Path) -> Path:
    path = tmp_path / "Dockerfile"
    path.write_text("FROM pinnace\nCOPY . /x\n")
    return path


@pytest.mark.skipif(os.name == "nt", reason="there are none there")
@pytest.mark.parametrize("trap", ["pipe", "link to a device", "huge"])
def test_a_dockerignore_that_never_ends_does_not_hang_a_launch(dockerfile: Path, trap: str) -> None:
    path = dockerfile.with_name(".dockerignore")
    if trap == "pipe":
        os.mkfifo(path)
    elif trap == "huge":
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        path.symlink_to("/dev/zero")

    with pytest.raises(CannotReadError, match="dockerignore"):
        build_context.read(dockerfile)


def test_a_huge_dockerfile_is_not_read_as_a_whole(dockerfile: Path) -> None:
    os.truncate(dockerfile, 1 << 40)

    with pytest.raises(BadProjectImageError, match="is no Dockerfile"):
        build_context.read(dockerfile)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A context with a Dockerfile that copies."""
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "tool").write_text("one")
    (tmp_path / "below" / "tool").chmod(0o755)
    (tmp_path / "link").symlink_to("below/tool")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("x")
    (tmp_path / "Dockerfile").write_text("FROM pinnace\nCOPY . /x\n")
    return tmp_path


def _read(place: Path) -> dict[str, ContextFile]:
    return {item.path: item for item in build_context.read(place / "Dockerfile").files}


def test_a_context_holds_all_files_but_git(place: Path) -> None:
    found = _read(place)

    assert {path: item.kind for path, item in found.items()} == {
        "Dockerfile": "file",
        "below/tool": "program",
        "link": "link",
    }
    assert found["link"].content == "below/tool"


@pytest.mark.parametrize("name", [".dockerignore", "Dockerfile.dockerignore"])
def test_what_is_ignored_is_no_input(place: Path, name: str) -> None:
    (place / name).write_text("below\n")

    assert "below/tool" not in _read(place)


def test_the_dockerfiles_own_ignore_file_counts_first(place: Path) -> None:
    (place / ".dockerignore").write_text("below\n")
    (place / "Dockerfile.dockerignore").write_text("link\n")

    found = _read(place)
    assert ("below/tool" in found, "link" in found) == (True, False)


def test_a_dockerfile_that_copies_nothing_has_no_context(place: Path) -> None:
    (place / "Dockerfile").write_text("FROM pinnace\nRUN true\n")

    assert build_context.read(place / "Dockerfile") == (b"FROM pinnace\nRUN true\n", "", ())


def test_a_touched_file_is_the_same_and_a_changed_one_of_the_same_size_and_time_is_not(
    place: Path,
) -> None:
    tool = place / "below" / "tool"
    first, status = _read(place), tool.stat()
    tool.touch()
    touched = _read(place)
    tool.write_text("two")
    os.utime(tool, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert touched == first
    assert _read(place)["below/tool"] != first["below/tool"]


def _remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all files had been changed long ago."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 10**10)


def test_digests_are_remembered_and_a_change_is_still_seen(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _remembering(monkeypatch)
    tool = place / "below" / "tool"
    first, status = _read(place), tool.stat()
    reads: list[Path] = []
    real = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        reads.append(path)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)

    again = _read(place)
    unread = [path for path in reads if path != place / "Dockerfile"]
    tool.write_text("two")
    os.utime(tool, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert (again, unread) == (first, [])
    assert _read(place)["below/tool"] != first["below/tool"]


def test_nothing_is_kept_where_nothing_may_be_written(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _remembering(monkeypatch)

    build_context.read(place / "Dockerfile", remember=False)

    assert not (host.directory("cache") / "contexts").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"below/tool": 1}'])
def test_a_broken_memory_is_none(place: Path, content: bytes) -> None:
    first = _read(place)
    memory = host.directory("cache") / "contexts"
    memory.mkdir(parents=True, exist_ok=True)
    for path in memory.iterdir():
        path.write_bytes(content)

    assert _read(place) == first


def test_a_memory_that_others_can_write_is_none(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _remembering(monkeypatch)
    first = _read(place)
    (memory,) = (host.directory("cache") / "contexts").iterdir()
    memory.write_text(memory.read_text().replace(first["below/tool"].content, "0" * 64))
    assert _read(place)["below/tool"].content == "0" * 64, "the memory is not used at all"
    memory.chmod(0o666)

    assert _read(place) == first


@pytest.mark.parametrize("content", [b"", b" \n", b"#" * (2 << 20)])
def test_what_is_no_dockerfile_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "Dockerfile").write_bytes(content)

    with pytest.raises(BadProjectImageError):
        build_context.read(tmp_path / "Dockerfile")


def test_a_missing_dockerfile_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotReadError, match="Dockerfile"):
        build_context.read(tmp_path / "Dockerfile")


def test_a_context_that_is_too_large_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_context, "_MOST_FILES", 2)

    with pytest.raises(BadProjectImageError, match="too large"):
        build_context.read(place / "Dockerfile")


@pytest.mark.parametrize(
    ("text", "out", "kept"),
    [
        pytest.param(
            "notes", ["notes", "notes/a", "notes/a/b"], ["a/notes", "notes.txt"], id="a name"
        ),
        pytest.param("/notes", ["notes"], ["a/notes"], id="a leading slash"),
        pytest.param(
            "*.log", ["a.log"], ["a/b.log", "a.logs"], id="one star stays in its directory"
        ),
        pytest.param("**/*.log", ["a.log", "a/b/c.log"], ["a.txt"], id="two stars go down"),
        pytest.param("a/**", ["a/b", "a/b/c"], ["a", "b"], id="two stars at the end"),
        pytest.param("a?c", ["abc"], ["a/c", "abbc"], id="a question mark"),
        pytest.param("a[bc]", ["ab", "ac"], ["ad"], id="a class"),
        pytest.param("a\\*", ["a*"], ["ab"], id="an escape"),
        pytest.param("*\n!keep", ["a", "b/c"], ["keep", "keep/a"], id="an exception"),
        pytest.param("!keep\n*", ["a", "keep"], [], id="the last one counts"),
        pytest.param("# a\n\n  b  ", ["b"], ["a", "# a"], id="comments and blanks"),
        pytest.param("./a/../b/", ["b", "b/c"], ["a"], id="a path is cleaned"),
        pytest.param(".\n/", [], ["a"], id="the whole is never left out"),
        pytest.param("a(b", ["a(b"], ["a"], id="what a pattern could stumble over"),
        pytest.param("[", ["["], ["a"], id="a class without an end"),
        pytest.param("[b-a]", [], ["a"], id="no pattern"),
    ],
)
def test_what_is_left_out(text: str, out: list[str], kept: list[str]) -> None:
    rules = build_context.ignore_rules(text)

    assert [path for path in out if not build_context.leaves_out(rules, path)] == []
    assert [path for path in kept if build_context.leaves_out(rules, path)] == []


@pytest.mark.parametrize(
    "text",
    [
        "FROM pinnace\n",
        "from pinnace as x\n",
        "FROM node:22 AS tools\nFROM pinnace\nCOPY --from=tools /a /a\n",
        "FROM pinnace AS base\nFROM base\n",
        "ARG PINNACE_IMAGE=x\nFROM $PINNACE_IMAGE\n",
        "FROM --platform=linux/amd64 pinnace\n",
    ],
)
def test_the_last_stage_stands_on_the_pinned_image(dockerfile: Path, text: str) -> None:
    dockerfile.write_text(text)

    assert build_context.read(dockerfile).dockerfile == text.encode()


@pytest.mark.parametrize(
    "text",
    [
        "FROM node:22\n",
        "FROM pinnace\nFROM node:22\n",
        "FROM node:22 AS a\nFROM a AS b\nFROM b\n",
        "FROM pinnace AS x\nFROM Pinnace\n",
        "RUN true\n",
    ],
)
def test_another_base_is_refused_before_it_is_pulled(dockerfile: Path, text: str) -> None:
    dockerfile.write_text(text)

    with pytest.raises(BadProjectImageError, match="not on the pinned image"):
        build_context.read(dockerfile)
