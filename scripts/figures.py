"""Print the figures of the code's structure: `python scripts/figures.py`.

Sizes, imports that go up between floors, and decisions that should be made in one room only.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
FOLDERS: Final = ("core", "dockerfiles", "builder", "launcher")
ENGINES: Final = frozenset({"docker", "podman"})
_ENGINE_ROOM: Final = "core/pinnace_core/engine/"
# From the ground up. A folder imports from its own floor's rooms only where they are one folder.
FLOORS: Final = (
    ("pinnace_core",),
    ("pinnace_images",),
    ("pinnace.config",),
    ("pinnace.agent",),
    ("pinnace.request",),
    ("pinnace.context",),
    ("pinnace.image", "pinnace.plan", "pinnace_builder"),
    ("pinnace.audit",),
    ("pinnace.launch", "pinnace.cleanup"),
    ("pinnace.doctor",),
    ("pinnace.sdk",),
    ("pinnace.parallel",),
    ("pinnace.cli",),
    ("pinnace.__main__",),
)


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every product module's dotted name and path, sorted."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), path


def floor(module: str) -> int:
    """Return the number of the floor that a module is on, -1 if it is on none."""
    return max(
        (
            number
            for number, rooms in enumerate(FLOORS)
            for room in rooms
            if module == room or module.startswith(f"{room}.")
        ),
        default=-1,
    )


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports, dotted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def upward(module: str, tree: ast.Module) -> list[str]:
    """Return the imports of a module that lead to a higher floor."""
    own = floor(module)
    return [f"{module} -> {to}" for to in imports(tree) if own >= 0 and floor(to) > own]


def engine_branches(path: Path, tree: ast.Module) -> list[str]:
    """Return the places outside the engine's room where code depends on an engine's name."""
    where = path.relative_to(ROOT).as_posix()
    if where.startswith(_ENGINE_ROOM):
        return []
    return [
        f"{where}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.expr | ast.arg | ast.keyword | ast.pattern) and _depends(node)
    ]


def _depends(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return any(_names_engine(part) for part in (node.left, *node.comparators))
    if isinstance(node, ast.arg | ast.keyword):
        return node.arg in ENGINES
    return isinstance(node, ast.MatchValue) and _names_engine(node.value)


def _names_engine(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value in ENGINES
    if isinstance(node, ast.Attribute):
        return node.attr.lower() in ENGINES
    if isinstance(node, ast.Tuple | ast.Set | ast.List):
        return any(map(_names_engine, node.elts))
    return isinstance(node, ast.Name) and node.id.lower() in ENGINES


def main() -> int:
    """Print the figures; return 1 if a rule does not hold."""
    found = [(name, path, path.read_text(encoding="utf-8")) for name, path in modules()]
    trees = [(name, path, ast.parse(text)) for name, path, text in found]
    up = [line for name, _, tree in trees for line in upward(name, tree)]
    branches = [line for _, path, tree in trees for line in engine_branches(path, tree)]
    print(f"modules                           {len(found)}")
    print(f"lines                             {sum(text.count(chr(10)) for *_, text in found)}")
    print(f"imports to a higher floor         {len(up)}", *up, sep="\n  ")
    print(f"branches on an engine's name      {len(branches)}", *branches, sep="\n  ")
    return 1 if up or branches else 0


if __name__ == "__main__":
    sys.exit(main())
