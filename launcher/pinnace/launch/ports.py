"""Ports of a running launch on this machine's loopback: a dev server inside, a browser here.

Each connection is carried by a command inside, through the engine: so it reaches what listens on
the container's own loopback, in a container without a network, too, and in a virtual machine. No
socket or file that Claude could put something else in the place of is opened for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Final

from pinnace_core.container import Execution
from pinnace_core.errors import PortTakenError, UsageError
from pinnace_core.streams import pump
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Iterable, Iterator, Mapping

    from pinnace_core.engine import Engine

_HIGHEST: Final = 65535
_LOOPBACK: Final = "127.0.0.1"


class Forward(NamedTuple):
    """A port that is opened.

    Attributes:
        outside: on this machine's loopback.
        inside: that it leads to.
    """

    outside: int
    inside: int


def parse(text: str) -> Forward:
    """Read `PORT`, or `OUTSIDE:INSIDE`.

    Raises:
        UsageError: it is neither.
    """
    outside, colon, inside = text.partition(":")
    numbers = (outside, inside if colon else outside)
    if not all(n.isascii() and n.isdigit() and 0 < int(n) <= _HIGHEST for n in numbers):
        raise UsageError(f"'{text}' is no port", hint="write 3000, or 8080:3000 (here:inside)")
    return Forward(*map(int, numbers))


def listen(forward: Forward) -> socket.socket:
    """Listen here.

    Raises:
        PortTakenError: somebody else does, or may not.
    """
    try:
        return socket.create_server((_LOOPBACK, forward.outside))
    except OSError as error:
        raise PortTakenError(
            f"port {forward.outside} of this machine cannot be opened: {error.strerror or error}",
            hint=f"take another one: {forward.outside + 1}:{forward.inside}",
        ) from error


def command(engine: Engine, container: str, forward: Forward) -> list[str]:
    """Spell what carries one connection, on its standard input and output."""
    # A second after one side has closed: that a server ends an idle connection, as Node does after
    # five, is only seen here when this ends, and what a browser asks until then is lost.
    inside = ("socat", "-t1", "-", f"TCP:localhost:{forward.inside}")
    return engine.exec_argv(Execution(container, inside, interactive=True, tty=False))


async def serve(servers: Mapping[socket.socket, list[str]]) -> None:
    """Carry connections for ever.

    Args:
        servers: what listens, and the command that carries its connections.
    """
    async with contextlib.AsyncExitStack() as stack:
        for listening, argv in servers.items():
            server = await asyncio.start_server(_Carrier(argv), sock=listening)
            await stack.enter_async_context(server)
        await asyncio.Event().wait()


class _Carrier:
    """Carries connections by a command each."""

    def __init__(self, argv: list[str]) -> None:
        self._argv = argv

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None:
        pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *self._argv, stdin=pipe, stdout=pipe, stderr=nowhere
        )
        assert process.stdin is not None  # noqa: S101 (a pipe)
        assert process.stdout is not None  # noqa: S101 (likewise)
        there = asyncio.create_task(pump(reader, process.stdin))
        try:
            await pump(process.stdout, writer)
        finally:
            there.cancel()
            writer.close()
            # One that has said all ends by itself. To kill it would race asyncio for its exit code.
            if not process.stdout.at_eof():
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await process.wait()


@contextlib.contextmanager
def opened(engine: Engine, container: str, forwards: Iterable[Forward]) -> Iterator[None]:
    """Open ports while a launch runs, by a process of its own.

    Raises:
        PortTakenError: one of them cannot be opened.
    """
    import subprocess

    with contextlib.ExitStack() as stack:
        servers = {stack.enter_context(listen(f)): command(engine, container, f) for f in forwards}
        job = {server.fileno(): argv for server, argv in servers.items()}
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "pinnace.launch.ports", json.dumps(job)],
            # Never written to: it ends when this launch does, whatever ends that.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=os.sep,
            pass_fds=list(job),
            start_new_session=True,
        )
    try:
        yield
    finally:
        child.communicate()


async def _serve_while_wanted(servers: Mapping[socket.socket, list[str]]) -> None:
    """Carry connections until whoever started this ends."""
    serving = asyncio.create_task(serve(servers))
    await asyncio.to_thread(sys.stdin.buffer.read)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


def main() -> None:
    """Carry connections: of open files, by the commands that the argument gives."""
    job = json.loads(sys.argv[1])
    servers = {socket.socket(fileno=int(number)): argv for number, argv in job.items()}
    asyncio.run(_serve_while_wanted(servers))


if __name__ == "__main__":
    main()
