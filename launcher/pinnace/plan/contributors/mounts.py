"""More directories inside, on request: of the host, and caches of package managers."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from pinnace.config import project as workspace
from pinnace.plan import Contribution, Resource, reach
from pinnace.plan.variables import Variable, plain
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_core.errors import CannotReadError, UnsafeRequestError, UsageError
from pinnace_core.files import cannot_write, make_directory, resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pinnace.config import MountRequest
    from pinnace.config.project import Workspace
    from pinnace.plan import Inputs
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


CACHES_INSIDE: Final = "/var/cache/pinnace"
# The variables that make each use a directory, `{}`; by their documentation.
TOOLS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "cargo": (("CARGO_HOME", "{}"),),
    "composer": (("COMPOSER_CACHE_DIR", "{}"),),
    "go": (("GOMODCACHE", "{}/mod"), ("GOCACHE", "{}/build")),
    "gradle": (("GRADLE_USER_HOME", "{}"),),
    # Read by Maven from 3.9 on.
    "maven": (("MAVEN_ARGS", "-Dmaven.repo.local={}"),),
    "npm": (("npm_config_cache", "{}"),),
    "nuget": (("NUGET_PACKAGES", "{}"),),
    "pip": (("PIP_CACHE_DIR", "{}"),),
    "pnpm": (("npm_config_store_dir", "{}"),),
    "poetry": (("POETRY_CACHE_DIR", "{}"),),
    # It links files into environments; from another file system it has to copy.
    "uv": (("UV_CACHE_DIR", "{}"), ("UV_LINK_MODE", "copy")),
    "yarn": (("YARN_CACHE_FOLDER", "{}"),),
}


def contribute(inputs: Inputs) -> Contribution:
    """Mount the caches and directories that were asked for.

    Raises:
        PinnaceError: as `caches` and `directories`.
    """
    kept, asked = caches(inputs), directories(inputs)
    return kept._replace(mounts=(*kept.mounts, *asked.mounts), notes=asked.notes)


def caches(inputs: Inputs) -> Contribution:
    """Mount a directory for each package manager that is asked for: Pinnace's own, not the host's.

    Projects share it, users do not: what another uid wrote could not be written to.

    Raises:
        UsageError: one is not known.
    """
    mounts: list[Mount] = []
    variables: list[Variable] = []
    for name in sorted(set(inputs.settings.caches)):
        if name not in TOOLS:
            raise UsageError(
                f"there is no cache for '{name}'", hint=f"take some of: {', '.join(sorted(TOOLS))}"
            )
        target = f"{CACHES_INSIDE}/{name}"
        source = host.directory("cache") / "tools" / str(inputs.user.uid) / name
        mounts.append(Mount(str(source), target))
        variables += [plain(key, text.format(target)) for key, text in TOOLS[name]]
    made = [Path(mount.source) for mount in mounts]
    return Contribution(tuple(mounts), tuple(variables), resources=(made_ready(made, inputs),))


def made_ready(made: Sequence[Path], inputs: Inputs) -> Resource:
    """Return directories that are made where they are missing, for who Claude runs as."""
    user, facts = inputs.user, inputs.facts

    def make(_: object) -> None:
        for path in made:
            make_directory(path, mode=0o700)
            try:
                if facts.os == "linux" and facts.uid == 0 and path.lstat().st_uid != user.uid:
                    os.chown(path, user.uid, user.gid, follow_symlinks=False)
            except OSError as error:
                raise cannot_write(path, error) from error

    def pending() -> str:
        missing = ", ".join(f"'{path}'" for path in made if not path.is_dir())
        return f"make {missing}" if missing else ""

    return Resource(make, pending)


def directories(inputs: Inputs) -> Contribution:
    """Mount what was asked for, at the place that was asked for.

    Raises:
        CannotReadError: a source is not there.
        UnsafeRequestError: a source or a target would break the isolation or the image.
        UsageError: two mounts have the same target.
    """
    facts, project = inputs.facts, inputs.project
    mounts: list[Mount] = []
    notes: list[str] = []
    for request in inputs.settings.mounts:
        source = _source(request, facts, project)
        target = _target(request.target, project)
        if any(target == mount.target for mount in mounts):
            raise UsageError(f"two mounts have the target '{target}'", hint="leave one out")
        mounts.append(Mount(str(source), target, read_only=request.read_only))
        notes += _notes(source, facts)
    holders = (Mount(project.source, project.target), *mounts)
    for mount in mounts:
        _require_place(mount, holders)
    return Contribution(mounts=tuple(mounts), notes=tuple(notes))


def _source(request: MountRequest, facts: HostFacts, project: Workspace) -> Path:
    """Decide what a source is: here, once, not when the engine mounts it."""
    written = Path(request.source)
    try:
        real = written.resolve(strict=True)
        mode = real.stat().st_mode
    except (OSError, ValueError, RuntimeError):
        raise CannotReadError(
            f"cannot mount '{request.source}': it is not there", hint="make it first: mkdir -p"
        ) from None
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        why = "a socket or device is a door out of the container"
        if _is_an_engines(real, facts):
            why = "whoever may talk to the engine is root on this host"
        raise _refused(request.source, why)
    written = Path(os.path.normpath(written))
    root = Path(project.source)
    if _is_below_any(written, (root, Path(project.target))) and not real.is_relative_to(root):
        raise _refused(request.source, f"a link in the project leads to '{real}'")
    _require_harmless(request, real, facts)
    return real


def _require_harmless(request: MountRequest, real: Path, facts: HostFacts) -> None:
    home = Path(facts.home).resolve()
    if real == home or real in home.parents:
        raise _refused(request.source, "your home directory is in it")
    if _is_below_any(real, _paths(_OF_THE_KERNEL)):
        raise _refused(request.source, "it is the kernel's")
    if _is_an_engines(real, facts):
        raise _refused(request.source, "whoever may talk to the engine is root on this host")
    if request.read_only:
        return
    if _is_below_any(real, _paths(_OF_THE_SYSTEM)):
        raise _refused(request.source, "it is the system's; mount it read-only")
    if _touches(real, _keys(home)):
        raise _refused(request.source, "keys are in it; mount it read-only, or not at all")
    if _touches(real, [host.directory("state"), host.directory("data")]):
        raise _refused(request.source, "Pinnace keeps its own records there")


def _refused(source: str, why: str) -> UnsafeRequestError:
    return UnsafeRequestError(
        f"'{source}' is not mounted: {why}", hint="mount a directory that holds only what is needed"
    )


def _is_an_engines(real: Path, facts: HostFacts) -> bool:
    """Return whether it is an engine's socket, or holds one."""
    return any(socket == real or real in socket.parents for socket in reach.engines(facts))


def _keys(home: Path) -> list[Path]:
    return [path.resolve() for path in (home / name for name in _KEYS) if os.path.lexists(path)]


def _notes(source: Path, facts: HostFacts) -> list[str]:
    if not _touches(source, _keys(Path(facts.home).resolve())):
        return []
    return [f"'{source}' is mounted: Claude, and what it runs, can read the keys in it"]


def _touches(path: Path, others: Iterable[Path]) -> bool:
    return any(path.is_relative_to(other) or other.is_relative_to(path) for other in others)


def _is_below_any(path: Path, others: Iterable[Path]) -> bool:
    return any(path.is_relative_to(other) for other in others)


def _paths(names: Iterable[str]) -> list[Path]:
    """Resolve the roots too: /bin is a link on most systems."""
    return [path for name in names for path in (Path(name), Path(name).resolve())]


def _target(target: str, project: Workspace) -> str:
    path = PurePosixPath(target)
    if not path.is_absolute() or ".." in path.parts:
        raise UsageError(
            f"'{target}' is no place inside", hint="give an absolute path without '..'"
        )
    try:
        place = workspace.inside(target, "linux")
    except UnsafeRequestError as error:
        raise UnsafeRequestError(error.message, hint="choose another place inside") from error
    if place == project.target:
        raise UnsafeRequestError(
            f"'{target}' is the workspace: nothing else can be mounted there",
            hint="choose another place inside",
        )
    return place


def _require_place(mount: Mount, holders: Iterable[Mount]) -> None:
    """See that a place inside another mount is there: else the engine makes it, as root.

    Through a link it would be another place, one of the image's maybe.
    """
    around = [h for h in holders if PurePosixPath(h.target) in PurePosixPath(mount.target).parents]
    if not around:
        return
    nearest = max(around, key=lambda holder: len(PurePosixPath(holder.target).parts))
    below = PurePosixPath(mount.target).relative_to(nearest.target)
    place = Path(nearest.source, *below.parts)
    if resolved(place) != place:
        raise UnsafeRequestError(
            f"'{mount.target}' cannot be mounted: '{place}' leads through a link",
            hint="choose another place inside",
        )
    if not place.exists() or place.is_dir() != Path(mount.source).is_dir():
        kind = "directory" if Path(mount.source).is_dir() else "file"
        raise CannotReadError(
            f"'{mount.target}' cannot be mounted: '{place}' is not there, or no {kind}",
            hint=f"make it first: {'mkdir -p' if kind == 'directory' else 'touch'}",
        )
