"""The process that owns a launch: told by the container's labels, and found again by them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pinnace_core import host
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace_images.versions import CliVersion

State = Literal["alive", "gone", "unknown"]
_LARGEST_PID: Final = 1 << 31
_MOST_DIGITS: Final = 10
# Counted behind the program's name, which may hold anything: field 22 of all (man 5 proc_pid_stat).
_START_FIELD: Final = 19


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
