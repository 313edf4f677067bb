"""Files of a project's context, laid out for a build."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from pinnace_builder import derive
from pinnace_core.errors import BusyError
from pinnace_images.contract import ContextFile, Recipe

if TYPE_CHECKING:
    from pathlib import Path


def _recipe(root: Path, *files: ContextFile) -> Recipe:
    return Recipe("sha256:0", "name", "0" * 64, root=str(root), files=files)


def _file(text: str, path: str = "below/tool") -> ContextFile:
    return ContextFile(path, "program", hashlib.sha256(text.encode()).hexdigest())


def _stage(tmp_path: Path, text: str, *, name: str = "out") -> Path:
    root, into = tmp_path / "root", tmp_path / name
    (root / "below").mkdir(parents=True, exist_ok=True)
    into.mkdir()
    (root / "below" / "tool").write_text(text)
    derive.stage_context(_recipe(root, _file(text), ContextFile("l", "link", "below/tool")), into)
    return into / "below" / "tool"


def test_files_arrive_with_their_content_mode_and_links(tmp_path: Path) -> None:
    staged = _stage(tmp_path, "one")

    assert (staged.read_text(), staged.stat().st_mode & 0o777) == ("one", 0o755)
    assert str((tmp_path / "out" / "l").readlink()) == "below/tool"


def test_times_follow_from_the_content(tmp_path: Path) -> None:
    times = [_stage(tmp_path, text, name=str(n)).stat().st_mtime for n, text in enumerate("aba")]

    assert times[0] == times[2] != times[1]


@pytest.mark.parametrize("now", ["two", None])
def test_a_file_that_changed_meanwhile_is_not_built_from(tmp_path: Path, now: str | None) -> None:
    root = tmp_path / "root"
    (root / "below").mkdir(parents=True)
    if now:
        (root / "below" / "tool").write_text(now)

    with pytest.raises(BusyError, match="changed"):
        derive.stage_context(_recipe(root, _file("one")), tmp_path / "out")
