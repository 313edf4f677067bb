"""Records of the launches that are running: one file each, gone when the launch has ended.

A launcher that is killed with SIGKILL can end nothing: its docker client and its container go on.
The next launch finds the record, sees that its launcher is gone, and has the container removed in
the background. That costs a launch the reading of one directory.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pinnace.running import launchers
from pinnace.running.launchers import Launcher
from pinnace_images import places
from pinnace_images.errors import CannotWriteError
from pinnace_images.files import write_atomic
from pinnace_images.report import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_MOST_BYTES: Final = 1 << 16
_KILLED: Final = 137
FILES: Final = ".files"
"""Ending of the directories of files that belong to a launch."""


def directory() -> Path:
    """Give the directory of records."""
    return places.directory("state") / "runs"


def files_of(name: str) -> Path:
    """Give a directory for files that live as long as a launch; it is made by who needs it."""
    return directory() / f"{name}{FILES}"


def watched(name: str, labels: dict[str, str], run: Callable[[], int]) -> int:
    """Run a launch that has a record meanwhile; see to those whose launcher is gone.

    Args:
        name: the container's.
        labels: the container's.
        run: gives the exit code.
    """
    _reap([found for found, _ in dead()])
    _begin(name, labels)
    code = 0
    try:
        code = run()
    finally:
        # If it was the client that was killed, the container goes on: the record stays.
        if code != _KILLED:
            forget(name)
    return code


def dead() -> Iterator[tuple[str, dict[str, str]]]:
    """Give the names and labels of launches whose launcher is gone."""
    for name, labels in recorded():
        if launchers.state_of(Launcher.from_labels(labels)) == "gone":
            yield name, labels


def recorded() -> Iterator[tuple[str, dict[str, str]]]:
    """Give the names and labels of all recorded launches; what is no record is passed over."""
    try:
        names = os.listdir(directory())  # noqa: PTH208 (names are what is wanted)
    except OSError:
        return
    for name in names:
        if not name.startswith(".") and not name.endswith(FILES):
            labels = read(name)
            if labels is not None:
                yield name, labels


def read(name: str) -> dict[str, str] | None:
    """Give the labels that a record holds; None if it is none, or is gone."""
    try:
        with (directory() / name).open("rb") as stream:
            document = json.loads(stream.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not all(isinstance(v, str) for v in document.values()):
        return None
    return document


def forget(name: str) -> None:
    """Remove a record, after the files that belong to it, so that none of these is left alone."""
    files = files_of(name)
    if files.is_dir():
        import shutil

        shutil.rmtree(files, ignore_errors=True)
    with suppress(OSError):
        (directory() / name).unlink()


def _begin(name: str, labels: dict[str, str]) -> None:
    try:
        write_atomic(directory() / name, json.dumps(labels).encode(), mode=0o600)
    except CannotWriteError as error:
        # It works all the same; `pinnace gc` goes by the labels.
        tell(f"pinnace: this launch is not recorded: {error.message}")


def _reap(names: list[str]) -> None:
    """Have containers removed by a process of its own, which nothing here waits for."""
    # -P: the working directory is a project; nothing may be imported from there.
    argv = [sys.executable, "-P", "-m", "pinnace.running.reaper", *names]
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
