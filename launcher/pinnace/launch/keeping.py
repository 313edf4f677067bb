"""The streams of a detached launch: pipes into files, or a terminal that others attach to.

Whoever attaches connects to a socket. To them go the terminal's bytes, the last ones first; from
them come frames: a byte that says what it is, two of length, and so many: `I` is what was typed,
`R` the size of their terminal.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import struct
import subprocess
from collections import deque
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, Self

from pinnace.launch.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pinnace.launch.jobs import Job

SOCKET: Final = "socket"
HEADER: Final = struct.Struct("!cH")
SIZE: Final = struct.Struct("!HH")
TYPED: Final = b"I"
RESIZED: Final = b"R"
_CHUNK: Final = 1 << 16
# Columns and rows, until somebody attaches.
_USUAL: Final = (120, 40)
# So much of what came before is shown to who attaches; and so much may wait for who does not read.
_SCROLL_BACK: Final = 256 << 10
_MOST_WAITING: Final = 4 << 20
_POLL_SECONDS: Final = 0.5


class Pipes:
    """What Claude prints, into files."""

    def __init__(self, job: Job, errors: Kept) -> None:
        """Keep output beside errors."""
        self._errors = errors
        self._output = Kept(job.place / "output")

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the file."""
        self._output.close()

    def start(self, argv: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start the client; its input is this process's own."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            argv, env=environment, stdout=pipe, stderr=pipe, start_new_session=True, bufsize=0
        )

    def keep(self, child: subprocess.Popen[bytes]) -> None:
        """Keep what it prints, to its end."""
        with selectors.DefaultSelector() as selector:
            for stream, write in ((child.stdout, self._write), (child.stderr, self._errors.write)):
                assert stream is not None  # noqa: S101 (a pipe)
                selector.register(stream, selectors.EVENT_READ, write)
            while selector.get_map():
                for key, _ in selector.select():
                    data = os.read(key.fd, _CHUNK)
                    key.data(data)
                    if not data:
                        selector.unregister(key.fileobj)

    def _write(self, data: bytes) -> None:
        self._output.write(data)
        # Of a prompt with a schema, somebody compares it; else this is nobody.
        with suppress(OSError):
            while data:
                data = data[os.write(1, data) :]


class Terminal:
    """A terminal of Claude's own, into a file and to all who are attached."""

    def __init__(self, job: Job, _errors: Kept) -> None:
        """Make it, and a socket to attach to."""
        import pty

        self._output = Kept(job.place / "output")
        self._recent, self._typed = _Recent(), bytearray()
        self._stack = ExitStack()
        self._child: subprocess.Popen[bytes] | None = None
        self._master, self._slave = pty.openpty()
        os.set_blocking(self._master, False)
        self._resize(*_USUAL)
        self._listener = _listening(job)
        self._stack.callback(os.close, self._master)
        self._stack.callback(self._listener.close)
        self._stack.callback(self._output.close)
        self._selector = self._stack.enter_context(selectors.DefaultSelector())
        self._attached: list[_Attached] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let all go who are attached."""
        for one in self._attached:
            one.close()
        self._stack.close()

    def start(self, argv: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start the client in the terminal."""
        slave = self._slave
        variables = {"TERM": "xterm-256color", **environment}
        self._child = subprocess.Popen(
            argv, env=variables, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        return self._child

    def keep(self, child: subprocess.Popen[bytes]) -> None:
        """Serve all who attach, to its end."""
        register = self._selector.register
        register(self._master, selectors.EVENT_READ, self._pass_on)
        register(self._listener, selectors.EVENT_READ, self._accept)
        while self._master in self._selector.get_map():
            ready = self._selector.select(_POLL_SECONDS)
            for key, _ in ready:
                key.data()
            if not ready and child.poll() is not None:
                return

    def _pass_on(self) -> None:
        """Pass on what can be, in either direction, and wait for neither.

        A client that takes nothing before somebody reads what it prints would wait for ever.
        """
        self._type()
        self._print()

    def _type(self) -> None:
        try:
            while self._typed:
                del self._typed[: os.write(self._master, self._typed)]
        except BlockingIOError:
            pass
        except OSError:  # nobody has the other side any more
            self._typed.clear()
        if self._master in self._selector.get_map():
            wanted = selectors.EVENT_WRITE if self._typed else 0
            self._selector.modify(self._master, selectors.EVENT_READ | wanted, self._pass_on)

    def _print(self) -> None:
        try:
            data = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # nobody has the other side any more
            data = b""
        if not data:
            self._selector.unregister(self._master)
            return
        self._output.write(data)
        self._recent.add(data)
        for one in list(self._attached):
            one.send(data)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            # Whoever it was has gone again, or no more files can be opened: Claude goes on.
            return
        one = _Attached(connection, self._selector, self._act, self._attached.remove)
        self._attached.append(one)
        one.send(self._recent.content())

    def _act(self, kind: bytes, data: bytes) -> None:
        if kind == TYPED and len(self._typed) < _MOST_WAITING:
            self._typed += data
            self._type()
        elif kind == RESIZED and len(data) == SIZE.size:
            columns, rows = SIZE.unpack(data)
            # Twice, so that also one of the same size draws all of it again.
            self._resize(columns, max(1, rows - 1))
            self._resize(columns, rows)

    def _resize(self, columns: int, rows: int) -> None:
        import fcntl
        import termios

        size = struct.pack("HHHH", rows, columns, 0, 0)
        with suppress(OSError):
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)
        # It has no controlling terminal, so the kernel tells it nothing.
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGWINCH)


class _Recent:
    """The last bytes of a terminal."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        while self._size - len(self._pieces[0]) > _SCROLL_BACK:
            self._size -= len(self._pieces.popleft())

    def content(self) -> bytes:
        return b"".join(self._pieces)


class _Attached:
    """The connection of somebody who is attached; one that does not read in time is dropped."""

    def __init__(
        self,
        connection: socket.socket,
        selector: selectors.BaseSelector,
        act: Callable[[bytes, bytes], None],
        gone: Callable[[_Attached], None],
    ) -> None:
        connection.setblocking(False)  # noqa: FBT003 (its only argument)
        self._connection, self._selector = connection, selector
        self._act, self._gone = act, gone
        self._waiting, self._received = bytearray(), bytearray()
        selector.register(connection, selectors.EVENT_READ, self._serve)

    def send(self, data: bytes) -> None:
        self._waiting += data
        self._flush()

    def close(self) -> None:
        self._connection.settimeout(1)
        with suppress(OSError):
            self._connection.sendall(self._waiting)
        self._connection.close()

    def _serve(self) -> None:
        self._flush()
        try:
            data = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave()
            return
        self._received += data
        while len(self._received) >= HEADER.size:
            kind, size = HEADER.unpack_from(self._received)
            if len(self._received) < HEADER.size + size:
                return
            content = bytes(self._received[HEADER.size : HEADER.size + size])
            del self._received[: HEADER.size + size]
            self._act(kind, content)

    def _flush(self) -> None:
        if self._connection.fileno() < 0:
            return
        try:
            while self._waiting:
                del self._waiting[: self._connection.send(self._waiting)]
        except BlockingIOError:
            pass
        except OSError:
            self._leave()
            return
        if len(self._waiting) > _MOST_WAITING:
            self._leave()
            return
        wanted = selectors.EVENT_WRITE if self._waiting else 0
        self._selector.modify(self._connection, selectors.EVENT_READ | wanted, self._serve)

    def _leave(self) -> None:
        if self._connection.fileno() >= 0:
            self._selector.unregister(self._connection)
            self._connection.close()
            self._gone(self)


def _listening(job: Job) -> socket.socket:
    """Listen in a job's directory, however long its path is: a socket's must not be."""
    listener = socket.socket(socket.AF_UNIX)
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(job.place)
        with suppress(FileNotFoundError):
            os.unlink(SOCKET)  # noqa: PTH108 (relative to a directory)
        listener.bind(SOCKET)
        listener.listen()
    finally:
        os.fchdir(here)
        os.close(here)
    return listener
