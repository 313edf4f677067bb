"""Sessions of launches here: their names, and which of them a launch is at work on."""

from __future__ import annotations

import shlex
from contextlib import suppress
from typing import TYPE_CHECKING

from pinnace.agent import claude_config, places
from pinnace.config import project as workspace
from pinnace.launch import owner, records
from pinnace.plan.contributors import git_worktree
from pinnace.plan.user import place_of
from pinnace.sessions import about, store
from pinnace.sessions.names import Names
from pinnace.sessions.transcripts import directories
from pinnace_core.errors import (
    PinnaceError,
    SessionApartError,
    SessionMissingError,
    UsageError,
)
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.config.project import Workspace
    from pinnace.context import Context
    from pinnace.sessions.about import About
    from pinnace.sessions.copies import Copies
    from pinnace.sessions.store import SessionStore
    from pinnace.sessions.transcripts import Transcript
    from pinnace_core.host import HostFacts


class Site(NamedTuple):
    """Where sessions lie.

    Attributes:
        root: the project's.
        config: Claude's config directory there.
    """

    root: str
    config: Path


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


def copies(here: Context) -> Copies | None:
    """Return this project's transcripts and those in the user's store; None: there is no store.

    Raises:
        BadSettingsError: it cannot be made.
    """
    said = here.config.settings.session_store
    return in_store(store.named(said), here) if said else None


def of_project(here: Context, root: str, config: Path) -> Copies | None:
    """Return likewise those of another project."""
    said = here.config.settings.session_store
    if not said:
        return None
    from pinnace.sessions.copies import Copies

    return Copies(store.named(said), config, directories(root))


def in_store(kept: SessionStore, here: Context) -> Copies:
    """Return this project's transcripts, and those that a store has."""
    from pinnace.sessions.copies import Copies

    project = here.project
    where = directories(project.target, project.workdir)
    return Copies(kept, config(here), where, lambda: _prepare(here))


def elsewhere(here: Context, transcript: Transcript) -> tuple[Path, str] | None:
    """Return where a copy goes of a session of another worktree; None: it is one from here.

    Raises:
        UsageError: what version 0.1 had is to be taken over first.
        CannotWriteError: the place cannot be made.
    """
    if transcript.config == config(here):
        return None
    _prepare(here)
    return config(here), directories(here.project.workdir)[0]


def _prepare(here: Context) -> None:
    """See that there is a config directory: nothing may have been launched here yet."""
    place = place_of(here)
    if place.config.is_dir():
        return
    if place.slot is None or place.shared.is_dir():
        raise UsageError(
            "nothing was launched in this project yet", hint="launch Claude here once: pinnace"
        )
    places.keep(place.slot, places.read(place.slot) or places.Record(here.project.source))
    claude_config.make_private(place.config)


def chosen(here: Context, word: str) -> About:
    """Return the session that a command means; what only the store has of it is written here.

    Raises:
        SessionMissingError: there is none.
        AmbiguousNameError: there are several.
        SessionStoreError: the store does not answer.
        SessionApartError: it has gone on both here and in the store.
    """
    try:
        return _own(here, word)
    except SessionMissingError:
        for site in sites(here)[1:]:
            with suppress(SessionMissingError):
                return about.chosen(site.config, word)
        raise


def own(here: Context, word: str) -> About:
    """Return likewise one that a launch here goes on with, or that is changed.

    Raises:
        UsageError: it is one of another worktree.
    """
    one = chosen(here, word)
    for site in sites(here)[1:]:
        if one.transcript.config == site.config:
            raise UsageError(
                f"session '{word}' is one of the worktree '{site.root}'",
                hint=f"go there: cd {shlex.quote(site.root)}; or take a copy along: "
                f"pinnace session fork {one.called} NAME",
            )
    return one


def here_alone(here: Context, word: str) -> About | None:
    """Return a session that has gone on here and in the store, as it is here; None: it has not.

    Raises:
        PinnaceError: as `chosen`.
    """
    try:
        chosen(here, word)
    except SessionApartError:
        return about.chosen(config(here), word)
    return None


def _own(here: Context, word: str) -> About:
    known = copies(here)
    if known is None:
        return about.chosen(config(here), word)
    import anyio

    return anyio.run(known.chosen, word)


def sites(here: Context) -> list[Site]:
    """Return this project, and the other worktrees of its repository that were launched in.

    Each has its sessions to itself, inside. Outside, they are one list: of one repository. That
    two are of one is believed only if their `.git` and the repository name each other.
    """
    mine = Site(here.project.source, config(here))
    common = _common(here.facts, here.project)
    found = [mine]
    for slot, record in places.records() if common else ():
        place = slot / mine.config.name
        if record.root != mine.root and place.is_dir() and not place.is_symlink():
            with suppress(PinnaceError, OSError):
                facts = here.facts._replace(cwd=record.root)
                if _common(facts, workspace.locate(facts)) == common:
                    found.append(Site(record.root, place))
    return found


def _common(facts: HostFacts, project: Workspace) -> Path | None:
    """Return the git directory that a project shares with its other worktrees."""
    try:
        found = git_worktree.directories(facts, project)
    except PinnaceError:
        return None
    return found[1].resolve() if found else None


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
