"""The rules that the code's structure keeps, as `scripts/figures.py` measures them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scripts import figures


def test_no_module_imports_from_a_higher_floor_or_goes_by_an_engines_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert figures.main() == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "code",
    [
        'if kind == "podman": pass',
        'x = name in ("docker", "podman")',
        "def build(*, podman: bool): pass",
        "build(podman=True)",
        'match name:\n    case "docker": pass',
        "if engine is Engines.PODMAN: pass",
    ],
)
def test_a_branch_on_an_engines_name_is_found(code: str) -> None:
    path = figures.ROOT / "launcher" / "pinnace" / "x.py"
    assert figures.engine_branches(path, ast.parse(code)) == [
        "launcher/pinnace/x.py:" + _line(code)
    ]
    assert (
        figures.engine_branches(
            Path(figures.ROOT, "core/pinnace_core/engine/x.py"), ast.parse(code)
        )
        == []
    )


def test_messages_and_names_of_files_are_free() -> None:
    code = 'hint = "see: docker context ls"\nplace = home / ".docker"\nname = "docker"'
    assert figures.engine_branches(figures.ROOT / "launcher" / "x.py", ast.parse(code)) == []


def test_an_import_from_a_higher_floor_is_found() -> None:
    tree = ast.parse("from pinnace.launch import start")
    assert figures.upward("pinnace.plan.user", tree) == [
        "pinnace.plan.user -> pinnace.launch.start"
    ]
    assert figures.upward("pinnace.cli.images", tree) == []


def _line(code: str) -> str:
    return "2" if code.startswith("match") else "1"
