"""What of the host may be mounted: decided here, once, not when the engine mounts it."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.plan import reach
from pinnace_core import host
from pinnace_core.errors import CannotReadError, UnsafeRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pinnace.config import MountRequest
    from pinnace.config.project import Workspace
    from pinnace_core.host import HostFacts

_OF_THE_KERNEL: Final = ("/dev", "/proc", "/sys")
_OF_THE_SYSTEM: Final = (
    *("/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr"),
    *("/System", "/Library", "/private/etc", r"C:\Windows", r"C:\Program Files"),
)
_KEYS: Final = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".netrc"),
    *(".config/gcloud", ".config/gh", ".local/share/keyrings", "Library/Keychains"),
)


def real(request: MountRequest, facts: HostFacts, project: Workspace) -> Path:
    """Return what a source really is.

    Raises:
        CannotReadError: it is not there.
        UnsafeRequestError: it would break the isolation.
    """
    written = Path(request.source)
    try:
        found = written.resolve(strict=True)
        mode = found.stat().st_mode
    except (OSError, ValueError, RuntimeError):
        raise CannotReadError(
            f"cannot mount '{request.source}': it is not there",
            hint=f"if it is to be a directory: mkdir -p {shlex.quote(str(written))}",
        ) from None
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        why = "a socket or device is a door out of the container"
        if _is_an_engines(found, facts):
            why = "whoever may talk to the engine is root on this host"
        raise refused(request.source, why)
    written = Path(os.path.normpath(written))
    root = Path(project.source)
    if _is_below_any(written, (root, Path(project.target))) and not found.is_relative_to(root):
        raise refused(request.source, f"a link in the project leads to '{found}'")
    require_harmless(request, found, facts)
    return found


def require_harmless(request: MountRequest, found: Path, facts: HostFacts) -> None:
    """See that a real place breaks nothing.

    Raises:
        UnsafeRequestError: it does.
    """
    home = Path(facts.home).resolve()
    if found == home or found in home.parents:
        raise refused(request.source, "your home directory is in it")
    if _is_below_any(found, _paths(_OF_THE_KERNEL)):
        raise refused(request.source, "it is the kernel's")
    if _is_an_engines(found, facts):
        raise refused(request.source, "whoever may talk to the engine is root on this host")
    if request.read_only:
        return
    if _is_below_any(found, _paths(_OF_THE_SYSTEM)):
        raise refused(request.source, "it is the system's; mount it read-only")
    if touches(found, keys(home)):
        raise refused(request.source, "keys are in it; mount it read-only, or not at all")
    if touches(found, [host.directory("state"), host.directory("data")]):
        raise refused(request.source, "Pinnace keeps its own records there")


def refused(source: str, why: str) -> UnsafeRequestError:
    """Return the error for a source that is not mounted."""
    return UnsafeRequestError(
        f"'{source}' is not mounted: {why}", hint="mount a directory that holds only what is needed"
    )


def _is_an_engines(real: Path, facts: HostFacts) -> bool:
    """Return whether it is an engine's socket, or holds one."""
    return any(socket == real or real in socket.parents for socket in reach.engines(facts))


def keys(home: Path) -> list[Path]:
    """Return where keys are below a home directory, links followed."""
    return [path.resolve() for path in (home / name for name in _KEYS) if os.path.lexists(path)]


def touches(path: Path, others: Iterable[Path]) -> bool:
    """Return whether a path is one of others, or within one, or around one."""
    return any(path.is_relative_to(other) or other.is_relative_to(path) for other in others)


def _is_below_any(path: Path, others: Iterable[Path]) -> bool:
    return any(path.is_relative_to(other) for other in others)


def _paths(names: Iterable[str]) -> list[Path]:
    """Resolve the roots too: /bin is a link on most systems."""
    return [path for name in names for path in (Path(name), Path(name).resolve())]
