"""Where a gateway lies on the host: its configuration, its sockets, and who keeps it.

In the private directory of a user's launches, in memory where there is one:

    KEY.lock          held by who starts or removes it
    KEY/config/       all of its configuration, credentials included
    KEY/sockets/      made by the gateway, and what an agent's container needs to use them
    KEY/host/         sockets to services of the host
    KEY/launches/     a socket for who launches; agents have one of their own
    KEY/private/      what the gateway keeps to itself
    KEY/relays/NAME/  of a launch that no socket crosses into: see `relay`
    KEY/keeper.json   what the keeper goes by
    KEY/keeper.lock   held by the keeper as long as it lives
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Final

from pinnace_core.errors import CannotWriteError
from pinnace_core.files import write_atomic, write_over
from pinnace_core.locks import locked
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

LEASE: Final = "lease.sock"
LOGIN: Final = "login.json"
"""In the configuration: placeholders, for who has the real one in the directory that is mounted."""
KEY_LENGTH: Final = 16
_PATIENCE_SECONDS: Final = 2.0
# Longer than a start takes: one that is being made has no keeper yet.
_NEW_SECONDS: Final = 300


class Directory(NamedTuple):
    """The directory of a gateway.

    Attributes:
        root: absolute; named by the gateway's key.
    """

    root: Path

    @property
    def config(self) -> Path:
        """What the gateway reads."""
        return self.root / "config"

    @property
    def sockets(self) -> Path:
        """What agents' containers see."""
        return self.root / "sockets"

    @property
    def host(self) -> Path:
        """Sockets to services of the host."""
        return self.root / "host"

    @property
    def launches(self) -> Path:
        """Where who launches says that the gateway is used; no agent can hold all of its places."""
        return self.root / "launches"

    def relay(self, launch: str) -> Path:
        """Return the directory of a launch's relay."""
        return self.root / "relays" / launch

    @property
    def private(self) -> Path:
        """What the gateway keeps to itself."""
        return self.root / "private"

    @property
    def job(self) -> Path:
        """What the keeper goes by."""
        return self.root / "keeper.json"

    @property
    def lock(self) -> Path:
        """Held by who starts or removes it."""
        return self.root.with_name(f"{self.root.name}.lock")

    @property
    def keeper(self) -> Path:
        """Locked by the keeper."""
        return self.root / "keeper.lock"

    def is_kept(self) -> bool:
        """Return whether a keeper lives."""
        try:
            descriptor = os.open(self.keeper, os.O_RDWR)
        except PermissionError:
            return True  # Another user's, in whose name root was here.
        except OSError:
            return False
        try:
            return not locked(descriptor, shared=True)
        finally:
            os.close(descriptor)

    def lease(self) -> AbstractContextManager[object] | None:
        """Say that the gateway is used, as long as the result is open; None if it does not answer.

        It sends back what it is sent: that it accepts alone would be the kernel's doing.
        """
        # What `socket` wraps: importing the wrapper costs every launch 4 ms.
        import _socket

        connection = _socket.socket(_socket.AF_UNIX)
        connection.settimeout(_PATIENCE_SECONDS)
        try:
            with short(self.launches) as place:
                connection.connect(f"{place}/{LEASE}")
            connection.sendall(b"?")
            if connection.recv(1) == b"?":
                return contextlib.closing(connection)
        except OSError:
            pass
        connection.close()
        return None

    def allow(self, rules: bytes) -> None:
        """Let these be what is allowed, from the next question on; also where no room is left.

        Raises:
            CannotWriteError: they cannot be written; if there is no room, nothing is allowed.
        """
        try:
            self._change("allow", rules)
        except CannotWriteError:
            _write_without_room(self.config / "allow", rules)

    def show(self, credentials: bytes) -> None:
        """Let these be the credentials that change, in a moment.

        Raises:
            CannotWriteError: they cannot be written.
        """
        self._change("credentials", credentials)

    def show_login(self, placeholders: bytes) -> None:
        """Let containers see this in place of a login, from the next one on.

        Raises:
            CannotWriteError: it cannot be written.
        """
        self._change(LOGIN, placeholders)

    def _change(self, name: str, data: bytes) -> None:
        path = self.config / name
        try:
            if path.read_bytes() != data:
                write_atomic(path, data, exact=True)
        except FileNotFoundError:
            return  # It ended meanwhile.


def _write_without_room(path: Path, rules: bytes) -> None:
    """Write a list over the one that is there, whose room may be enough; else leave none."""
    try:
        write_over(path, rules)
    except CannotWriteError:
        with contextlib.suppress(OSError):
            os.truncate(path, 0)
        raise


def abandoned(place: Path) -> Iterator[Directory]:
    """Find what a keeper that was killed has left, keys included; nothing of it is in use.

    Args:
        place: the directory that gateways lie in.
    """
    for root in place.glob("?" * KEY_LENGTH):
        found = Directory(root)
        with contextlib.suppress(OSError):
            is_new = time.time() - root.stat().st_mtime < _NEW_SECONDS
            if not is_new and not found.is_kept() and found.lease() is None:
                yield found


def sweep(place: Path) -> None:
    """Remove what is abandoned."""
    import shutil

    for found in abandoned(place):
        shutil.rmtree(found.root, ignore_errors=True)


@contextlib.contextmanager
def short(directory: Path) -> Iterator[str]:
    """Give a path of a directory that fits into the name of a socket, which the kernel bounds."""
    if sys.platform != "linux":
        yield str(directory)
        return
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
