"""Which files changed meanwhile."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pinnace.audit import files

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_new_is_named_and_what_is_older_is_not(tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    time.sleep(0.1)
    since = time.time()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "new").touch()
    # Its time is set back; when that was done, is not.
    (tmp_path / "hidden").touch()
    os.utime(tmp_path / "hidden", (1, 1))

    found = files.changed(str(tmp_path), since)

    assert sorted(found["changed"]) == ["below/new", "hidden"]
    assert (found["count"], found["complete"]) == (2, True)


def test_traps_stop_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "closed").mkdir(mode=0o000)

    assert sorted(files.changed(str(tmp_path), time.time() - 60)["changed"]) == ["pipe", "round"]


def test_of_many_files_so_many_are_looked_at_and_that_is_said(tmp_path: Path) -> None:
    for place in range(5):
        (tmp_path / f"{place}").mkdir()
        for number in range(1_000):
            (tmp_path / f"{place}" / f"{number}").touch()

    found = files.changed(str(tmp_path), time.time() - 60)

    assert found["complete"] is False
    assert found["looked_at"] <= 4_000
    assert len(found["changed"]) <= 64


def test_what_is_gone_has_no_files(tmp_path: Path) -> None:
    assert files.changed(str(tmp_path / "gone"), 0)["changed"] == []
