"""What there is in a layer, in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace.layers import commits, make
from pinnace.layers.changes import differences
from pinnace_core import console
from pinnace_core.errors import PinnaceError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.layers import Layer
    from pinnace.layers.changes import Change


class Summary(NamedTuple):
    """What a layer would change, in numbers.

    Attributes:
        files: that differ, without those that git ignores.
        conflicts: of them, that were changed here, too.
        running: of them, that something on this machine would run unasked.
        ignored: files that git ignores.
        commits: branches that are not here as they are there.
    """

    files: int = 0
    conflicts: int = 0
    running: int = 0
    ignored: int = 0
    commits: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be looked at."""
        return not (self.files or self.ignored or self.commits)

    @property
    def text(self) -> str:
        """All of it that is not nothing."""
        parts = (
            (self.files, "file changed", "files changed"),
            (self.conflicts, "changed here, too", "changed here, too"),
            (self.running, "that this machine would run", "that this machine would run"),
            (self.ignored, "file that git ignores", "files that git ignores"),
            (self.commits, "branch with commits", "branches with commits"),
        )
        said = [f"{n} {one if n == 1 else many}" for n, one, many in parts if n]
        return ", ".join(said) or "nothing changed"


def of(changes: Sequence[Change], commits: int) -> Summary:
    """Count."""
    counted = [change for change in changes if not change.ignored or change.runs]
    return Summary(
        files=len(counted),
        conflicts=sum(change.conflict for change in counted),
        running=sum(bool(change.runs) for change in counted),
        ignored=len(changes) - len(counted),
        commits=commits,
    )


def tell(layer: Layer, *, is_new: bool) -> None:
    """Say at the end of a launch what it has left; what is empty goes."""
    try:
        found = of(differences(layer), len(commits.new(layer)))
        if found.is_empty and is_new:
            make.drop(layer)
            return
        said = found.text
    except OSError as error:
        said = f"it cannot be read: {error.strerror or error}"
    except PinnaceError as error:
        said = error.message
    console.stderr(f"pinnace: {layer.kind} {layer.name}: {said}; see: pinnace review")
