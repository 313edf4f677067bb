"""What is said about what has changed: one line at the end of a launch, and the whole of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.workspace.snapshot import Finding

_MOST_NAMED: Final = 3
_MOST_LINES: Final = 12
_LONGEST: Final = 100
_WORDS: Final = {"new": "new", "changed": "changed", "gone": "gone"}


def line(findings: Sequence[Finding], root: str, *, whole: bool) -> str:
    """Return what a launch says at its end, one line; empty: nothing is to be said."""
    if not findings:
        return "" if whole else "not all of the project could be looked at; see: pinnace review"
    named = [f"{shown(one.path, root)} ({one.by})" for one in findings[:_MOST_NAMED]]
    more = [f"{len(findings) - _MOST_NAMED} more"] if len(findings) > _MOST_NAMED else []
    return (
        "before you go on, look at what changed that this machine would run: "
        f"{', '.join([*named, *more])}; see: pinnace review"
    )


def shown(path: str, root: str) -> str:
    """Return a path as it is shown: from the workspace on."""
    return path[len(root) + 1 :] if path.startswith(f"{root}/") else path


def rows(findings: Sequence[Finding], root: str) -> list[tuple[str, str, str]]:
    """Return a table of all: what became of it, the path, and who would run it when."""
    return [(_WORDS[one.change], shown(one.path, root), f"{one.by} {one.why}") for one in findings]


def difference(before: bytes | None, after: bytes | None) -> list[str]:
    """Return the first lines that differ, as `diff -u` would show them, without its head."""
    old, new = _lines(before), _lines(after)
    if old is None or new is None:
        return ["(no text)"]
    import difflib

    lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
    lines = [one.expandtabs(4)[:_LONGEST] for one in lines if not one.startswith("@@")]
    more = [f"... {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else []
    return lines[:_MOST_LINES] + more


def _lines(data: bytes | None) -> list[str] | None:
    if data is None:
        return []
    if b"\0" in data or len(data) > 1 << 18:
        return None
    return data.decode(errors="replace").splitlines()


def unasked(findings: Sequence[Finding]) -> list[Finding]:
    """Return those that are run without being asked for."""
    return [one for one in findings if not one.level]


def of_builds(findings: Sequence[Finding]) -> list[Finding]:
    """Return those that the next build runs."""
    return [one for one in findings if one.level]


def selected(
    findings: Sequence[Finding], paths: Sequence[str], *, root: str, cwd: str
) -> list[Finding]:
    """Return those that paths name: each itself, or what is below it.

    Without paths, all that are run unasked: what is only built is work, and wants to be named.

    Raises:
        KeyError: nothing has changed at one of them.
    """
    if not paths:
        return unasked(findings)
    chosen: dict[str, Finding] = {}
    for path in paths:
        places = {os.path.normpath(os.path.join(base, path)) for base in (cwd, root)}  # noqa: PTH118
        found = [f for f in findings if any(f"{f.path}/".startswith(f"{p}/") for p in places)]
        if not found:
            raise KeyError(path)
        chosen |= {one.path: one for one in found}
    return list(chosen.values())
