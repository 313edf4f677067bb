"""What the host is asked, where the answer can mislead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace_core.errors import UsageError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from pathlib import Path


def test_a_working_directory_that_is_gone_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    with pytest.raises(UsageError, match="is gone") as caught:
        HostFacts.detect()

    assert caught.value.hint


def test_the_shells_name_of_the_place_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    monkeypatch.setenv("PWD", str(tmp_path / "link"))

    assert HostFacts.detect().cwd == str(tmp_path / "link")


@pytest.mark.parametrize("name", ["{}/link/..", "elsewhere", "", "{}/other"])
def test_a_name_that_is_not_the_place_itself_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    place = tmp_path / "q"
    (place / "x").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("q/x")
    monkeypatch.chdir(place)
    monkeypatch.setenv("PWD", name.format(tmp_path))

    assert HostFacts.detect().cwd == str(place)
