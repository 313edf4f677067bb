"""A record of each launch, and what becomes of those whose launcher is gone."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from pinnace.launch.owner import Launcher, state_of
from pinnace_core import console, host
from pinnace_core.engine import NAMES
from pinnace_core.errors import CannotWriteError, PinnaceError
from pinnace_core.files import write_atomic
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_MOST_BYTES: Final = 1 << 16
# The killed launcher's client may be about to make the container.
_PATIENCE_SECONDS: Final = 60.0
FILES: Final = ".files"
"""Ending of the directories of files that belong to a launch."""
# Reapers of this process's: a program launches for a long time.
_unburied: list[int] = []
# What a container has that was made ahead of a launch.
_MADE_AHEAD: Final = (contract.LABEL_RUN_STANDBY, contract.LABEL_RUN_WORKSPACE)


class Record(NamedTuple):
    """A launch that is running, or was when its launcher was killed.

    Attributes:
        name: the container's.
        program: the engine's client.
        labels: the container's.
    """

    name: str
    program: str
    labels: dict[str, str]

    def is_of(self, labels: Mapping[str, str]) -> bool:
        """Return whether it is about a container that carries these labels.

        One that was made ahead of the launch has a token, which is in no other one's record.
        """
        own = self.labels
        if contract.LABEL_RUN_STANDBY in own:
            own = {name: own.get(name, "") for name in _MADE_AHEAD}
        return own.items() <= labels.items()


def directory() -> Path:
    """Return the directory of records."""
    return host.directory("state") / "runs"


def files_of(name: str) -> Path:
    """Return a directory for files that live as long as a launch; it is made by who needs it."""
    return directory() / f"{name}{FILES}"


@contextmanager
def kept(record: Record, *, is_over: Callable[[], bool]) -> Iterator[None]:
    """Keep the record of a launch while it runs; see to those whose launcher is gone.

    That there can be no record is said: the launch works all the same.

    Args:
        record: of the launch.
        is_over: tells, in the end, that the container does not go on without its client. If it
            may, the record stays, for whoever removes it.
    """
    reaper = _start_reaper([found.name for found in dead()])
    try:
        _begin(record)
    except CannotWriteError as error:
        # `pinnace gc` goes by the labels.
        console.stderr(f"pinnace: this launch is not recorded: {error.message}")
    try:
        yield
    finally:
        if is_over():
            forget(record.name)
        if reaper:
            _unburied.append(reaper)
        _unburied[:] = [one for one in _unburied if not _is_buried(one)]


def bury_later(child: int) -> None:
    """Know a child that nobody waits for."""
    _unburied.append(child)


def dead() -> Iterator[Record]:
    """Return the launches whose launcher is gone."""
    for record in recorded():
        if state_of(Launcher.from_labels(record.labels)) == "gone":
            yield record


def recorded() -> Iterator[Record]:
    """Return all recorded launches; what is no record is passed over."""
    try:
        names = os.listdir(directory())  # noqa: PTH208 (names are what is wanted)
    except OSError:
        return
    for name in names:
        if not name.startswith(".") and not name.endswith(FILES):
            record = read(name)
            if record is not None:
                yield record


def read(name: str) -> Record | None:
    """Return a record; None if it is none, or is gone."""
    try:
        with (directory() / name).open("rb") as stream:
            document = json.loads(stream.read(_MOST_BYTES))
        program, labels = document["program"], document["labels"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None
    sound = program in NAMES and isinstance(labels, dict)
    if not sound or not all(isinstance(value, str) for value in labels.values()):
        return None
    return Record(name, program, labels)


def is_recorded(name: str) -> bool:
    """Return whether a launch has a record: it runs, or nobody has removed its container yet."""
    return os.path.exists(directory() / name)  # noqa: PTH110 (every launch)


def begun(name: str) -> float:
    """Return when a launch began, in seconds since 1970; now, if it has no record any more."""
    try:
        return (directory() / name).stat().st_mtime
    except OSError:
        return time.time()


def forget(name: str) -> None:
    """Remove a record, after the files that belong to it, so that none of these is left alone."""
    files = files_of(name)
    if files.is_dir():
        import shutil

        shutil.rmtree(files, ignore_errors=True)
    with suppress(OSError):
        (directory() / name).unlink()


def _begin(record: Record) -> None:
    document = {"program": record.program, "labels": record.labels}
    write_atomic(directory() / record.name, json.dumps(document).encode(), mode=0o600)


def _is_buried(child: int) -> bool:
    """Bury a child that has ended; return whether that is done."""
    with suppress(ChildProcessError):
        return os.waitpid(child, os.WNOHANG)[0] == child
    return True


def _start_reaper(names: list[str]) -> int:
    """Have containers removed by a process of its own, which nothing here waits for; return it."""
    # -P: the working directory is a project; nothing may be imported from there.
    argv = [sys.executable, "-P", "-m", "pinnace.launch.records", *names]
    if not names or not sys.executable:
        return 0
    if sys.platform == "win32":
        import subprocess

        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        with suppress(OSError):
            subprocess.Popen(argv, creationflags=flags, stdin=-3, stdout=-3, stderr=-3)
        return 0
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    with suppress(OSError):
        # A group of its own: Ctrl-C at the terminal is not meant for it.
        return os.posix_spawn(argv[0], argv, os.environ, file_actions=nothing, setpgroup=0)
    return 0


def reap(names: Sequence[str], *, patience: float = _PATIENCE_SECONDS) -> None:
    """Remove the containers of records, and the records.

    The record only says where to look: the container must carry the same labels, so that a record
    that somebody forged removes nobody's container.

    Args:
        names: of the records.
        patience: for how many seconds after it began a launch may have no container yet.

    Raises:
        PinnaceError: the engine does not answer; what is left is tried again by the next launch.
    """
    from pinnace_core.engine import named

    for name in names:
        record = read(name)
        if record is None or state_of(Launcher.from_labels(record.labels)) != "gone":
            continue
        engine = named(record.program)
        container = engine.container(name)
        if container is None and _is_fresh(name, patience):
            continue
        if container is not None and record.is_of(container.labels):
            engine.remove(container.id)
        if contract.LABEL_RUN_NETWORK in record.labels:
            from pinnace.launch import private_network

            private_network.remove(engine, name, record.labels)
        forget(name)


def _is_fresh(name: str, patience: float) -> bool:
    try:
        return time.time() - (directory() / name).stat().st_mtime < patience
    except OSError:
        return False


def close_audit() -> None:
    """Note, in the audit record, the end of launches whose launcher is gone.

    Raises:
        PinnaceError: the record cannot be read, or written.
    """
    from pinnace.audit import unfinished

    unfinished.close(lambda labels: state_of(Launcher.from_labels(labels)) == "gone")


def main(names: Sequence[str]) -> int:
    """Do it without a word: nobody listens."""
    try:
        try:
            reap(names)
        finally:
            # Also if the engine does not answer.
            close_audit()
    except PinnaceError as error:
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
