"""Who runs which launch: a record of each, and the process that owns it."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pinnace_core import console, host
from pinnace_core.engine import NAMES
from pinnace_core.errors import CannotWriteError, PinnaceError
from pinnace_core.files import write_atomic
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pinnace_images.versions import CliVersion

_MOST_BYTES: Final = 1 << 16
# The killed launcher's client may be about to make the container.
_PATIENCE_SECONDS: Final = 60.0
FILES: Final = ".files"
"""Ending of the directories of files that belong to a launch."""
# Reapers of this process's: a program launches for a long time.
_unburied: list[int] = []
State = Literal["alive", "gone", "unknown"]
_LARGEST_PID: Final = 1 << 31
_MOST_DIGITS: Final = 10
# Counted behind the program's name, which may hold anything: field 22 of all (man 5 proc_pid_stat).
_START_FIELD: Final = 19


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
        if container is not None and record.labels.items() <= container.labels.items():
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


class Launcher(NamedTuple):
    """A process of a host.

    Attributes:
        pid: its number, in its pid namespace.
        started: in ticks since boot; empty where that is not cheap to know.
        host: host name, boot and pid namespace; the last two are empty besides on Linux.
    """

    pid: int
    started: str
    host: tuple[str, str, str]

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> Launcher | None:
        """Read what `labels` wrote; None if it is not there, or makes no sense."""
        pid = labels.get(contract.LABEL_RUN_PID, "")
        name, _, rest = labels.get(contract.LABEL_RUN_HOST, "").partition("/")
        boot, _, namespace = rest.partition("/")
        if not name or not (pid.isascii() and pid.isdigit() and len(pid) <= _MOST_DIGITS):
            return None
        if not 0 < int(pid) < _LARGEST_PID:
            return None
        return cls(int(pid), labels.get(contract.LABEL_RUN_STARTED, ""), (name, boot, namespace))

    def labels(self) -> tuple[tuple[str, str], ...]:
        """Return what `from_labels` reads."""
        return (
            (contract.LABEL_RUN_PID, str(self.pid)),
            (contract.LABEL_RUN_STARTED, self.started),
            (contract.LABEL_RUN_HOST, "/".join(self.host)),
        )


def current() -> Launcher:
    """Describe this process."""
    return Launcher(os.getpid(), _started(os.getpid()), _here())


def labels(version: CliVersion, launcher: Launcher | None) -> tuple[tuple[str, str], ...]:
    """Return the labels of a container; without a launcher where somebody else will start it."""
    said = ((contract.LABEL_RUN_VERSION, str(version)),)
    return said if launcher is None else (*said, *launcher.labels())


def state_of(launcher: Launcher | None) -> State:
    """Return whether a launcher is still there; in doubt it is.

    Of another host, or another pid namespace (a container's), nothing can be told. Of another boot
    of this host, nobody is left.
    """
    if launcher is None:
        return "unknown"
    here = _here()
    if launcher.host[0] != here[0]:
        return "unknown"
    if launcher.host[1] != here[1]:
        return "gone"
    if launcher.host[2] != here[2]:
        return "unknown"
    return "alive" if _is_running(launcher.pid, launcher.started) else "gone"


def _here() -> tuple[str, str, str]:
    if sys.platform == "win32":
        return (_plain(os.environ.get("COMPUTERNAME", "")), "", "")
    name = _plain(os.uname().nodename)
    if sys.platform != "linux":
        return (name, "", "")
    boot = host.boot_id()
    try:
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 (not a path: pid:[4026531836])
    except OSError:
        return (name, "", "")
    return (name, boot, namespace) if boot else (name, "", "")


def _plain(name: str) -> str:
    return name.replace("/", "_")


def _is_running(pid: int, started: str) -> bool:
    if sys.platform == "win32":
        return _is_running_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    now = _started(pid)
    # A number is given again; /proc may hide other people's processes.
    return not (started and now) or started == now


def _is_running_windows(pid: int) -> bool:
    """There, `os.kill` with signal 0 would interrupt it."""
    if sys.platform != "win32":
        return True
    import _winapi

    try:
        handle = _winapi.OpenProcess(_winapi.SYNCHRONIZE, False, pid)  # noqa: FBT003
    except PermissionError:
        return True
    except OSError:
        return False
    try:
        return _winapi.WaitForSingleObject(handle, 0) == _winapi.WAIT_TIMEOUT
    finally:
        _winapi.CloseHandle(handle)


def _started(pid: int) -> str:
    """Return when a process started; empty if unknown. Of a zombie only its name is left."""
    if sys.platform != "linux":
        return ""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return "zombie" if fields[0] == b"Z" else fields[_START_FIELD].decode()
    except (OSError, IndexError, UnicodeDecodeError):
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
