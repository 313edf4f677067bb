"""Only the engine's room goes by which engine it is. Who may import whom: see `lint-imports`."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = Path(__file__).parents[2]
_FOLDERS: Final = ("core", "dockerfiles", "builder", "launcher")
_ROOM: Final = "core/pinnace_core/engine"
_ENGINES: Final = frozenset({"docker", "podman"})


def _modules() -> Iterator[Path]:
    for folder in _FOLDERS:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            if not path.is_relative_to(_ROOT / _ROOM):
                yield path


def branches(tree: ast.Module) -> list[int]:
    """Return the lines where code depends on an engine's name."""
    nodes = ast.walk(tree)
    kinds = ast.expr | ast.arg | ast.keyword | ast.pattern
    return [node.lineno for node in nodes if isinstance(node, kinds) and _depends(node)]


def _depends(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return any(_names_engine(part) for part in (node.left, *node.comparators))
    if isinstance(node, ast.arg | ast.keyword):
        return node.arg in _ENGINES
    return isinstance(node, ast.MatchValue) and _names_engine(node.value)


def _names_engine(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value in _ENGINES
    if isinstance(node, ast.Attribute):
        return node.attr.lower() in _ENGINES
    if isinstance(node, ast.Tuple | ast.Set | ast.List):
        return any(map(_names_engine, node.elts))
    return isinstance(node, ast.Name) and node.id.lower() in _ENGINES


def test_nothing_outside_the_engines_room_depends_on_an_engines_name() -> None:
    found = {path: branches(ast.parse(path.read_text(encoding="utf-8"))) for path in _modules()}

    assert len(found) > 100
    assert {path: lines for path, lines in found.items() if lines} == {}


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
    assert branches(ast.parse(code)) == [2 if code.startswith("match") else 1]


def test_messages_and_names_of_files_are_free() -> None:
    code = 'hint = "see: docker context ls"\nplace = home / ".docker"\nname = "docker"'

    assert branches(ast.parse(code)) == []
