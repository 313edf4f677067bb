"""A launch that runs for a program: what it holds, and how it ends, whatever becomes of the holder.

Each has a thread of its own, which prepares it, has ready what it needs, waits for its end, and
releases all of that: so nothing is left where an event loop, a task or a generator is gone before
it could tidy up. Another thread ends it, if it is to be ended. No signal handler is touched.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pinnace.launch import guardian, living
from pinnace.launch.ending import Container, Ending
from pinnace.launch.ready import explain, ready
from pinnace_core import console, search_path
from pinnace_core.engine import named
from pinnace_core.errors import LaunchEndedError, PinnaceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinnace.launch.prepare import Prepared
    from pinnace.launch.ready import Ready

_CHUNK: Final = 1 << 16
_TAIL_BYTES: Final = 1 << 16
_KILLED_BY: Final = 128
_TERM: Final = 15
_REFUSED: Final = 125
_KILLED: Final = 137
# What becomes of a program whose exit code nobody can tell is an error of ours.
_UNKNOWN: Final = 70
GRACE_SECONDS: Final = 5.0
"""How long it may take to end by itself, and once more at SIGTERM."""
HURRIED: Final = (0.0, 2.0)
"""Likewise, where whoever holds it has failed, or was cancelled: not at all, and two seconds."""


class Running:
    """A launch from the moment that it is wanted; all of it can be called from any thread.

    Attributes:
        started: is done when the client was started; fails as the launch does.
        exited: is done with the exit code: the container is gone.
        over: is done when all is released; never fails.
        notes: what the user should know; a line each, more may come.
        stream: this end of the client's standard input and output, once it was started: written
            to, and read. Its owner closes it.
    """

    def __init__(
        self,
        prepare: Callable[[], Prepared],
        listener: Callable[[str], object],
        errors: Callable[[bytes], object] | None = None,
        *,
        at_terminal: bool = False,
    ) -> None:
        """Begin.

        Args:
            prepare: gives what is launched; run by the launch's own thread.
            listener: is given each note, by a thread of the launch's.
            errors: is given what comes on standard error, likewise; nothing, in the end. It may
                not raise.
            at_terminal: this process's own terminal is the client's; nothing comes by `stream`.
        """
        self._at_terminal = at_terminal
        self.started: Future[None] = Future()
        self.exited: Future[int] = Future()
        self.over: Future[None] = Future()
        self.notes: list[str] = []
        self._prepare, self._listener = prepare, listener
        self._child: subprocess.Popen[bytes] | None = None
        self._prepared: Prepared | None = None
        self._tail = _Tail(errors or _unheard)
        self._ending = Ending(self.exited, self.close_input, self._kill)
        # Not pipes: only of a socket can the end be told to whoever has a copy of it, as processes
        # have that a program makes by `fork`.
        self.stream, self._far = socket.socketpair()
        self._errors, self._far_errors = socket.socketpair()
        self.stream.setblocking(False)  # noqa: FBT003 (its only argument)
        living.note(self)
        threading.Thread(target=self._run, name="pinnace launch", daemon=True).start()

    # What it is, once it was started.

    @property
    def prepared(self) -> Prepared:
        """What was decided."""
        assert self._prepared is not None  # noqa: S101 (it was started)
        return self._prepared

    @property
    def pid(self) -> int:
        """Of the engine's client."""
        assert self._child is not None  # noqa: S101 (it was started)
        return self._child.pid

    @property
    def stderr_tail(self) -> bytes:
        """The last of what was written to standard error; all of it is read, whoever asks."""
        return self._tail.content()

    def close_input(self) -> None:
        """Tell Claude that nothing more comes; of no effect the second time."""
        with suppress(OSError):
            self.stream.shutdown(socket.SHUT_WR)

    def end(self, graces: tuple[float, float]) -> None:
        """Have it ended, and return at once: `exited` and `over` tell when it has.

        Its input is closed; after a while SIGTERM is sent inside; after another one, it is removed.
        What was not started yet is not started.

        Args:
            graces: these whiles, in seconds; where it is asked more than once, the shortest count.
        """
        self._ending.ask(graces)

    def let_go(self) -> None:
        """Close what a copy of this process, made by `fork`, has of it: the launch is not its."""
        for end in (self.stream, self._far, self._errors, self._far_errors):
            with suppress(OSError):
                end.close()

    # Its own thread.

    def _run(self) -> None:
        try:
            with search_path.borrowed():
                self._begin()
        finally:
            living.forget(self)
            self.over.set_result(None)

    def _begin(self) -> None:
        try:
            with console.collected(self._note):
                self._launch()
        except BaseException as error:  # noqa: BLE001 (whoever holds it gets it)
            self._fail(error)
        finally:
            self._fail(LaunchEndedError("the launch was ended before it began"))
            self._ending.join()

    def _fail(self, error: BaseException) -> None:
        self._hang_up()
        for future in (self.started, self.exited):
            if not future.done():
                future.set_exception(error)

    def _note(self, text: str) -> None:
        note = text.removeprefix("pinnace: ")
        self.notes.append(note)
        self._listener(note)

    def _launch(self) -> None:
        self._ending.require_not_asked()
        self._prepared = self._prepare()
        self._ending.require_not_asked()
        with guardian.present(), ready(self._prepared) as launch:
            code = self._run_client(launch)
            launch.outcome.code = code
            self._explain(code)
            self.exited.set_result(code)

    def _run_client(self, launch: Ready) -> int:
        """Run the client to its end; return the exit code, once the container is gone."""
        drain = threading.Thread(target=self._tail.fill, args=(self._errors,), daemon=True)
        child = self._start(launch)
        code = _UNKNOWN
        try:
            drain.start()
            launch.begin()
            self.started.set_result(None)
            code = _waited(child)
        finally:
            if code < 0 or code in {_REFUSED, _KILLED, _UNKNOWN}:
                # It was the client that died, or the engine that refused: somebody has to look.
                child.kill()
                launch.outcome.is_gone = self._container.remove_twice()
            launch.finish()
            self._hang_up()
        drain.join()
        if code < 0:
            return _KILLED_BY - code
        # Ended in print mode, Claude may exit with 0, as if the work had been done.
        return _KILLED_BY + _TERM if self._ending.is_by_force and code == 0 else code

    def _start(self, launch: Ready) -> subprocess.Popen[bytes]:
        far, errors = self._far.fileno(), self._far_errors.fileno()
        alone = not self._at_terminal
        with self._ending.beginning(self._container):
            try:
                self._child = subprocess.Popen(
                    launch.argv,
                    env=launch.environment,
                    stdin=far if alone else None,
                    stdout=far if alone else None,
                    stderr=errors if alone else None,
                    # Nothing that a terminal sends reaches it behind our back.
                    start_new_session=alone,
                )
            except (FileNotFoundError, PermissionError):
                raise named(launch.argv[0]).missing_client from None
            return self._child

    @property
    def _container(self) -> Container:
        return Container(self.prepared.here.engine, self.prepared.plan.spec.name)

    def _hang_up(self) -> None:
        """End our own reading, even where a copy of this process has the other end, too."""
        for end in (self._far, self._far_errors):
            with suppress(OSError):
                end.shutdown(socket.SHUT_WR)
            end.close()
        if self.started.done() and self.started.exception() is None:
            return
        for end in (self.stream, self._errors):
            end.close()

    def _explain(self, code: int) -> None:
        try:
            explain(code, self.prepared.here, self.prepared.image)
        except PinnaceError as error:
            self._note(error.message)

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()


class _Tail:
    """The last bytes of a stream that is read to its end."""

    def __init__(self, listener: Callable[[bytes], object]) -> None:
        self._listener = listener
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._lock = threading.Lock()

    def fill(self, stream: socket.socket) -> None:
        with stream:
            while data := stream.recv(_CHUNK):
                with self._lock:
                    self._chunks.append(data)
                    self._size += len(data)
                    while self._size - len(self._chunks[0]) >= _TAIL_BYTES:
                        self._size -= len(self._chunks.popleft())
                self._listener(data)
        self._listener(b"")

    def content(self) -> bytes:
        with self._lock:
            return b"".join(self._chunks)[-_TAIL_BYTES:]


def _unheard(_: bytes) -> None:
    """Do nothing with what nobody wants to hear."""


def _waited(child: subprocess.Popen[bytes]) -> int:
    """Wait for a child; return its exit code, negative for a signal.

    Where a program has its children buried by somebody else, nobody can tell: that is no success.
    """
    try:
        _, status = os.waitpid(child.pid, 0)
    except ChildProcessError:
        child.returncode = _UNKNOWN
    else:
        child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode
