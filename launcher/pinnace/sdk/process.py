"""A launch as a process that a program holds: prepared, started, talked to, ended.

    async with launched(RunRequest(("-p", "--output-format", "stream-json")), facts) as process:
        await process.send(b"what is 6 times 7?")
        await process.close_stdin()
        async for chunk in process.stdout:
            ...
        code = await process.wait()

What ends is the container. It ends with the block, whatever ends that: an error, a cancelled
scope, `task.cancel()`, once or again, Ctrl-C, a generator that is closed. It ends as well if the
loop never runs again, if the interpreter exits, or if this process is killed.

The work of a launch is done by threads of its own, never by the loop's: see `launch.running`.
"""

from __future__ import annotations

import logging
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from anyio.abc import ByteReceiveStream
from anyio.lowlevel import checkpoint

from pinnace.launch.prepare import prepared, read
from pinnace.launch.running import GRACE_SECONDS, HURRIED, Running
from pinnace.sdk.lines import Lines
from pinnace.sdk.waiting import through, until
from pinnace_core.errors import PlatformUnsupportedError, UsageError

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from pinnace.launch.prepare import Prepared
    from pinnace.request import RunRequest
    from pinnace_core.host import HostFacts

_LOG: Final = logging.getLogger("pinnace")
# What was asked for is ended within its own deadlines; this is for what comes around it. Work that
# cannot be broken off, such as a build, ends by itself, later, and starts nothing any more.
_UNSTARTED_SECONDS: Final = 10.0
_RELEASE_SECONDS: Final = 60.0


@asynccontextmanager
async def launched(
    request: RunRequest, facts: HostFacts, *, stderr: Callable[[str], object] | None = None
) -> AsyncIterator[Process]:
    """Launch as `pinnace run` does, without a terminal; end it with the block.

    Where the block ends without an error and the process goes on, it is stopped as by `stop()`;
    after an error or a cancellation it has two seconds for SIGTERM, and is then removed.

    Args:
        request: what is asked for: Claude's arguments, version, settings by their names. It may not
            be a dry run.
        facts: of the host, as `HostFacts.detect()` reads them. `cwd` decides on the project, and
            `environment` on what Claude gets; the engine is this process's own (DOCKER_HOST).
        stderr: is called with each line of standard error as it comes, without its end, in the loop
            that runs this; it may not wait. What it raises is logged.

    Yields:
        The process, as soon as the engine's client was started: the container may not run yet.

    Raises:
        PinnaceError: any of its kinds, before anything was started.
    """
    require_platform()
    if request.dry_run or request.help:
        raise UsageError("a dry run starts nothing", hint="ask for the command: pinnace --dry-run")
    alone = facts._replace(stdin_tty=False, stdout_tty=False)
    errors = Lines(stderr).take if stderr else None
    running = Running(partial(prepare, request, alone), _LOG.info, errors)
    graces, is_started = HURRIED, False
    try:
        await until(running.started)
        is_started = True
        yield Process(running)
        graces = (GRACE_SECONDS, GRACE_SECONDS)
    finally:
        # First of all, and without a pause: the loop may never run again.
        running.end(graces)
        seconds = sum(graces) + _RELEASE_SECONDS if is_started else _UNSTARTED_SECONDS
        try:
            await through(running.over, seconds=seconds)
        finally:
            _close(running.stream)


def require_platform() -> None:
    """See that this is a system that programs can launch on.

    Raises:
        PlatformUnsupportedError: it is not.
    """
    if sys.platform == "win32":
        raise PlatformUnsupportedError(
            "programs cannot launch on Windows itself",
            hint="run the program in WSL 2",
        )


def prepare(request: RunRequest, facts: HostFacts) -> Prepared:
    """Read, and prepare; as `launch.prepare` does."""
    return prepared(read(request, facts))


def _close(stream: socket.socket) -> None:
    if stream.fileno() >= 0:
        # Whoever still waits for it is told.
        anyio.notify_closing(stream)
        stream.close()


class Process:
    """Claude, in its container, as seen from outside.

    All of it can be used by several tasks at once, but for `stdout`, which has one reader.

    Attributes:
        stdout: what Claude writes, as a stream of bytes in chunks of any size. Nothing is read
            before it is asked for, but what fits into the buffers of the system: a reader that is
            slow makes Claude wait. It ends when the process has.
    """

    def __init__(self, running: Running) -> None:
        """Take over what was started."""
        self._running = running
        self._sending = anyio.Lock()
        self._is_closed = False
        self.stdout: ByteReceiveStream = _Output(running.stream)

    @property
    def name(self) -> str:
        """The container's: for `docker exec`, `pinnace ps`, `pinnace logs`."""
        return self._running.prepared.plan.spec.name

    @property
    def image(self) -> str:
        """The id of its image, which was verified."""
        return self._running.prepared.image.id

    @property
    def cli_version(self) -> str:
        """The version of the CLI in it, as was verified."""
        return str(self._running.prepared.version)

    @property
    def notes(self) -> tuple[str, ...]:
        """What `pinnace run` would have said on stderr; the logger `pinnace` gets it, too (INFO).

        More may come until the block has ended: what the gateway refused, what waits for a review.
        """
        return tuple(self._running.notes)

    @property
    def pid(self) -> int:
        """Of the engine's client, on this host; the leader of a session of its own."""
        return self._running.pid

    @property
    def stderr_tail(self) -> bytes:
        """The last 64 KiB of standard error. All of it is read, whether this is asked for or not.

        It is complete when `wait` has returned.
        """
        return self._running.stderr_tail

    @property
    def returncode(self) -> int | None:
        """The exit code; None while it runs."""
        exited = self._running.exited
        return exited.result() if exited.done() and exited.exception() is None else None

    async def send(self, data: bytes) -> None:
        """Write to standard input; return when the system has taken all of it.

        One task at a time: what several tasks send is not mixed. Where this is cancelled, a part
        may have been written.

        Raises:
            anyio.ClosedResourceError: standard input was closed here.
            anyio.BrokenResourceError: nobody reads it any more: the process has ended.
        """
        async with self._sending:
            await checkpoint()
            rest = memoryview(data)
            while rest:
                if self._is_closed:
                    raise anyio.ClosedResourceError
                try:
                    rest = rest[self._running.stream.send(rest) :]
                except BlockingIOError:
                    await anyio.wait_writable(self._running.stream)
                except OSError as error:
                    raise self._broken() from error

    def _broken(self) -> Exception:
        return anyio.ClosedResourceError() if self._is_closed else anyio.BrokenResourceError()

    async def close_stdin(self) -> None:
        """Tell Claude that nothing more comes; of no effect the second time."""
        await checkpoint()
        self._is_closed = True
        self._running.close_input()

    async def wait(self) -> int:
        """Wait for the end; return the exit code: 128 + N for the end by signal N.

        The container is gone then. Where standard output is not read, Claude may never end.

        Raises:
            PinnaceError: what keeps the launch failed while it ran; it was ended.
        """
        return await until(self._running.exited)

    async def stop(self, grace: float = GRACE_SECONDS) -> int:
        """End it, and return the exit code; of no effect if it has ended.

        Standard input is closed; if that does not end it within `grace` seconds, SIGTERM is sent to
        Claude; if that does not within as many, the container is removed, which takes 20 at most.
        What it writes meanwhile is still to be read: it may have to be, for Claude to end.

        Args:
            grace: in seconds. Of several calls, the shortest counts.
        """
        self._is_closed = True
        self._running.end((grace, grace))
        return await self.wait()


class _Output(ByteReceiveStream):
    """The client's standard output."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await checkpoint()
        while True:
            try:
                data = self._stream.recv(max_bytes)
            except BlockingIOError:
                await anyio.wait_readable(self._stream)
                continue
            except ConnectionResetError:
                # What was sent to it was not read to its end.
                data = b""
            except OSError as error:
                raise anyio.ClosedResourceError from error
            if not data:
                raise anyio.EndOfStream
            return data

    async def aclose(self) -> None:
        """Leave it: it is closed with the launch."""
        await checkpoint()
