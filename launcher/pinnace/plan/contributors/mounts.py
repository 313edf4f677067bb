"""More directories inside, on request: of the host, and caches of package managers."""

from __future__ import annotations

import os
import shlex
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from pinnace.config import project as workspace
from pinnace.plan import Contribution, sources
from pinnace.plan.resources import Resource
from pinnace.plan.variables import Variable, plain
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_core.errors import CannotReadError, UnsafeRequestError, UsageError
from pinnace_core.files import cannot_write, make_directory, resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pinnace.config.project import Workspace
    from pinnace.plan import Inputs
    from pinnace_core.host import HostFacts

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
        source = sources.real(request, facts, project)
        target = _target(request.target, project)
        if any(target == mount.target for mount in mounts):
            raise UsageError(f"two mounts have the target '{target}'", hint="leave one out")
        mounts.append(Mount(str(source), target, read_only=request.read_only))
        notes += _notes(source, facts)
    holders = (Mount(project.source, project.target), *mounts)
    for mount in mounts:
        _require_place(mount, holders)
    return Contribution(mounts=tuple(mounts), notes=tuple(notes))


def _notes(source: Path, facts: HostFacts) -> list[str]:
    if not sources.touches(source, sources.keys(Path(facts.home).resolve())):
        return []
    return [f"'{source}' is mounted: Claude, and what it runs, can read the keys in it"]


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
            hint=f"make it first: {'mkdir -p' if kind == 'directory' else 'touch'} "
            f"{shlex.quote(str(place))}",
        )
