"""Records of what was built here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pinnace_core import built

if TYPE_CHECKING:
    from pathlib import Path

_ID = f"sha256:{'a' * 64}"


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_only_what_was_recorded_counts() -> None:
    assert not built.is_recorded(_ID)
    built.record(_ID)

    assert built.is_recorded(_ID)
    assert built.is_recorded("a" * 64)
    assert not built.is_recorded(f"sha256:{'b' * 64}")


def test_a_record_of_another_or_that_others_can_write_is_none() -> None:
    built.record(_ID)
    (place,) = built.directory().iterdir()
    place.rename(place.with_name(place.name.replace("a" * 64, "b" * 64)))
    assert not built.is_recorded(f"sha256:{'b' * 64}")

    built.record(_ID)
    built.directory().joinpath(f"sha256-{'a' * 64}").chmod(0o666)
    assert not built.is_recorded(_ID)


def test_a_link_or_a_pipe_is_none() -> None:
    built.record(_ID)
    place = built.directory() / f"sha256-{'a' * 64}"
    real = place.rename(place.with_name("elsewhere"))
    place.symlink_to(real)
    assert not built.is_recorded(_ID)
    place.unlink()
    os.mkfifo(place)
    assert not built.is_recorded(_ID)
