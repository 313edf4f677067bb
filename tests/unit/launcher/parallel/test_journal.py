"""Results in a file: what is done is known again, whatever happened to the file's end."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from pinnace.parallel import journal
from pinnace_core.errors import BusyError, CannotWriteError

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_done_is_known_again(tmp_path: Path) -> None:
    path = tmp_path / "results"
    with journal.opened(path, resume=False) as results:
        assert results.done == frozenset()
        results.write({"id": "a", "ok": True, "text": "x" * 3_000_000})
        results.write({"id": "b", "ok": False})
    with path.open("a", encoding="utf-8") as stream:
        stream.write('no json\n[]\n{"id": 3, "ok": true}\n{"id": "c", "ok": tr')

    with journal.opened(path, resume=True) as results:
        assert results.done == {"a"}
        results.write({"id": "c", "ok": True})

    lines = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[-1]) == {"id": "c", "ok": True}
    with journal.opened(path, resume=True) as results:
        assert results.done == {"a", "c"}


def test_results_are_never_mixed(tmp_path: Path) -> None:
    path = tmp_path / "results"
    path.write_text("mine\n", encoding="utf-8")
    with pytest.raises(CannotWriteError, match="there already"), journal.opened(path, resume=False):
        pass
    with journal.opened(path, resume=True):  # noqa: SIM117 (the second one is refused)
        with pytest.raises(BusyError), journal.opened(path, resume=True):
            pass
    assert path.read_text(encoding="utf-8") == "mine\n"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("kept", encoding="utf-8")
    (tmp_path / "results").symlink_to(target)
    with pytest.raises(CannotWriteError), journal.opened(tmp_path / "results", resume=True):
        pass
    assert target.read_text(encoding="utf-8") == "kept"


def test_a_pipe_in_its_place_is_an_error_and_no_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "results")

    with (
        pytest.raises(CannotWriteError, match="no plain file"),
        journal.opened(tmp_path / "results", resume=True),
    ):
        pass


def test_without_a_file_they_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with journal.opened(None, resume=False) as results:
        results.write({"id": "a", "ok": True})
    assert json.loads(capsys.readouterr().out) == {"id": "a", "ok": True}
