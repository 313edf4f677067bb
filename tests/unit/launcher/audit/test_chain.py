"""The chain: what is appended holds on to what was there, and says so if that was changed."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import pytest

from pinnace.audit import chain, entries, paths, rotate, verify
from pinnace.audit.entry import BEFORE, MOST_BYTES, Position, parsed
from pinnace.audit.rotate import Limits
from pinnace_core import files as core_files
from pinnace_core import host
from pinnace_core.errors import CannotWriteError

if TYPE_CHECKING:
    from pathlib import Path

_SMALL = Limits(size=2_000, days=365)


def _documents() -> list[dict[str, Any]]:
    return [dict(entry.document) for entry in entries.read()]


def _append(count: int, limits: Limits | None = None) -> None:
    for number in range(count):
        chain.append("test", {"text": f"number {number}", "filling": "x" * 200}, limits)


def test_each_entry_has_the_digest_of_the_one_before() -> None:
    _append(3)

    first, second, third = _documents()
    assert [first["number"], second["number"], third["number"]] == [1, 2, 3]
    assert first["previous"] == "0" * 64
    assert (second["previous"], third["previous"]) == (first["hash"], second["hash"])
    assert verify.verify().findings == ()


def test_a_digest_is_of_the_line_as_it_stands_without_the_digest() -> None:
    _append(1)

    line = paths.log_path().read_bytes().rstrip(b"\n")
    body, _, digest = line.rpartition(b',"hash":"')
    assert digest.decode() == hashlib.sha256(body + b"}").hexdigest() + '"}'


def test_the_head_is_kept_apart_from_the_entries() -> None:
    _append(2)

    head = chain.read_head()
    assert head == Position(2, _documents()[-1]["hash"])
    assert not paths.head_path().is_relative_to(host.directory("state"))
    assert not paths.head_path().is_relative_to(paths.directory())


def test_nobody_else_reads_it() -> None:
    _append(1)

    for path in (paths.log_path(), paths.head_path(), paths.directory()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_it_is_on_the_disk_before_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _append(1)
    done: list[str] = []
    sync = os.fsync

    def synced(descriptor: int) -> None:
        done.append(os.path.realpath(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    chain.append("test", {})

    assert done == [str(paths.log_path())], "one entry costs one wait for the disk"


def test_many_at_once_make_one_chain() -> None:
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda n: chain.append("test", {"n": n}).number, range(60)))

    assert sorted(found) == list(range(1, 61))
    assert verify.verify().findings == ()
    assert sorted(document["n"] for document in _documents()) == list(range(60))


def test_what_is_too_long_is_cut_and_said_to_be() -> None:
    chain.append("test", {"text": "x" * 10_000, "list": ["y" * 9_000] * 1_000, "a": {"b": 1}})

    (found,) = _documents()
    assert len(paths.log_path().read_bytes()) <= MOST_BYTES
    assert found["cut"] is True
    assert found["a"] == {"b": 1}


def test_content_cannot_take_the_place_of_what_the_chain_writes() -> None:
    chain.append("test", {"number": 77, "previous": "f" * 64, "hash": "f" * 64, "kind": "other"})

    (found,) = _documents()
    assert (found["number"], found["kind"]) == (1, "test")
    assert verify.verify().findings == ()


@pytest.mark.parametrize("text", ['","hash":"00"}', "\n", "\x1b[2J", "\u2028", "\udcff", "\0"])
def test_a_text_cannot_end_an_entry_or_be_a_command(text: str) -> None:
    chain.append("test", {"text": text})
    _append(1)

    assert verify.verify().findings == ()
    assert _documents()[0]["text"] == text
    assert paths.log_path().read_bytes().isascii()


def test_a_full_file_is_put_aside_and_the_chain_goes_on() -> None:
    _append(20, _SMALL)

    files = rotate.full()
    assert len(files) >= 3
    assert [document["number"] for document in _documents()] == list(range(1, 21))
    assert verify.verify().findings == ()
    assert verify.verify().entries == 20


def test_full_files_go_after_their_time_and_the_chain_says_so() -> None:
    _append(20, _SMALL)
    old = rotate.full()[:2]
    for path in old:
        os.utime(path, (1_000_000_000, 1_000_000_000))

    _append(10, _SMALL)

    assert not any(path.exists() for path in old)
    (removed,) = [d for d in _documents() if d["kind"] == "removed"]
    assert removed["files"] == [path.name for path in old]
    found = verify.verify()
    assert found.findings == ()
    assert found.first == removed["through"]["number"] + 1


def test_a_full_file_that_is_taken_away_is_missed() -> None:
    _append(20, _SMALL)

    rotate.full()[0].unlink()

    assert [one.kind for one in verify.verify().findings] == ["missing"]


def test_killed_between_a_full_file_and_the_next_one_loses_nothing() -> None:
    _append(5)
    paths.log_path().rename(paths.full_path(5))

    _append(1)

    assert [document["number"] for document in _documents()] == [1, 2, 3, 4, 5, 6]
    assert verify.verify().findings == ()


def test_killed_before_the_head_was_written_loses_nothing() -> None:
    _append(2)
    head = paths.head_path().read_bytes()
    _append(1)
    paths.head_path().write_bytes(head)

    (behind,) = verify.verify().findings
    assert (behind.kind, behind.is_grave) == ("behind", False)
    assert chain.append("test", {}).sound
    assert verify.verify().findings == ()


def test_half_a_line_is_no_entry_and_the_next_one_says_so() -> None:
    _append(2)
    with paths.log_path().open("ab") as stream:
        stream.write(b'{"schema":1,"num')

    assert verify.verify().findings == ()
    assert chain.append("test", {}).sound
    assert [d.get("torn") for d in _documents()] == [None, None, 16]
    assert verify.verify().findings == ()


def test_a_full_disk_leaves_no_half_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    _append(2)
    before = paths.log_path().read_bytes()

    class Full:
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def __getattr__(self, name: str) -> Any:
            return getattr(self.stream, name)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.stream.close()

        def write(self, data: bytes) -> int:
            return int(self.stream.write(data[:7]))

    plain = core_files.open_own

    def full(path: Path, *, append: bool = False) -> Any:
        return Full(plain(path, append=append)) if append else plain(path)

    monkeypatch.setattr(chain, "open_own", full)
    with pytest.raises(CannotWriteError) as refused:
        chain.append("test", {})

    assert "free some space" in refused.value.hint
    assert paths.log_path().read_bytes() == before
    assert verify.verify().findings == ()


@pytest.mark.parametrize("name", ["log.jsonl", "lock"])
@pytest.mark.parametrize("what", ["link", "pipe", "directory", "open to all", "in such a place"])
def test_a_trap_in_its_place_is_refused(tmp_path: Path, name: str, what: str) -> None:
    _append(1)
    path = paths.directory() / name
    path.unlink()
    if what == "link":
        (tmp_path / "elsewhere").touch()
        path.symlink_to(tmp_path / "elsewhere")
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "directory":
        path.mkdir()
    elif what == "in such a place":
        path.parent.chmod(0o777)
    else:
        path.touch()
        path.chmod(0o666)

    with pytest.raises(CannotWriteError):
        chain.append("test", {})
    if what == "link":
        assert (tmp_path / "elsewhere").read_bytes() == b""


def test_an_empty_record_is_whole() -> None:
    found = verify.verify()

    assert (found.entries, found.first, found.last, found.findings) == (0, 0, BEFORE, ())
    assert not paths.directory().exists(), "verifying makes nothing"


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"null", b'{"number":1}', b"[" * 5_000])
def test_what_is_no_entry_is_none(line: bytes) -> None:
    assert parsed(line) is None


@pytest.mark.parametrize("digest", ["", "0" * 63, "x", '"'])
def test_a_digest_that_is_none_is_not_genuine(digest: str) -> None:
    entry = parsed(json.dumps({"number": 1, "hash": digest}).encode())

    assert entry is not None
    assert not entry.genuine
