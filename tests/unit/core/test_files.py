"""Files are whole or absent, even on a full disk and with many writers."""

from __future__ import annotations

import errno
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace_core.errors import CannotWriteError
from pinnace_core.files import (
    cannot_write,
    make_directory,
    open_untrusted,
    read_own,
    read_untrusted,
    write_atomic,
    write_over,
)
from tests.support.full_disk import files_end_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_POSIX = pytest.mark.skipif(os.name == "nt", reason="modes and pipes mean nothing there")


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_written_with_its_parents_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_atomic(path, b"new")

    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be replaced there")
def test_a_file_is_replaced_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a longer old content")
    with path.open("rb") as reader:
        write_atomic(path, b"new")

        assert reader.read() == b"a longer old content"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@_POSIX
@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755])
def test_a_file_has_the_mode_that_was_asked_for(tmp_path: Path, mode: int) -> None:
    with _umask(0o022):
        write_atomic(tmp_path / "file", b"x", mode=mode)

    assert _mode(tmp_path / "file") == mode


@_POSIX
def test_a_secret_that_replaces_a_public_file_is_not_public(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(mode=0o644)
    write_atomic(path, b"secret", mode=0o600)

    assert _mode(path) == 0o600


def test_a_full_disk_leaves_the_old_content_and_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    with files_end_at(100), pytest.raises(CannotWriteError, match="cannot write") as caught:
        write_atomic(path, b"x" * 10_000)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    assert caught.value.exit_code == 73
    assert str(path) in caught.value.message
    assert "free some space" in caught.value.hint


def test_a_full_disk_loses_nothing_of_what_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"{}")

    with files_end_at(100), pytest.raises(CannotWriteError, match="cannot write"):
        write_over(path, b"x" * 10_000)

    assert path.read_bytes().rstrip() == b"{}"
    assert write_over(path, b"[1]")
    assert write_over(path, b"1")
    assert path.read_bytes() == b"1"
    assert not write_over(tmp_path / "nothing", b"")


def test_the_hint_is_about_what_is_wrong(tmp_path: Path) -> None:
    denied = cannot_write(tmp_path, PermissionError(errno.EACCES, "Permission denied"))
    full = cannot_write(tmp_path, OSError(errno.ENOSPC, "No space left on device"))

    assert "writable" in denied.hint
    assert "space" not in denied.hint
    assert "writable" not in full.hint
    missing = cannot_write(tmp_path, FileNotFoundError(errno.ENOENT, "No such file or directory"))
    assert "make the directory" in missing.hint


def test_a_place_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")

    with pytest.raises(CannotWriteError):
        write_atomic(tmp_path / "file" / "below", b"new")

    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_directory_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()

    with pytest.raises(CannotWriteError):
        write_atomic(tmp_path / "directory", b"new")

    assert list(tmp_path.iterdir()) == [tmp_path / "directory"]
    assert not list((tmp_path / "directory").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be replaced there")
def test_many_threads_may_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([number]) * 5000 for number in range(8)]

    def write_often(data: bytes) -> None:
        for _ in range(100):
            write_atomic(path, data)

    with ThreadPoolExecutor(len(contents)) as pool:
        list(pool.map(write_often, contents))

    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    made = make_directory(tmp_path / "a" / "b")

    assert made == tmp_path / "a" / "b"
    assert made.is_dir()
    assert make_directory(made) == made


@_POSIX
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_directory_where_nothing_can_be_made_is_an_error() -> None:
    with pytest.raises(CannotWriteError, match="/proc/missing"):
        make_directory(Path("/proc/missing/below"))


def test_a_directory_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    with _umask(0o022):
        assert _mode(make_directory(tmp_path / "private", mode=0o700)) == 0o700


@pytest.mark.parametrize("below", [".", "below"])
def test_a_directory_that_a_file_is_in_the_way_of_is_an_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(CannotWriteError) as caught:
        make_directory(tmp_path / "file" / below)

    assert str(tmp_path / "file") in caught.value.message


@_POSIX
@pytest.mark.parametrize("mask", [0o000, 0o002])
def test_others_cannot_write_to_what_is_made_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    with _umask(mask):
        make_directory(tmp_path / "a" / "b" / "private", mode=0o700)
        write_atomic(tmp_path / "c" / "d" / "file", b"x")

    made = list(tmp_path.rglob("*"))
    assert len(made) == 6
    assert not [path for path in made if _mode(path) & 0o022]
    assert _mode(tmp_path / "a" / "b" / "private") == 0o700


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain"
    path.write_bytes(b"data")
    path.chmod(0o644)
    return path


@pytest.mark.parametrize("read", [read_untrusted, read_own])
def test_a_plain_file_of_ours_is_read(plain: Path, read: Callable[..., bytes]) -> None:
    assert read(plain, most=4) == b"data"


@pytest.mark.parametrize("read", [read_untrusted, read_own])
@pytest.mark.parametrize(
    "kind", ["link", pytest.param("pipe", marks=_POSIX), "directory", "larger"]
)
def test_nothing_else_is_read_nor_waited_for(
    plain: Path, read: Callable[..., bytes], kind: str
) -> None:
    path = plain.with_name(kind)
    if kind == "link":
        path.symlink_to(plain)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.write_bytes(b"data!")

    with pytest.raises(OSError, match=kind):
        read(path, most=4)


@_POSIX
@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_what_others_may_write_is_not_our_own(plain: Path, mode: int) -> None:
    plain.chmod(mode)

    with pytest.raises(PermissionError):
        read_own(plain, most=4)
    assert read_untrusted(plain, most=4) == b"data"


def test_a_link_is_opened_if_it_may_be_followed(plain: Path) -> None:
    path = plain.with_name("link")
    path.symlink_to(plain)

    with open_untrusted(path, follow=True) as stream:
        assert stream.read() == b"data"
