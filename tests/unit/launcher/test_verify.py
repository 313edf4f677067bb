"""Records of verifications: anything but the exact record counts as none."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from pinnace.image import verify
from pinnace_images import lock
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

_NAME = hosts.IMAGE_ID.replace(":", "-")
_LOCKS = [[lock.SHIPPED_LOCK.stat().st_size, lock.SHIPPED_LOCK.stat().st_mtime_ns], [0, 0]]
_RECORD = {
    "schema": 3,
    "locks": _LOCKS,
    "id": hosts.IMAGE_ID,
    "version": hosts.VERSION,
    "sha256": hosts.SHA256,
}


def _write(records: Path, content: bytes) -> None:
    records.mkdir(exist_ok=True)
    (records / _NAME).write_bytes(content)


def _record(**changes: object) -> bytes:
    return json.dumps(_RECORD | changes, sort_keys=True).encode()


def test_the_exact_record_counts(tmp_path: Path) -> None:
    _write(tmp_path, _record())

    assert verify.is_verified(hosts.image(), tmp_path)


def test_an_absent_record_is_none(tmp_path: Path) -> None:
    assert not verify.is_verified(hosts.image(), tmp_path)
    assert not verify.is_verified(hosts.image(), tmp_path / "absent")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(_record()[:-1], id="truncated"),
        pytest.param(_record()[: len(_record()) // 2], id="half"),
        pytest.param(b"\x00" * len(_record()), id="zeros after a crash"),
        pytest.param(_record() + b"x", id="something behind it"),
        pytest.param(b"true", id="other json"),
        pytest.param(_record(schema=2), id="schema"),
        pytest.param(_record(id=f"sha256:{'0' * 64}"), id="other id"),
        pytest.param(_record(version="9.9.8"), id="other version"),
        pytest.param(_record(sha256="6" * 64), id="other file"),
        pytest.param(_record(sha256=""), id="no file"),
        pytest.param(_record(locks=[_LOCKS[0], [1, 1]]), id="other locks"),
    ],
)
def test_any_other_record_is_none(tmp_path: Path, content: bytes) -> None:
    _write(tmp_path, content)

    assert not verify.is_verified(hosts.image(), tmp_path)


@pytest.mark.parametrize("changes", [{"version": "9.9.8"}, {"sha256": "6" * 64}])
def test_a_record_does_not_count_for_an_image_that_claims_otherwise(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    _write(tmp_path, _record())

    assert not verify.is_verified(hosts.image(**changes), tmp_path)


def test_a_record_does_not_count_for_another_image(tmp_path: Path) -> None:
    _write(tmp_path, _record())

    assert not verify.is_verified(hosts.image(f"sha256:{'0' * 64}"), tmp_path)


def test_a_directory_in_its_place_is_none(tmp_path: Path) -> None:
    (tmp_path / _NAME).mkdir()

    assert not verify.is_verified(hosts.image(), tmp_path)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_record_that_others_can_write_is_none(tmp_path: Path, mode: int) -> None:
    _write(tmp_path, _record())
    (tmp_path / _NAME).chmod(mode)

    assert not verify.is_verified(hosts.image(), tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_record_of_somebody_elses_is_none(tmp_path: Path) -> None:
    _write(tmp_path, _record())
    os.chown(tmp_path / _NAME, 54321, 54321)

    assert not verify.is_verified(hosts.image(), tmp_path)


def test_a_link_to_a_good_record_is_none(tmp_path: Path) -> None:
    _write(tmp_path / "elsewhere", _record())
    (tmp_path / _NAME).symlink_to(tmp_path / "elsewhere" / _NAME)

    assert not verify.is_verified(hosts.image(), tmp_path)


def test_a_named_pipe_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / _NAME)

    assert not verify.is_verified(hosts.image(), tmp_path)
