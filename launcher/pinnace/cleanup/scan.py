"""Look at what launches have left behind, and remove what the plan lets go."""

from __future__ import annotations

import json
import shutil
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.cleanup import CONTAINERS, Entry, Item, Snapshot
from pinnace.config import pin as pins
from pinnace.launch import owner
from pinnace.launch import records as runs
from pinnace.launch.containers import Container, of_launches
from pinnace.launch.owner import Launcher
from pinnace_core import host
from pinnace_core.errors import PinnaceError
from pinnace_core.files import cannot_write, read_untrusted
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pinnace_core.engine import Engine
    from pinnace_core.host import HostFacts

_MOST_BYTES: Final = 8 << 20


def read(facts: HostFacts, engine: Engine) -> Snapshot:
    """Read the state, then the engine: what starts meanwhile is in the latter at least.

    Raises:
        EngineUnavailableError: the engine does not answer.
    """
    state = host.directory("state")
    recorded = [
        (entry, owner.state_of(Launcher.from_labels(record.labels)))
        for record in runs.recorded()
        if (entry := _entry(runs.directory() / record.name, state))
    ]
    users, records = list(_below(state / "users", state)), list(_below(state / "verified", state))
    containers = of_launches(engine)
    return Snapshot(
        now=datetime.now(UTC),
        containers=containers,
        launchers={one.id: owner.state_of(one.launcher) for one in containers},
        checks=list(map(Container._make, engine.containers(contract.LABEL_CHECK))),
        images=frozenset(engine.image_ids()),
        runs=recorded,
        run_files=[e for e in _below(runs.directory(), state) if e.path.suffix == runs.FILES],
        records=records,
        users=users,
        unfinished=list(_unfinished(state)),
        uid=facts.uid,
    )


def last_used(snapshot: Snapshot) -> dict[str, datetime]:
    """Return when images were launched last, by their ids: a launch touches their records."""
    return {e.path.name.replace("-", ":", 1): e.modified for e in snapshot.records}


def pinned(facts: HostFacts, containers: Iterable[Container]) -> tuple[str, ...]:
    """Return what the projects pin that Claude was launched in, and that are still there."""
    projects = {*_projects(), *(one.workspace for one in containers)}
    found = set()
    for project in sorted(projects):
        # What is named there may be anything: gone, or no project at all.
        with suppress(PinnaceError, OSError, ValueError):
            pin = pins.find(facts._replace(cwd=project, environment={}))
            if pin is not None and not pin.specifier.is_channel:
                found.add(str(pin.specifier))
    return tuple(sorted(found))


def _projects() -> Iterator[str]:
    """Claude keeps a list, in its state; containers write to it."""
    for path in host.directory("data").glob("claude/*/.claude.json"):
        with suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
            document = json.loads(read_untrusted(path, most=_MOST_BYTES))
            yield from filter(_is_of_this_host, document.get("projects", {}))


def _is_of_this_host(name: str) -> bool:
    """Windows would ask a server that two slashes name, and log in to it."""
    return Path(name).is_absolute() and not name.startswith(("//", "\\\\", "/\\", "\\/"))


def remove(items: Iterable[Item], engine: Engine) -> Iterator[Item]:
    """Remove them one by one; give each that is gone.

    Raises:
        PinnaceError: the engine refuses, or a file cannot be removed.
    """
    for item in items:
        if item.scope == CONTAINERS:
            engine.remove(item.id)
        else:
            _remove_path(Path(item.id))
        yield item


def _remove_path(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def _below(directory: Path, state: Path) -> Iterator[Entry]:
    with suppress(OSError):
        for path in sorted(directory.iterdir()):
            if not path.name.startswith(".") and (entry := _entry(path, state)):
                yield entry


def _unfinished(state: Path) -> Iterator[Entry]:
    for path in sorted(state.rglob(".*.tmp")):
        if entry := _entry(path, state):
            yield entry


def _entry(path: Path, state: Path) -> Entry | None:
    """Describe a file, or a directory with all that is in it; None if it goes away meanwhile."""
    try:
        status = path.lstat()
        inside = path.rglob("*") if stat.S_ISDIR(status.st_mode) else ()
        size = sum(one.lstat().st_size for one in inside) or status.st_size
    except OSError:
        return None
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return Entry(path, path.relative_to(state).as_posix(), size, modified)
