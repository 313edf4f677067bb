"""The generated page is what the code says."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.docs.markdown import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "exit-codes.md"


def generate(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "scripts" / "gen_docs.py")
    argv = [sys.executable, script, *arguments]
    return subprocess.run(argv, check=False, capture_output=True, text=True)


def test_the_page_is_up_to_date() -> None:
    done = generate("--check")
    assert done.returncode == 0, done.stderr


def test_a_page_that_differs_is_found_and_rewritten(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8") + "by hand\n", encoding="utf-8")

    checked = generate("--check", str(page))
    rewritten = generate(str(page))

    assert (checked.returncode, rewritten.returncode) == (1, 0)
    assert "differs" in checked.stderr
    assert page.read_bytes() == PAGE.read_bytes()


def test_a_page_that_is_missing_is_found(tmp_path: Path) -> None:
    assert generate("--check", str(tmp_path / "none.md")).returncode == 1
