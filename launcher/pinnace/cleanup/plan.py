"""What launches leave behind, and what of it may go: pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pinnace.launch.containers import Container
    from pinnace.launch.owner import State

CONTAINERS: Final = "containers"
NETWORKS: Final = "networks"
STATE: Final = "state"
# What a launch that is at work may still need.
_A_DAY: Final = timedelta(days=1)
# Of what was refused, somebody may still want to know.
_A_WEEK: Final = timedelta(weeks=1)
# A verification ends after five minutes.
_AN_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Item:
    """One thing that goes.

    Attributes:
        scope: `containers`, `networks`, `state`, `images` or `downloads`.
        what: its name, for people.
        why: it goes.
        size: bytes, as far as they are known.
        id: the container's id, the network's name, or the path.
    """

    scope: str
    what: str
    why: str
    size: int | None = None
    id: str = ""


@dataclass(frozen=True)
class Entry:
    """A file or directory of the launcher's state.

    Attributes:
        path: where.
        name: relative to the directory of state.
        size: bytes, with all that is in it.
        modified: when.
    """

    path: Path
    name: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Snapshot:
    """What is there.

    Attributes:
        now: ages are counted to it.
        containers: all of launches.
        launchers: whether they are still there, by the container's id.
        checks: containers that only look into an image.
        waiting: containers that wait for a launch.
        shelved: records of such, and of who took one.
        homes: that launches have kept for the next ones; one in use has no date that is old.
        relays: containers beside those of launches, that lead to a gateway; likewise known.
        networks: names of launches' own, and whether their launchers are still there.
        images: ids of all that the engine has.
        runs: records of launches, and whether their launchers are still there.
        run_files: directories of files that belong to launches.
        records: of verifications.
        built: records of builds.
        users: directories of passwd and group files.
        unfinished: temporary files of Pinnace's own.
        interrupted: temporary files in projects, and notes of them.
        logs: of gateways that no longer run.
        half_made: what was to be a layer or a clone when its launcher was killed.
        forgotten: what is known about projects that are not there any more.
        keys: directories of gateways whose keepers were killed.
        uid: the user's, whose passwd file stays.
    """

    now: datetime
    containers: Sequence[Container] = ()
    launchers: Mapping[str, State] = field(default_factory=dict)
    checks: Sequence[Container] = ()
    waiting: Sequence[Container] = ()
    shelved: Sequence[Entry] = ()
    homes: Sequence[Entry] = ()
    relays: Sequence[Container] = ()
    networks: Sequence[tuple[str, State]] = ()
    images: frozenset[str] = frozenset()
    runs: Sequence[tuple[Entry, State]] = ()
    run_files: Sequence[Entry] = ()
    records: Sequence[Entry] = ()
    built: Sequence[Entry] = ()
    users: Sequence[Entry] = ()
    unfinished: Sequence[Entry] = ()
    interrupted: Sequence[Entry] = ()
    logs: Sequence[Entry] = ()
    half_made: Sequence[Entry] = ()
    forgotten: Sequence[Entry] = ()
    keys: Sequence[Entry] = ()
    uid: int = 0

    def is_old(self, moment: datetime | None, limit: timedelta = _A_DAY) -> bool:
        """Return whether something is known to be older than a day, or another limit."""
        return moment is not None and self.now - moment > limit


def plan(there: Snapshot) -> list[Item]:
    """Decide what goes; in doubt it stays."""
    return [
        *_containers(there),
        *_checks(there),
        *_waiting(there),
        *_networks(there),
        *_runs(there),
        *_records(there),
        *_users(there),
        *_gateways(there),
        *(_item(e, "left of a layer that was never begun") for e in _old(there, there.half_made)),
        *(_item(e, "no launch came back to it") for e in _old(there, there.homes, _A_WEEK)),
        *(_item(e, "its project is gone") for e in _old(there, there.forgotten, _A_WEEK)),
        *(_item(e, "left by a write that was interrupted") for e in _old(there, _writes(there))),
    ]


def _writes(there: Snapshot) -> Iterable[Entry]:
    return (*there.unfinished, *there.interrupted)


def _containers(there: Snapshot) -> Iterable[Item]:
    for one in (*there.containers, *there.relays):
        if why := _container_goes(one, there.launchers.get(one.id, "unknown"), there):
            yield Item(CONTAINERS, one.name, why, id=one.id)


def _checks(there: Snapshot) -> Iterable[Item]:
    for one in there.checks:
        if there.is_old(one.created, _AN_HOUR):
            yield Item(CONTAINERS, one.name, "left by a verification that was killed", id=one.id)


def _waiting(there: Snapshot) -> Iterable[Item]:
    """They end by themselves, and their records with them, long before that."""
    for one in there.waiting:
        if there.is_old(one.created, _AN_HOUR):
            yield Item(CONTAINERS, one.name, "it waits for a launch for too long", id=one.id)
    for entry in _old(there, there.shelved, _AN_HOUR):
        yield _item(entry, "record of a container that waits no more")


def _networks(there: Snapshot) -> Iterable[Item]:
    """A network goes after what is on it."""
    for name, launcher in there.networks:
        if launcher == "gone":
            yield Item(NETWORKS, name, "its launcher is gone", id=name)


def _container_goes(one: Container, launcher: State, there: Snapshot) -> str:
    """Return why a container goes; empty if it stays."""
    if launcher == "gone":
        return "its launcher is gone" if one.is_running else "it has ended, its launcher is gone"
    if launcher == "unknown" and not one.is_running and there.is_old(one.created):
        return f"it is left over: {one.state} for more than a day"
    return ""


def _runs(there: Snapshot) -> Iterable[Item]:
    """A record goes with its container, or after it; files never without their record."""
    stay = {one.name for one in there.containers if not _goes(one, there)}
    known = {entry.path.name for entry, _ in there.runs}
    for entry, state in there.runs:
        gone = state == "gone" or (state == "unknown" and there.is_old(entry.modified))
        if gone and entry.path.name not in stay:
            yield _item(entry, "record of a launch that is gone")
    for entry in _old(there, there.run_files):
        if entry.path.stem not in known | stay:
            yield _item(entry, "files of a launch that is gone")


def _goes(one: Container, there: Snapshot) -> bool:
    return bool(_container_goes(one, there.launchers.get(one.id, "unknown"), there))


def _records(there: Snapshot) -> Iterable[Item]:
    known = {image.replace(":", "-") for image in there.images}
    for entry in there.records:
        if entry.path.name not in known:
            yield _item(entry, "verification of an image that is gone")
    for entry in there.built:
        if entry.path.name not in known:
            yield _item(entry, "record of a build whose image is gone")


def _users(there: Snapshot) -> Iterable[Item]:
    mounted = {source for one in there.containers for source in one.mounts}
    for entry in _old(there, there.users):
        used = any(source.startswith(f"{entry.path}/") for source in mounted)
        if not used and entry.path.name.partition("-")[0] != str(there.uid):
            yield _item(entry, "names of a user whom nothing runs as; made again if needed")


def _gateways(there: Snapshot) -> Iterable[Item]:
    for entry in there.keys:
        yield _item(entry, "left by a gateway that was killed; its keys are in it")
    for entry in there.logs:
        if there.is_old(entry.modified, _A_WEEK):
            yield _item(entry, "log of a gateway that no longer runs")


def _old(there: Snapshot, entries: Iterable[Entry], limit: timedelta = _A_DAY) -> Iterable[Entry]:
    return (entry for entry in entries if there.is_old(entry.modified, limit))


def _item(entry: Entry, why: str) -> Item:
    return Item(STATE, entry.name, why, size=entry.size, id=str(entry.path))
