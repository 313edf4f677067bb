r"""The names of files in Claude's arguments: as the host means them, and as they are inside.

Nearly always both are the same. On Windows `C:\a` is `/c/a` inside, and `~` is another home.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace.config import project as workspace
from pinnace_images import contract

if TYPE_CHECKING:
    from types import ModuleType

    from pinnace.plan import Inputs
    from pinnace_core.host import HostFacts


def renamed(inputs: Inputs) -> tuple[str, ...]:
    """Return Claude's arguments as they are right inside; all else in them stays as it is."""
    given, facts = inputs.claude_arguments, inputs.facts
    if inputs.program != contract.CLAUDE_BINARY:
        return given
    if facts.os != "windows" and not any("~" in word for word in given):
        return given
    from pinnace.agent import arguments

    def place(text: str) -> str:
        if facts.os == "windows" or _is_of_home(text):
            return workspace.inside(absolute(text, facts), facts.os)
        return text

    return arguments.renamed(given, place)


def absolute(text: str, facts: HostFacts) -> str:
    """Return the path on the host that a text means, without a look at what is there."""
    path = _paths(facts)
    if _is_of_home(text):
        text = facts.home + text[1:]
    return str(path.normpath(path.join(facts.cwd, text)))


def _is_of_home(text: str) -> bool:
    return text == "~" or text.startswith(("~/", "~\\"))


def _paths(facts: HostFacts) -> ModuleType:
    import ntpath
    import posixpath

    return ntpath if facts.os == "windows" else posixpath
