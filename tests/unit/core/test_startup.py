"""What a command sees to before it loads anything else."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from pinnace_core import startup

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("platform", "expected"), [("win32", "1"), ("linux", None)])
def test_a_program_in_the_project_is_not_taken_for_dockers_on_windows(
    monkeypatch: pytest.MonkeyPatch, platform: str, expected: str | None
) -> None:
    name = "NoDefaultCurrentDirectoryInExePath"
    # Set first, so that it is undone afterwards.
    monkeypatch.setenv(name, "")
    monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "platform", platform)

    startup.take_programs_from_path()

    assert os.environ.get(name) == expected


@pytest.mark.parametrize("main", ["pinnace.__main__", "pinnace_builder.__main__"])
def test_both_commands_see_to_it_first(main: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = __import__(main, fromlist=["main"])

    def stop() -> None:
        raise LookupError(main)

    monkeypatch.setattr(startup, "settle", stop)

    with pytest.raises(LookupError):
        module.main()


def test_no_program_is_taken_from_the_project(tmp_path: Path) -> None:
    project, other = tmp_path / "p", tmp_path / "pq"
    for place in (project, other):
        (place / "bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to(project / "bin")
    (project / "out").symlink_to(other / "bin")
    kept = f"/usr/bin:{other}/bin:/bin"
    places = ("", ".", "bin", f"{project}/bin", f"{project}", f"{tmp_path}/link", f"{project}/out")

    for name in places:
        assert startup.leave_out_programs_of(str(project), f"{name}:{kept}") == kept
    assert startup.leave_out_programs_of(str(project), kept) == kept
