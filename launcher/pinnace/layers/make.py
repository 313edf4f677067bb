"""Make a layer, hold it while it is written to, and remove it."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace import layers
from pinnace.layers import Layer, commits, snapshot
from pinnace_core.container import Mount
from pinnace_core.errors import BusyError
from pinnace_core.files import cannot_write, like, make_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

_UPPER, _WORK, _LOWER, _LOCK = "upper", "work", "lower", "lock"
# Kernels leave a file of root's in it, so that it can only be used again.
_SPARE: Final = ".work"
_PRIVATE: Final = 0o700


def mounts(layer: Layer) -> tuple[Mount, ...]:
    """Return what takes the project's place inside."""
    place = layer.place
    if layer.kind == "clone":
        from pinnace.layers import clone

        return (Mount(str(layer.root), layer.target), *clone.lent(layer))
    return (
        Mount(
            # A link of ours: options of a mount are cut at commas and colons.
            str(place / _LOWER),
            layer.target,
            upper=str(place / _UPPER),
            work=str(place / _WORK),
        ),
    )


def make(layer: Layer) -> int:
    """Make a new layer; return the number of a process that goes on with it, or 0.

    Raises:
        CannotWriteError: it cannot be written.
        CloneFailedError: it cannot be cloned.
    """
    make_directory(layers.directory(), mode=_PRIVATE)
    make_directory(layer.place, mode=_PRIVATE)
    try:
        _fill(layer)
        layers.save(layer)
    except BaseException:
        # Also if a signal ends it: without a record, nobody would find it.
        with suppress(OSError):
            remove(layer.place)
        raise
    if layer.kind == "clone":
        return 0
    return snapshot.start(layer.place, layer.workspace, layer.begun)


def _fill(layer: Layer) -> None:
    if layer.kind == "clone":
        from pinnace.layers import clone

        clone.make(layer)
        return
    try:
        _make_upper(layer)
    except OSError as error:
        raise cannot_write(layer.place, error) from error
    if layer.git:
        commits.keep_base(layer)


def _make_upper(layer: Layer) -> None:
    upper = layer.place / _UPPER
    upper.mkdir(mode=_PRIVATE)
    like(upper, Path(layer.workspace))
    (layer.place / _LOWER).symlink_to(layer.workspace)
    work = layer.place / _WORK
    for spare in sorted(_spare().glob("*")):
        with suppress(OSError):
            spare.rename(work)
            return
    work.mkdir(mode=_PRIVATE)
    like(work, Path(layer.workspace))


def _spare() -> Path:
    return layers.directory() / _SPARE


@contextmanager
def held(layer: Layer, child: int = 0) -> Iterator[None]:
    """Hold a layer for this launch alone; nobody removes it meanwhile.

    Raises:
        BusyError: another launch has it.
    """
    descriptor = _locked(layer)
    if descriptor is None:
        raise BusyError(
            f"another launch works in '{layer.name}'",
            hint="wait for its end, or leave --layer out: each launch can have its own",
        )
    try:
        yield
    finally:
        if child:
            with suppress(OSError):
                os.waitpid(child, 0)
        os.close(descriptor)


def _locked(layer: Layer) -> int | None:
    """Take a layer's lock, which goes with this process; None: another one has it."""
    descriptor = os.open(layer.place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
    return descriptor


def is_held(layer: Layer) -> bool:
    """Return whether a launch works in it, as far as its launcher is there."""
    try:
        descriptor = _locked(layer)
    except OSError:
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def drop(layer: Layer) -> None:
    """Remove a layer with all that is in it.

    Raises:
        CannotWriteError: something cannot be removed.
    """
    # Without its record it is none any more, whatever comes of the rest.
    try:
        (layer.place / "layer.json").unlink(missing_ok=True)
        remove(layer.place)
    except OSError as error:
        raise cannot_write(layer.place, error) from error


def remove(place: Path) -> None:
    """Remove a layer's directory; directories in it that nobody may write to are no obstacle.

    Raises:
        OSError: something cannot be removed.
    """
    work = place / _WORK
    if work.is_dir():
        make_directory(_spare(), mode=_PRIVATE)
        work.rename(_spare() / os.urandom(8).hex())
    for directory, names, _ in os.walk(place):
        for name in names:
            path = Path(directory, name)
            with suppress(OSError):
                if not path.is_symlink() and path.stat().st_mode & _PRIVATE != _PRIVATE:
                    path.chmod(_PRIVATE)
    shutil.rmtree(place)
