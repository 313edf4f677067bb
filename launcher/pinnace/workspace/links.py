"""Why a link in a workspace counts: it leads out, or gives what it leads to a name that does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pinnace.workspace import executes, listed
from pinnace.workspace.executes import folded
from pinnace.workspace.rules import Rule

if TYPE_CHECKING:
    from pinnace.workspace.names import Visit

OUTSIDE: Final = Rule("any tool", "reads or writes outside of the project through it")
LINKED: Final = Rule("whoever goes by its name", "runs some of what it leads to")
# Nobody but root writes there: what leads there changes nothing for a tool of the user's.
_OF_THE_SYSTEM: Final = ("/usr/", "/bin/", "/lib/", "/lib64/", "/sbin/", "/opt/", "/nix/store/")


def rule(visit: Visit, name: str, root: str) -> Rule | None:
    """Return why a link counts; None: it does not.

    Args:
        visit: the directory that it lies in.
        name: of it.
        root: of the workspace.
    """
    return _by_name(visit, name) or _by_target(visit, name, root)


def by_path(path: str) -> Rule | None:
    """Return why a link counts wherever it leads, by its path below the workspace."""
    *around, name = folded(path).split("/")
    if executes.of_directory((*around[-1:], name)):
        return LINKED
    inside = listed.TELLING.intersection(around) and not listed.VENVS.intersection(around)
    return LINKED if inside or name in listed.TELLING else None


def _by_name(visit: Visit, name: str) -> Rule | None:
    """See whether what lies behind it is run by the name that it has through it."""
    if visit.git:
        return LINKED
    if visit.foreign:
        return None
    # In a virtual environment, some of them are beside what they lead to.
    inside = visit.telling and not listed.VENVS.intersection(visit.parts)
    return LINKED if inside or folded(name) in listed.TELLING else None


def _by_target(visit: Visit, name: str, root: str) -> Rule | None:
    path = f"{visit.path}/{name}"
    try:
        target = os.readlink(path)  # noqa: PTH115 (all of them)
    except OSError:
        return None
    place = os.path.normpath(os.path.join(visit.path, target))  # noqa: PTH118
    if "/.." in target.lstrip("./"):
        # Behind another link, `..` is somewhere else.
        place = os.path.realpath(path)
    return None if f"{place}/".startswith((f"{root}/", *_OF_THE_SYSTEM)) else OUTSIDE
