"""A home that launches share: what stays of it from one to the next, and what does not.

Nothing here runs what lies in it, or follows a link there: who was in it may have left anything.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pinnace.layers.make import remove
from pinnace_core.files import cannot_write
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinnace_core.container import ContainerSpec

KEPT: Final = (
    *(".bun/install", ".cargo/bin", ".cargo/git", ".cargo/registry", ".rustup", ".cache/deno"),
    *(".cache/go-build", ".cache/ms-playwright", ".cache/node", ".cache/node-gyp", ".cache/pip"),
    *(".cache/pnpm", ".cache/pre-commit", ".cache/pypoetry", ".cache/uv", ".cache/yarn"),
    *(".gradle/caches", ".gradle/wrapper", ".m2/repository", ".npm/_cacache", ".local/bin"),
    *(".local/lib", ".local/share/mise", ".local/share/pipx", ".local/share/pnpm"),
    *(".local/share/uv", ".nuget/packages", "go/bin", "go/pkg"),
)
"""What stays of a home: packages and caches, where their managers put them, and no settings."""
_PRIVATE: Final = 0o700


def reset(home: Path, spec: ContainerSpec) -> None:
    """Remove what is not kept, and have there what something is mounted on.

    That stays, if it is there: a container that waits shows it already.

    Args:
        home: its directory; it is made.
        spec: of the container that it is for; what it mounts is there.

    Raises:
        CannotWriteError: it cannot be written to.
    """
    named = [*(m.target for m in spec.mounts), *(t.target for t in spec.tmpfs)]
    files = {PurePosixPath(m.target) for m in spec.mounts if not Path(m.source).is_dir()}
    inside = PurePosixPath(contract.HOME)
    below = [p.relative_to(inside) for p in map(PurePosixPath, named) if inside in p.parents]
    # What lies below another one is that one's to have.
    below = [path for path in below if not any(other in path.parents for other in below)]
    try:
        _make(home, spec)
        _clear(home, _tree([*map(PurePosixPath, KEPT), *below]))
        for one in below:
            _make_below(home, one, spec, is_file=inside / one in files)
    except OSError as error:
        raise cannot_write(home, error) from error


def _tree(paths: Sequence[PurePosixPath]) -> dict[str, Any]:
    """Return names, and what stays below each; nothing: all."""
    tree: dict[str, Any] = {}
    for path in paths:
        at = tree
        for part in path.parts:
            at = at.setdefault(part, {})
    return tree


def _clear(place: Path, stays: Mapping[str, Any]) -> None:
    with os.scandir(place) as found:
        entries = list(found)
    for entry in entries:
        below = stays.get(entry.name)
        if entry.is_dir(follow_symlinks=False):
            if below != {}:
                _open(Path(entry.path))
            if below is None:
                remove(Path(entry.path))
            elif below:
                _clear(Path(entry.path), below)
        elif below != {} or not entry.is_file(follow_symlinks=False) or entry.stat().st_size:
            # What is mounted on is empty outside: anything else was put there.
            os.unlink(entry.path)  # noqa: PTH108 (as it was found)


def _open(place: Path) -> None:
    """Let a directory be looked through, whatever rights somebody has left it with."""
    if place.stat().st_mode & _PRIVATE != _PRIVATE:
        place.chmod(_PRIVATE)


def _make_below(home: Path, path: PurePosixPath, spec: ContainerSpec, *, is_file: bool) -> None:
    """Make what something is mounted on: the engine would, as root."""
    around = [home.joinpath(*path.parts[:end]) for end in range(1, len(path.parts))]
    for place in around:
        _make(place, spec)
    place = home / path
    if not is_file:
        _make(place, spec)
    elif not place.is_file():
        if place.is_dir():
            _open(place)
            remove(place)
        place.touch(mode=0o600)
        _give(place, spec)


def _make(place: Path, spec: ContainerSpec) -> None:
    if place.is_dir():
        _open(place)
        return
    place.unlink(missing_ok=True)
    place.mkdir(mode=_PRIVATE)
    _give(place, spec)


def _give(place: Path, spec: ContainerSpec) -> None:
    """Let what root makes belong to who it is for."""
    if os.name == "posix" and os.geteuid() == 0 and spec.user is not None:
        os.chown(place, *spec.user, follow_symlinks=False)
