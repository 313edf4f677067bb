"""What a command sees to before it loads anything else."""

from __future__ import annotations

import os
import sys

import pytest

from pinnace_core import startup


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
