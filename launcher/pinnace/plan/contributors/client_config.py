"""A client that follows Claude's transcripts: Claude's directory has the name that it goes by.

The official SDK, given a store of sessions, resumes from a temporary CLAUDE_CONFIG_DIR of its own,
with the transcripts in it, and recognises what Claude writes by its path. So Claude's directory,
the project's own as always, lies inside at that path. Of the client's directory only transcripts go
in: what else it has put there, logins and the user's settings, stays outside.
"""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.agent import user_parts
from pinnace.config import project as workspace
from pinnace.plan import Contribution
from pinnace.plan.contributors.mounts import made_ready
from pinnace.plan.variables import fixed
from pinnace_core.container import Mount
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pinnace.plan import Inputs
    from pinnace_core.host import HostFacts

VARIABLE: Final = "CLAUDE_CONFIG_DIR"
MIRROR: Final = "--session-mirror"
# `session_resume.py` of claude-agent-sdk 0.2.
_PREFIX: Final = "claude-resume-"
_TRANSCRIPTS: Final = "projects"
_LOCKED: Final = (
    "the client's sessions stay outside: this level of isolation leaves none of its files writable"
)


def moved(inputs: Inputs, found: Sequence[Contribution]) -> list[Contribution]:
    """Return the contributions with Claude's directory where the client looks for it."""
    resumed = _resumed(inputs.facts)
    # A directory of any other kind is the user's own: nothing of it goes in, its name may.
    if resumed is None and MIRROR not in inputs.claude_arguments:
        return list(found)
    if inputs.level.read_only:
        return [*found, Contribution(notes=(_LOCKED,))]
    place = str(resumed or user_parts.hosts_own(inputs.facts))
    target = workspace.inside(place, inputs.facts.os)
    config = next(m for one in found for m in one.mounts if m.target == contract.CONFIG_DIR)
    own = Contribution(variables=(fixed(VARIABLE, target),))
    if resumed is not None:
        own = own._replace(
            mounts=(Mount(f"{resumed}/{_TRANSCRIPTS}", f"{target}/{_TRANSCRIPTS}"),),
            # What it is mounted over; the engine would make that as root.
            resources=(made_ready([Path(config.source, _TRANSCRIPTS)], inputs),),
        )
    there = [one._replace(mounts=tuple(_moved(one, target))) for one in found]
    return [*there, own]


def _moved(one: Contribution, target: str) -> Iterator[Mount]:
    for mount in one.mounts:
        rest = mount.target.removeprefix(contract.CONFIG_DIR)
        ours = rest != mount.target and rest[:1] in {"", "/"}
        yield mount._replace(target=f"{target}{rest}") if ours else mount


def _resumed(facts: HostFacts) -> Path | None:
    """Return the SDK's own directory: private, in the directory for temporary files, no link."""
    named = Path(facts.environment.get(VARIABLE, ""))
    temporary = facts.environment.get("TMPDIR") or tempfile.gettempdir()
    if not named.name.startswith(_PREFIX) or named.parent != Path(temporary):
        return None
    try:
        around, below = named.lstat(), (named / _TRANSCRIPTS).lstat()
    except OSError:
        return None
    ours = facts.os == "windows" or (around.st_uid == facts.uid and not around.st_mode & 0o077)
    plain = stat.S_ISDIR(around.st_mode) and stat.S_ISDIR(below.st_mode)
    return named if ours and plain else None
