"""What launches left behind: read, and removed where it was decided."""

from __future__ import annotations

import json
import re
import shutil
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace import layers
from pinnace.agent import claude_config, logins, places
from pinnace.cleanup.plan import CONTAINERS, NETWORKS, Entry, Snapshot
from pinnace.config import pin as pins
from pinnace.gateway import running
from pinnace.gateway.directory import abandoned
from pinnace.launch import login, owner, records
from pinnace.launch.containers import Container, of_launches, that_wait
from pinnace.launch.owner import Launcher
from pinnace.launch.reuse import store as homes
from pinnace.launch.standby import shelf
from pinnace.layers import make
from pinnace.plan.contributors import gateway_places
from pinnace.workspace import store
from pinnace_core import built, host, temporaries
from pinnace_core.errors import PinnaceError
from pinnace_core.files import cannot_write, read_untrusted
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pinnace.cleanup.plan import Item
    from pinnace.launch.owner import State
    from pinnace_core.engine import Engine
    from pinnace_core.host import HostFacts

_MOST_BYTES: Final = 8 << 20
# Of a file's or a directory's that was to take its place, whole.
_OURS: Final = re.compile(r"\..+\.[0-9a-f]{16}\.tmp|\..+\.part")
# Where such may lie besides, and how deep: profiles, slots, and Claude's directories in these.
_PLACES: Final[tuple[tuple[host.DirectoryKind, int], ...]] = (("config", 3), ("data", 4))


def read(facts: HostFacts, engine: Engine) -> Snapshot:
    """Read the state, then the engine: what starts meanwhile is in the latter at least.

    Raises:
        EngineUnavailableError: the engine does not answer.
    """
    state = host.directory("state")
    recorded = [
        (entry, owner.state_of(Launcher.from_labels(record.labels)))
        for record in records.recorded()
        if (entry := _entry(records.directory() / record.name, state))
    ]
    users, verified = list(_below(state / "users", state)), list(_below(state / "verified", state))
    containers = of_launches(engine)
    relays = list(map(Container._make, engine.containers(contract.LABEL_RUN_RELAY)))
    networks = engine.networks(contract.LABEL_RUN_NETWORK)
    return Snapshot(
        now=datetime.now(UTC),
        containers=containers,
        launchers={o.id: owner.state_of(o.launcher) for o in (*containers, *relays)},
        relays=relays,
        networks=[(n.name, _launcher_of(dict(n.labels))) for n in networks],
        checks=list(map(Container._make, engine.containers(contract.LABEL_CHECK))),
        waiting=that_wait(engine),
        shelved=[e for e in _below(shelf.directory(), state) if shelf.is_record(e.path)],
        homes=[e for place in homes.unused() if (e := _entry(place, state))],
        images=frozenset(engine.image_ids()),
        runs=recorded,
        run_files=[e for e in _below(records.directory(), state) if e.path.suffix == records.FILES],
        records=verified,
        built=list(_below(built.directory(), state)),
        users=users,
        unfinished=list(unfinished(state)),
        interrupted=list(_interrupted(state)),
        logs=list(_logs(facts, state)),
        half_made=[
            e for e in _below(layers.directory(), state) if not layers.is_begun(e.path.name)
        ],
        forgotten=[e for place in store.forgotten() if (e := _entry(place, state))],
        keys=[e for d in abandoned(state / "gateway") if (e := _entry(d.root, state))],
        uid=facts.uid,
    )


def _launcher_of(labels: Mapping[str, str]) -> State:
    return owner.state_of(Launcher.from_labels(labels))


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
    """Return those that have a slot; until 0.1, Claude kept a list, in its state."""
    yield from (record.root for _, record in places.records())
    for path in places.shared_root().glob(f"*/{claude_config.STATE_FILE}"):
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
        elif item.scope == NETWORKS:
            engine.remove_network(item.id)
        elif not _remove_path(Path(item.id)):
            continue
        yield item


def _remove_path(path: Path) -> bool:
    """Remove a path; return False where somebody uses it by now: it stays."""
    try:
        if path.parent == layers.directory():
            make.remove(path)
        elif path.parent == homes.directory():
            return homes.discard(path)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    return True


def _below(directory: Path, state: Path) -> Iterator[Entry]:
    with suppress(OSError):
        for path in sorted(directory.iterdir()):
            if not path.name.startswith(".") and (entry := _entry(path, state)):
                yield entry


def _logs(facts: HostFacts, state: Path) -> Iterator[Entry]:
    alive = {gateway.root.name for gateway, _ in running.running(gateway_places(facts))}
    return (entry for entry in _below(state / "network", state) if entry.path.name not in alive)


def unfinished(state: Path) -> Iterator[Entry]:
    """Find what was written to when its writer was killed, by the names that Pinnace gives."""
    found = set(state.rglob(".*.tmp"))
    # What lies in layers, homes and Claude's directories is somebody's, whatever it is called.
    foreign = (layers.directory(), homes.directory())
    found = {path for path in found if not any(map(path.is_relative_to, foreign))}
    found |= set(layers.directory().glob("*/.*.tmp"))
    found |= {path for place in _PLACES for path in _ours(*place)}
    # Of `doctor`.
    found |= set(state.glob("probe-*"))
    found |= {path for path in logins.directory().glob(f"{login.NEW}*") if path.is_dir()}
    yield from filter(None, (_entry(path, state) for path in sorted(found)))


def _ours(kind: host.DirectoryKind, depth: int) -> Iterator[Path]:
    for level in range(1, depth + 1):
        for path in host.directory(kind).glob("/".join("*" * level)):
            if _OURS.fullmatch(path.name):
                yield path


def _interrupted(state: Path) -> Iterator[Entry]:
    """Find what was written to in projects, with the notes that tell of it."""
    for one in temporaries.left():
        yield from (e for path in one if path is not None and (e := _entry(path, state)))


def _entry(path: Path, state: Path) -> Entry | None:
    """Describe a file, or a directory with all that is in it; None if it goes away meanwhile."""
    try:
        status = path.lstat()
        inside = path.rglob("*") if stat.S_ISDIR(status.st_mode) else ()
        size = sum(one.lstat().st_size for one in inside) or status.st_size
    except OSError:
        return None
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    name = path.relative_to(state).as_posix() if path.is_relative_to(state) else str(path)
    return Entry(path, name, size, modified)
