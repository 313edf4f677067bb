"""Secrets that are no variables of the container: files in a private directory, as long as it runs.

`docker inspect` shows a container's variables to all who may use the engine. So the values lie in
files, and a shell inside makes variables of them for Claude alone.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.plan.contribution import Contribution, Hidden
from pinnace_core.container import Mount
from pinnace_core.errors import CannotWriteError
from pinnace_core.files import make_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from pinnace.config import Settings
    from pinnace_core.container import ContainerSpec

INSIDE: Final = "/run/pinnace/secrets"
_LOCK_SUFFIX: Final = ".lock"
_OF_OTHERS: Final = 0o077
# Built-ins only; `read` to the first NUL keeps newlines, also at the end.
_EXPORTER: Final = (
    f'for __pinnace_file in {INSIDE}/*; do IFS= read -r -d "" __pinnace_value <"$__pinnace_file"; '
    'export "${__pinnace_file##*/}=$__pinnace_value"; done; '
    'unset __pinnace_file __pinnace_value; exec "$@"'
)


def for_launch(
    settings: Settings, places: list[Path], *, owner: tuple[int, int] | None
) -> Contribution:
    """Sweep, then hand in what the settings' file of secrets holds.

    Raises:
        CannotReadError: there is no such file.
        BadSecretsError: it cannot be understood.
    """
    sweep(places)
    if not settings.secrets:
        return Contribution()
    from pinnace.agent import dotenv

    path = Path(settings.secrets)
    values = dotenv.load(path)
    found = additions(values, places[0], owner=owner, nonce=os.urandom(8).hex())
    return found._replace(notes=_notes(path))


def _notes(path: Path) -> tuple[str, ...]:
    """Warn of a file that is open to others; a pipe is its maker's."""
    if sys.platform == "win32":
        return ()
    try:
        mode = path.stat().st_mode
    except OSError:  # it was read; whatever it was, it is gone
        return ()
    exposed = stat.S_ISREG(mode) and mode & _OF_OTHERS
    return (f"others can read '{path}': chmod 600 it",) if exposed else ()


def additions(
    values: Mapping[str, str], place: Path, *, owner: tuple[int, int] | None, nonce: str
) -> Contribution:
    """Hand in `values`.

    Args:
        values: by name.
        place: the directory for what is private to a launch; made if it is not there.
        owner: who must own the files; None: this process's user.
        nonce: makes the directory's name unique.
    """
    if not values:
        return Contribution()
    directory, kept = place / nonce, dict(values)

    def during(_: ContainerSpec) -> AbstractContextManager[None]:
        return _written(directory, kept, owner)

    return Contribution(
        mounts=(Mount(str(directory), INSIDE, read_only=True),),
        wrapper=("/bin/bash", "-c", _EXPORTER, "pinnace"),
        withheld=tuple(sorted(values)),
        handed=Hidden(kept),
        during=(during,),
    )


def sweep(places: list[Path]) -> None:
    """Remove what launches left that were killed: nobody holds their locks any more."""
    for place in places:
        with suppress(OSError):
            for lock in place.glob(f"*{_LOCK_SUFFIX}"):
                with suppress(OSError):
                    _sweep_one(lock)
            place.rmdir()


def _sweep_one(lock: Path) -> None:
    if sys.platform == "win32":
        lock.unlink()  # refused while somebody has it open
        _remove(lock.with_suffix(""))
        return
    descriptor = os.open(lock, os.O_RDWR)
    try:
        if _lock(descriptor):
            _remove(lock.with_suffix(""))
            lock.unlink()
    finally:
        os.close(descriptor)


@contextmanager
def _written(
    directory: Path, values: Mapping[str, str], owner: tuple[int, int] | None
) -> Iterator[None]:
    make_directory(directory.parent, mode=0o700)
    lock = directory.with_name(f"{directory.name}{_LOCK_SUFFIX}")
    descriptor = _locked(lock)
    try:
        _write(directory, values, owner)
        yield
    finally:
        _remove(directory)
        os.close(descriptor)
        lock.unlink(missing_ok=True)
        with suppress(OSError):
            directory.parent.rmdir()


def _locked(lock: Path) -> int:
    """Make a lock and hold it, until the descriptor is closed or the process is gone."""
    for _ in range(100):
        make_directory(lock.parent, mode=0o700)
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            continue
        if _lock(descriptor) and os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)
    raise CannotWriteError(f"cannot hold '{lock}'", hint="see who else uses the directory")


def _lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _write(directory: Path, values: Mapping[str, str], owner: tuple[int, int] | None) -> None:
    try:
        directory.mkdir(mode=0o700)
        for name, value in values.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            descriptor = os.open(directory / name, flags, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(value.encode("utf-8", "surrogateescape"))
                if owner and sys.platform != "win32":
                    os.fchown(stream.fileno(), *owner)
        if owner and sys.platform != "win32":
            os.chown(directory, *owner)
    except OSError as error:
        raise CannotWriteError(
            f"cannot write secrets below '{directory.parent}': {error.strerror or error}",
            hint="free some space there, or make it writable",
        ) from error


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
