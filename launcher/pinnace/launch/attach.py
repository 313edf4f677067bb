"""Attach this terminal to that of a detached launch."""

from __future__ import annotations

import os
import selectors
import signal
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from pinnace.launch.keeping import HEADER, RESIZED, SIZE, SOCKET, TYPED
from pinnace_core.errors import LaunchMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.launch.jobs import Job

# Ctrl-\, by which one leaves: what runs inside hardly has a use for it.
_LEAVE: Final = b"\x1c"
_CHUNK: Final = 1 << 14
# Turns off what a program may have left on: mouse, pasting, other keys, a hidden cursor, colours.
_PLAIN: Final = (
    b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l"
    b"\x1b[>4m\x1b[<u\x1b[?1049l\x1b[?25h\x1b[0m\r\n"
)


def attach(job: Job) -> bool:
    """Attach until it ends, or is left; return whether it has ended.

    Raises:
        LaunchMissingError: nobody serves its terminal.
    """
    with _connected(job) as connection, _raw(), _resizes() as resized:
        _send_size(connection)
        try:
            return _pass_on(connection, resized)
        finally:
            os.write(1, _PLAIN)


def _pass_on(connection: socket.socket, resized: int) -> bool:
    with selectors.DefaultSelector() as selector:
        for source in (0, resized, connection.fileno()):
            selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == resized:
                    os.read(resized, _CHUNK)
                    _send_size(connection)
                    continue
                data = os.read(key.fd, _CHUNK) if key.fd == 0 else _received(connection)
                if not data:
                    return key.fd != 0
                if key.fd == 0 and not _type(connection, data):
                    return False
                if key.fd != 0:
                    _write(data)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(_CHUNK)
    except OSError:
        return b""


def _type(connection: socket.socket, data: bytes) -> bool:
    """Pass on what was typed; return whether to stay."""
    before, leave, _ = data.partition(_LEAVE)
    with suppress(OSError):
        if before:
            connection.sendall(HEADER.pack(TYPED, len(before)) + before)
    return not leave


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def _send_size(connection: socket.socket) -> None:
    size = os.get_terminal_size(1)
    with suppress(OSError):
        content = SIZE.pack(size.columns, size.lines)
        connection.sendall(HEADER.pack(RESIZED, len(content)) + content)


@contextmanager
def _connected(job: Job) -> Iterator[socket.socket]:
    # A socket's path must not be long.
    with socket.socket(socket.AF_UNIX) as connection:
        here = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.chdir(job.place)
            connection.connect(SOCKET)
        except OSError:
            raise LaunchMissingError(
                f"nobody serves the terminal of '{job.name}'",
                hint=f"what it printed: pinnace logs {job.name}",
            ) from None
        finally:
            os.fchdir(here)
            os.close(here)
        yield connection


@contextmanager
def _raw() -> Iterator[None]:
    """Let each key pass as it is."""
    import termios
    import tty

    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def _resizes() -> Iterator[int]:
    """Give a descriptor that can be read when the terminal has another size."""
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    before = signal.signal(signal.SIGWINCH, lambda *_: None)
    wakeup = signal.set_wakeup_fd(sink, warn_on_full_buffer=False)
    try:
        yield source
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGWINCH, before)
        os.close(source)
        os.close(sink)
