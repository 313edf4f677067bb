"""Finding, reading and writing pins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pinnace import pins
from pinnace_images.errors import BadPinError
from pinnace_images.versions import CliVersion
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path


def _pin(directory: Path, content: str | bytes = "2.1.330\n") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / pins.PIN_FILE
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_nearest_file_wins(tmp_path: Path) -> None:
    _pin(tmp_path, "2.1.1\n")
    near = _pin(tmp_path / "a", "2.1.2\n")
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)

    found = pins.find(hosts.linux(cwd=str(tmp_path / "a" / "b" / "c")))

    assert found is not None
    assert (str(found.specifier), found.source) == ("2.1.2", str(near))


def test_a_broken_near_file_is_an_error_not_a_reason_to_look_further(tmp_path: Path) -> None:
    _pin(tmp_path)
    _pin(tmp_path / "a", "")

    with pytest.raises(BadPinError):
        pins.find(hosts.linux(cwd=str(tmp_path / "a")))


def test_without_any_pin_there_is_none(tmp_path: Path) -> None:
    assert pins.find(hosts.linux(cwd=str(tmp_path))) is None


def test_the_environment_wins_over_a_file(tmp_path: Path) -> None:
    _pin(tmp_path)
    facts = hosts.linux(cwd=str(tmp_path), environment={pins.VARIABLE: " 2.1.2 "})

    found = pins.find(facts)

    assert found is not None
    assert (str(found.specifier), found.source) == ("2.1.2", pins.VARIABLE)


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_is_no_pin(tmp_path: Path, value: str) -> None:
    path = _pin(tmp_path)

    found = pins.find(hosts.linux(cwd=str(tmp_path), environment={pins.VARIABLE: value}))

    assert found is not None
    assert found.source == str(path)


def test_the_flag_wins_over_the_environment(tmp_path: Path) -> None:
    _pin(tmp_path)
    facts = hosts.linux(cwd=str(tmp_path), environment={pins.VARIABLE: "2.1.2"})

    found = pins.find(facts, flag="2.1.3")

    assert found is not None
    assert (str(found.specifier), found.source) == ("2.1.3", "--claude-version")


@pytest.mark.parametrize("flag", [" ", ",", "nonsense", "2.1.330; rm -rf /"])
def test_a_flag_that_is_no_version_is_refused(flag: str) -> None:
    with pytest.raises(BadPinError):
        pins.find(hosts.linux(), flag=flag)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"2.1.330\n", id="plain"),
        pytest.param(b"2.1.330", id="no newline at the end"),
        pytest.param(b"2.1.330\r\n", id="crlf"),
        pytest.param(b"\xef\xbb\xbf2.1.330\r\n", id="byte order mark"),
        pytest.param(b"# why\n\n  2.1.330\t # because\n\n", id="comments and blanks"),
        pytest.param(b"v2.1.330\n", id="leading v"),
    ],
)
def test_harmless_spellings_are_read(tmp_path: Path, content: bytes) -> None:
    assert pins.read(_pin(tmp_path, content)).exact == CliVersion(2, 1, 330)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n \r\n", id="blank"),
        pytest.param(b"# only a comment\n", id="comment"),
        pytest.param(b"2.1.330\n2.1.329\n", id="two lines"),
        pytest.param(b"\x7fELF\x02\x01\x01\x00\xff\xfe", id="binary"),
        pytest.param(b"2.1.330\x00", id="nul"),
        pytest.param(b"2.1.330\x1b[31m", id="escape sequence"),
        pytest.param(b"2" * 10_000_000, id="10 MB"),
        pytest.param(b"#" * 10_000_000 + b"\n2.1.330\n", id="10 MB of comment"),
        pytest.param("2.1.330\n".encode("utf-16"), id="utf-16"),
        pytest.param("2.1.330\n".encode("utf-16-le"), id="utf-16 without a mark"),
        pytest.param(b"\xff\xfe\xfa", id="not utf-8"),
        pytest.param(b"the newest one\n", id="prose"),
        pytest.param(b",\n", id="a range of nothing"),
    ],
)
def test_what_is_no_version_is_refused_and_the_file_named(tmp_path: Path, content: bytes) -> None:
    path = _pin(tmp_path, content)

    with pytest.raises(BadPinError) as caught:
        pins.read(path)

    assert str(path) in caught.value.message
    assert len(caught.value.message) < len(str(path)) + 100
    assert (caught.value.message + caught.value.hint).isprintable()
    assert caught.value.hint


def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / pins.PIN_FILE).mkdir()

    with pytest.raises(BadPinError, match="is not a file"):
        pins.find(hosts.linux(cwd=str(tmp_path)))


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / pins.PIN_FILE)

    with pytest.raises(BadPinError, match="is not a file"):
        pins.find(hosts.linux(cwd=str(tmp_path)))


def test_a_dangling_symlink_is_refused_not_passed_over(tmp_path: Path) -> None:
    _pin(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / pins.PIN_FILE).symlink_to(tmp_path / "nowhere")

    with pytest.raises(BadPinError, match="cannot read"):
        pins.find(hosts.linux(cwd=str(tmp_path / "a")))


def test_a_symlink_to_a_pin_is_followed(tmp_path: Path) -> None:
    target = tmp_path / "shared"
    target.write_text("2.1.330\n")
    (tmp_path / pins.PIN_FILE).symlink_to(target)

    found = pins.find(hosts.linux(cwd=str(tmp_path)))

    assert found is not None
    assert found.specifier.exact == CliVersion(2, 1, 330)


def test_writing_replaces_the_file_in_one_step(tmp_path: Path) -> None:
    path = _pin(tmp_path, "2.1.1\n")
    other_name = tmp_path / "kept"
    os.link(path, other_name)

    pins.write(path, CliVersion(2, 1, 330))

    assert path.read_bytes() == b"2.1.330\n"
    assert other_name.read_bytes() == b"2.1.1\n", "written into the old file, not beside it"
    assert sorted(p.name for p in tmp_path.iterdir()) == [pins.PIN_FILE, "kept"]


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / pins.PIN_FILE
    pins.write(path, CliVersion(2, 1, 330))

    assert pins.read(path).exact == CliVersion(2, 1, 330)


def test_a_strangers_pin_above_the_directory_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / pins.PIN_FILE).write_text("1.0.0\n")
    owner = tmp_path.stat().st_uid

    assert pins.find_file(tmp_path / "mine", uid=owner) == tmp_path / pins.PIN_FILE
    if owner == 0:
        os.chown(tmp_path / pins.PIN_FILE, 54321, 54321)
        assert pins.find_file(tmp_path / "mine", uid=1000) is None
