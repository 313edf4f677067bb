"""Sessions of launches here: their names, and which of them a launch is at work on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace.launch import owner, records
from pinnace.plan.user import place_of
from pinnace.sessions.names import Names
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.context import Context
    from pinnace.sessions.transcripts import Transcript


class Running(NamedTuple):
    """Launches that are running, or may be.

    Attributes:
        sessions: that they were told to go on with.
        since: by workspace, when the first one began that was told nothing.
    """

    sessions: frozenset[str]
    since: dict[str, float]

    def has(self, transcript: Transcript, workspace: str, names: Names) -> bool:
        """Return whether a launch is at work on a session: in doubt, it is.

        Args:
            transcript: of the session.
            workspace: its project.
            names: of the project's sessions.
        """
        if transcript.id in self.sessions or names.is_held(transcript.id):
            return True
        since = self.since.get(workspace)
        return since is not None and transcript.modified >= since


def names(here: Context) -> Names:
    """Return the names of the sessions of launches here: of this project, with this profile."""
    return Names(config(here))


def config(here: Context) -> Path:
    """Return Claude's config directory of launches here, on the host."""
    return place_of(here).config


def running() -> Running:
    """Return what is running, as far as records of launches say; no engine is asked."""
    sessions: set[str] = set()
    since: dict[str, float] = {}
    for record in records.recorded():
        if owner.state_of(owner.Launcher.from_labels(record.labels)) == "gone":
            continue
        session = record.labels.get(contract.LABEL_RUN_SESSION)
        workspace = record.labels.get(contract.LABEL_RUN_WORKSPACE, "")
        if session:
            sessions.add(session)
        else:
            since[workspace] = min(records.begun(record.name), since.get(workspace, float("inf")))
    return Running(frozenset(sessions), since)
