"""Programs are type-checked with our types: the examples pass, wrong options do not."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from tests.docs.markdown import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# Each is wrong on its own.
_WRONG: Final = (
    'Pinnace(isolaton="open")',
    'Pinnace(limits="8g")',
    'box.stream("hello", modle="opus")',
    'box.stream("hello", max_turns="3")',
    'box.stream("hello", permission_mode="never")',
    'sync.claude("hello", modle="opus")',
    'sync.claude("hello", output=Answer).data.letter',
    'sync.stream("hello", hooks=[])',
)
_HEAD: Final = """\
from dataclasses import dataclass
from pinnace import Pinnace, sync

@dataclass
class Answer:
    number: int

box = Pinnace(project=".")
print(sync.claude("hello", output=Answer).data.number + 1)
"""


def _pyright(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "pyright", "--outputjson", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _wrong(place: Path) -> set[int]:
    path = place / "wrong.py"
    path.write_text(_HEAD + "\n".join(_WRONG) + "\n", encoding="utf-8")
    first = _HEAD.count("\n") + 1
    return set(range(first, first + len(_WRONG)))


def test_the_examples_are_sound_for_pyright() -> None:
    found = _pyright("--pythonpath", sys.executable)

    assert found["generalDiagnostics"] == []
    assert found["summary"]["filesAnalyzed"] == len(list((ROOT / "examples").glob("*.py")))


def test_wrong_options_are_errors_for_pyright(tmp_path: Path) -> None:
    lines = _wrong(tmp_path)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')

    found = _pyright("--pythonpath", sys.executable, "--project", str(tmp_path))

    errors = [one for one in found["generalDiagnostics"] if one["severity"] == "error"]
    assert {one["range"]["start"]["line"] + 1 for one in errors} == lines, errors


def test_wrong_options_are_errors_for_mypy(tmp_path: Path) -> None:
    lines = _wrong(tmp_path)
    command = [sys.executable, "-m", "mypy", "--strict", "--hide-error-context"]
    command += ["--cache-dir", str(tmp_path / "cache"), "wrong.py"]

    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)

    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert {int(line.split(":")[1]) for line in errors} == lines, done.stdout
