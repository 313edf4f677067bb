"""Caches of package managers: Pinnace's own, shared by its projects, never the host's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pinnace.plan.contribution import Contribution
from pinnace_core import paths
from pinnace_core.container import Mount
from pinnace_core.errors import UsageError
from pinnace_core.files import cannot_write, make_directory

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.config import Settings
    from pinnace.plan.user import UserMapping
    from pinnace_core.host import HostFacts

INSIDE: Final = "/var/cache/pinnace"


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


def additions(settings: Settings, facts: HostFacts, user: UserMapping) -> Contribution:
    """Mount a directory for each package manager that is asked for; it is made if need be.

    Raises:
        UsageError: one is not known.
        CannotWriteError: the cache directory is not writable.
    """
    mounts, environment = [], []
    for name in sorted(set(settings.caches)):
        if name not in TOOLS:
            raise UsageError(
                f"there is no cache for '{name}'", hint=f"take some of: {', '.join(sorted(TOOLS))}"
            )
        target = f"{INSIDE}/{name}"
        mounts.append(Mount(str(_directory(name, facts, user)), target))
        environment += [(key, text.format(target)) for key, text in TOOLS[name]]
    return Contribution(mounts=tuple(mounts), environment=tuple(environment))


def _directory(name: str, facts: HostFacts, user: UserMapping) -> Path:
    """Return the directory of one user's: what another uid wrote could not be written to."""
    directory = make_directory(
        paths.directory("cache") / "tools" / str(user.uid) / name, mode=0o700
    )
    try:
        if facts.os == "linux" and facts.uid == 0 and directory.lstat().st_uid != user.uid:
            os.chown(directory, user.uid, user.gid, follow_symlinks=False)
    except OSError as error:
        raise cannot_write(directory, error) from error
    return directory
