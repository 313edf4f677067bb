"""The host: facts, read once and passed on, and the directories of Pinnace's own files."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pinnace_core.errors import UsageError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

HostOs = Literal["linux", "macos", "windows"]
_NAME: Final = "pinnace"
# What Debian calls it for users that have none; an empty one would be the working directory.
_NO_HOME: Final = "/nonexistent"
DirectoryKind = Literal["cache", "config", "data", "state"]
DIRECTORY_KINDS: Final[tuple[DirectoryKind, ...]] = ("cache", "config", "data", "state")
_BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"
_XDG: Final = {
    "cache": ".cache",
    "config": ".config",
    "data": ".local/share",
    "state": ".local/state",
}


class HostFacts(NamedTuple):
    """What is known about the host.

    Attributes:
        os: the operating system.
        machine: the processor, as the kernel says it.
        uid: the user's number; 0 on Windows, where it means nothing.
        gid: the group's number; likewise.
        home: the user's home directory.
        cwd: the working directory, as the user's shell names it.
        stdin_tty: whether standard input is a terminal.
        stdout_tty: whether standard output is a terminal.
        environment: the environment variables.
        groups: the user's supplementary groups.
    """

    os: HostOs
    machine: str
    uid: int
    gid: int
    home: str
    cwd: str
    stdin_tty: bool
    stdout_tty: bool
    environment: Mapping[str, str]
    groups: tuple[int, ...] = ()

    @classmethod
    def detect(cls) -> HostFacts:
        """Read them."""
        return cls(
            os=_os(sys.platform),
            machine=_machine(),
            uid=getattr(os, "getuid", int)(),
            gid=getattr(os, "getgid", int)(),
            home=_home(),
            cwd=_cwd(),
            stdin_tty=_is_tty(0),
            stdout_tty=_is_tty(1),
            environment=dict(os.environ),
            groups=tuple(getattr(os, "getgroups", tuple)()),
        )


def _home() -> str:
    """Return the home directory; one that is not there if nobody says which."""
    named = os.environ.get("HOME", "/")
    if sys.platform != "win32" and not named.startswith("/"):
        return _NO_HOME
    try:
        return str(Path.home())
    except RuntimeError:
        return _NO_HOME


def home() -> Path:
    """Return the user's home directory.

    Raises:
        UsageError: neither HOME nor the system's list of users names one, by its whole path.
    """
    found = _home()
    if found == _NO_HOME:
        raise UsageError(
            "your home directory is not known: neither HOME nor the list of users names one",
            hint="set HOME to a directory of yours, by its whole path",
        )
    return Path(found)


def _machine() -> str:
    if sys.platform == "win32":
        return os.environ.get("PROCESSOR_ARCHITECTURE", "")
    return os.uname().machine


def _os(name: str) -> HostOs:
    if name == "win32":
        return "windows"
    return "macos" if name == "darwin" else "linux"


def _cwd() -> str:
    """Prefer the shell's own idea: behind a symlink, transcripts are kept under that name."""
    logical = os.environ.get("PWD", "")
    try:
        actual = os.getcwd()  # noqa: PTH109 (a string is what is wanted)
    except FileNotFoundError:
        raise UsageError(
            "the working directory is gone", hint="change into a project's directory"
        ) from None
    try:
        # As it is, or not at all: without its "..", behind a link, it would be another place.
        clean = Path(logical).is_absolute() and os.path.normpath(logical) == logical
        same = clean and Path(logical).samefile(actual)
    except OSError:
        same = False
    return logical if same else actual


def _is_tty(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


@cache
def _own_below(parent: str) -> Path:
    """Return it; a launch asks fifty times."""
    return Path(parent) / _NAME


def _named_home() -> str:
    named = os.environ.get("HOME", "")
    return named if named.startswith("/") and named != _NO_HOME else str(home())


def boot_id() -> str:
    """Return what tells one start of this machine from another; empty if nothing does."""
    try:
        with open(_BOOT_ID, "rb") as stream:  # noqa: PTH123 (pathlib takes twice as long)
            return stream.read().decode().strip()
    except OSError:
        return ""


def directory(kind: DirectoryKind) -> Path:
    """Return the user's directory of a kind.

    Args:
        kind: `cache` may be deleted any time, `config` is what the user writes, `data` is
            the user's, `state` is bookkeeping.
    """
    if sys.platform == "linux":
        # The specification wants relative ones ignored.
        configured = os.environ.get(f"XDG_{kind.upper()}_HOME", "").strip()
        absolute = configured.startswith("/")
        return _own_below(configured if absolute else f"{_named_home()}/{_XDG[kind]}")
    import platformdirs

    dirs = platformdirs.PlatformDirs(_NAME, appauthor=False)
    return {
        "cache": dirs.user_cache_path,
        "config": dirs.user_config_path,
        "data": dirs.user_data_path,
        "state": dirs.user_state_path,
    }[kind]
