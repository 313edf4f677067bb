"""Where this process finds programs and modules while a launch runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pinnace_core import search_path

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_projects_modules_come_last_while_a_launch_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, project = str(tmp_path / "project" / "tools"), str(tmp_path / "project")
    beside = str(tmp_path / "project-2")
    before = [inside, beside, *sys.path, project]
    monkeypatch.setattr(sys, "path", [*before])
    with search_path.borrowed():
        search_path.leave_out(project)
        search_path.leave_out(project)
        assert sys.path == [beside, *before[2:-1], inside, project]
    assert sys.path == before


def test_what_the_program_itself_has_set_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with search_path.borrowed():
        search_path.leave_out(str(tmp_path))
        sys.path.append("more")
        now = [*sys.path]
    assert sys.path == now


def test_where_nothing_lies_in_the_project_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [os.sep + "elsewhere"])
    with search_path.borrowed():
        search_path.leave_out(str(tmp_path))
        assert sys.path == [os.sep + "elsewhere"]
