"""Records of the launches that are running: one file each, gone when the launch has ended.

A launcher that is killed with SIGKILL can end nothing: its docker client and its container go on.
The next launch finds the record, sees that its launcher is gone, and has the container removed in
the background, by this module as a process of its own. That costs a launch the reading of one
directory.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from pinnace.launch import owner
from pinnace.launch.owner import Launcher
from pinnace_core import host
from pinnace_core.engine import NAMES
from pinnace_core.errors import CannotWriteError, PinnaceError
from pinnace_core.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_MOST_BYTES: Final = 1 << 16
_KILLED: Final = 137
# The killed launcher's client may be about to make the container.
_PATIENCE_SECONDS: Final = 60.0
FILES: Final = ".files"
"""Ending of the directories of files that belong to a launch."""


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


def directory() -> Path:
    """Return the directory of records."""
    return host.directory("state") / "runs"


def files_of(name: str) -> Path:
    """Return a directory for files that live as long as a launch; it is made by who needs it."""
    return directory() / f"{name}{FILES}"


def watched(record: Record, run: Callable[[], int], *, warn: Callable[[str], None]) -> int:
    """Run a launch that has a record meanwhile; see to those whose launcher is gone.

    Args:
        record: of the launch.
        run: gives the exit code.
        warn: is told if there can be no record: the launch works all the same.
    """
    _start_reaper([found.name for found in dead()])
    try:
        _begin(record)
    except CannotWriteError as error:
        # `pinnace gc` goes by the labels.
        warn(f"pinnace: this launch is not recorded: {error.message}")
    name = record.name
    code = 0
    try:
        code = run()
    finally:
        # If it was the client that was killed, the container goes on: the record stays.
        if code != _KILLED:
            forget(name)
    return code


def dead() -> Iterator[Record]:
    """Return the launches whose launcher is gone."""
    for record in recorded():
        if owner.state_of(Launcher.from_labels(record.labels)) == "gone":
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


def _start_reaper(names: list[str]) -> None:
    """Have containers removed by a process of its own, which nothing here waits for."""
    # -P: the working directory is a project; nothing may be imported from there.
    argv = [sys.executable, "-P", "-m", "pinnace.launch.records", *names]
    if not names or not sys.executable:
        return
    if sys.platform == "win32":
        import subprocess

        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        with suppress(OSError):
            subprocess.Popen(argv, creationflags=flags, stdin=-3, stdout=-3, stderr=-3)
        return
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    with suppress(OSError):
        # A group of its own: Ctrl-C at the terminal is not meant for it.
        os.posix_spawn(argv[0], argv, os.environ, file_actions=nothing, setpgroup=0)


def reap(names: Sequence[str]) -> None:
    """Remove the containers of records, and the records.

    The record only says where to look: the container must carry the same labels, so that a record
    that somebody forged removes nobody's container.

    Raises:
        PinnaceError: the engine does not answer; what is left is tried again by the next launch.
    """
    from pinnace_core.engine import named

    for name in names:
        record = read(name)
        if record is None or owner.state_of(Launcher.from_labels(record.labels)) != "gone":
            continue
        engine = named(record.program)
        container = engine.container(name)
        if container is None and _is_fresh(name):
            continue
        if container is not None and record.labels.items() <= container.labels.items():
            engine.remove(container.id)
        forget(name)


def _is_fresh(name: str) -> bool:
    try:
        return time.time() - (directory() / name).stat().st_mtime < _PATIENCE_SECONDS
    except OSError:
        return False


def main(names: Sequence[str]) -> int:
    """Do it without a word: nobody listens."""
    try:
        reap(names)
    except PinnaceError as error:
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
