"""Whether this machine would run a file of a workspace without being asked by name, by its path.

Paths are given folded (`str.casefold`): on many machines' file systems, `.VSCode` is `.vscode`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace.workspace import listed
from pinnace.workspace.listed import DIRECTORIES, FILES, GIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.workspace.rules import Rule

# Of Claude's directory, what is a program by its name: settings start such by theirs.
_PROGRAMS: Final = (".sh", ".bash", ".zsh", ".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl")
# At the end of a name, Windows leaves these out.
_UNSEEN: Final = ". "
_OF_GIT: Final = {
    "config": listed.GIT_CONFIG,
    "config.worktree": listed.GIT_CONFIG,
    "commondir": listed.FORWARD,
    "git-rebase-todo": listed.TODO,
}
_OF_MSBUILD: Final = frozenset({".props", ".targets"})
_PLACED_IN_GIT: Final[dict[tuple[str, ...], Rule]] = {
    ("info", "attributes"): listed.ATTRIBUTES,
    ("rebase-merge", "strategy"): listed.STRATEGY,
    ("sequencer", "opts"): listed.PICKING,
}


def folded(name: str) -> str:
    """Return a name as a file system may take it that tells no small letters from capitals."""
    if name.isascii():
        return name.casefold().rstrip(_UNSEEN) or name
    import unicodedata

    # Some leave out what is not seen, too: https://developer.apple.com/library/archive/technotes/tn/tn1150.html
    return "".join(c for c in name if unicodedata.category(c) != "Cf").casefold().rstrip(_UNSEEN)


def rule(parts: Sequence[str]) -> Rule | None:
    """Return why a file is run, by its path below the workspace; None: it is not, by its name.

    Args:
        parts: of the path, folded.
    """
    if GIT in parts:
        return _of_git(parts[len(parts) - tuple(reversed(parts)).index(GIT) :])
    by_name = FILES.get(parts[-1]) or _by_part(parts)
    if by_name is not None and not by_name.level:
        return by_name
    # What is run by itself for where it lies goes before what is built for its name.
    return _by_directory(parts, parts[-1]) or by_name


def ending(name: str) -> str:
    """Return how a name ends, from its last dot on; empty: it has none."""
    dot = name.rfind(".")
    return name[dot:] if dot >= 0 else ""


def _by_part(parts: Sequence[str]) -> Rule | None:
    """Return why a file is run, by how its name begins or ends."""
    name = parts[-1]
    last = ending(name)
    if last in _OF_MSBUILD and "obj" in parts[:-1]:
        return listed.OF_OBJ
    found = listed.ENDINGS.get(last)
    if found is not None and (last != ".pth" or "site-packages" in parts):
        return found
    for begins, (ends, rule) in listed.BEGINNINGS.items():
        if name.startswith(begins) and name.endswith(ends):
            return rule
    return None


def of_directory(parts: Sequence[str]) -> Rule | None:
    """Return why all that is in a directory is run; None: it is not."""
    name = parts[-1]
    return DIRECTORIES.get(name) or DIRECTORIES.get("/".join(parts[-2:]))


def _by_directory(parts: Sequence[str], name: str) -> Rule | None:
    for place in range(1, len(parts)):
        found = of_directory(parts[max(0, place - 2) : place])
        if found and not listed.HARMLESS.intersection(parts[place:]):
            return found
    if ".claude" in parts[:-1]:
        return _of_claude(parts[parts.index(".claude") + 1 :])
    if name in listed.IN_SITE_PACKAGES and "site-packages" in parts:
        return listed.ENDINGS[".pth"]
    return _by_place(tuple(parts[-3:]))


def _by_place(last: tuple[str, ...]) -> Rule | None:
    """Return why a file is run, by the last three parts of its path."""
    *around, name = last
    placed = listed.PLACED.get("/".join(last[-2:])) or listed.PLACED.get("/".join(last))
    if placed or not around:
        return placed
    if around[-1] == ".direnv":
        return DIRECTORIES[".direnv/bin"]
    if around[-1] in listed.VENVS and name in {"pyvenv.cfg", "pip.conf", "pip.ini"}:
        return listed.OF_VENV
    # By whatever name its directory of programs is there: a link may lead to it.
    inside = len(around) > 1 and (around[0] in listed.VENVS or around[-1] == "bin")
    return _of_programs(around, name) if inside else None


def _of_programs(around: Sequence[str], name: str) -> Rule | None:
    if around[0] not in listed.VENVS and not around[0].startswith("python-"):
        return None
    is_one = name in listed.VENV_PROGRAMS or name.startswith("python")
    return listed.OF_VENV if is_one else None


def _of_claude(below: Sequence[str]) -> Rule | None:
    if len(below) == 1:
        return listed.OF_CLAUDE.get(below[0]) or _program(below[0])
    if below[0] == "hooks":
        return listed.CLAUDE_HOOKS
    known = below[0] in {"agents", "commands", "skills"} and below[-1].endswith(".md")
    return listed.CLAUDES if known else None


def _program(name: str) -> Rule | None:
    return listed.CLAUDE_HOOKS if name.endswith(_PROGRAMS) else None


def _of_git(below: Sequence[str]) -> Rule | None:
    """Return why a file of a git directory is run; `below` is its path there."""
    return None if below and below[0] in listed.NO_CONFIGURATION else of_git_directory(below)


def of_git_directory(below: Sequence[str]) -> Rule | None:
    """Return why a file of a git directory is run, of its own or of one that lies in it."""
    if not below:
        return listed.REPOSITORY
    name = below[-1]
    if name in _OF_GIT:
        return _OF_GIT[name]
    if "hooks" in below[:-1]:
        return None if name.endswith(".sample") else listed.HOOK
    if below[0] in {"remotes", "branches"}:
        return listed.REMOTES
    return _PLACED_IN_GIT.get(tuple(below[-2:]))


def rule_of(path: str) -> Rule | None:
    """Return why a file is run, by its path below the workspace, with `/` between the parts."""
    return rule([folded(part) for part in path.split("/")])
