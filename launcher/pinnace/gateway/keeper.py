"""The keeper: a process of the user's that runs one gateway, and starts it again if it dies.

It ends when the gateway does because nobody uses it; then what the gateway read is removed. As long
as it lives, it carries connections on to services that listen on the host's loopback only: a
container does not reach them.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.gateway import changing
from pinnace.gateway.directory import Directory, short
from pinnace_core import console
from pinnace_core.errors import CannotWriteError
from pinnace_core.locks import file_lock, locked
from pinnace_core.streams import pump

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_ATTEMPTS: Final = 20
_BEAT_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0
_STEADY_SECONDS: Final = 30.0
# As many as HAProxy lets in.
_MOST_CONNECTIONS: Final = 4000
# For programs that are started, files that are read, and those that Python has open.
_SPARE_FILES: Final = 64


async def keep(directory: Directory) -> int:
    """Keep the gateway until nobody uses it, or SIGTERM, and remove what it read.

    Returns:
        0, or a code if it does not run.
    """
    job = json.loads(directory.job.read_bytes())
    told = asyncio.Event()
    # Windows has no such signal: there it ends the process at once.
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    room = asyncio.Semaphore(_room())
    async with AsyncExitStack() as stack:
        for name, target in job["services"].items():
            service = _service(directory, name, (target[0], target[1]), room)
            await stack.enter_async_context(service)
        running = asyncio.create_task(_run(job, told))
        removing = asyncio.create_task(_removed_when(told, job["remove"]))
        renewing = asyncio.create_task(_credentials(directory, changing.Job(*job["credentials"])))
        code = await running
        removing.cancel()
        renewing.cancel()
        for command in job["clean"]:
            await _ended(command)
    # Here, where another SIGTERM does no harm: it would leave keys behind.
    _remove(directory)
    return 0 if told.is_set() else code


async def _credentials(directory: Directory, job: changing.Job) -> None:
    """Keep the credentials current that change."""
    if not (job.login or job.helper):
        return
    trusted = (directory.config / "extra.pem").read_bytes()
    source = changing.Source(job, trusted, console.stderr)
    while True:
        # In a thread that is not cut off half way, and that this process waits for in the end: an
        # answer that nobody keeps would be the end of a login.
        current = await asyncio.to_thread(source.current)
        if current is not None:
            with suppress(CannotWriteError, OSError):
                directory.show(current)
        await asyncio.sleep(_BEAT_SECONDS)


async def _removed_when(told: asyncio.Event, command: list[str]) -> None:
    """Remove the container; again, because it may only be coming."""
    await told.wait()
    while True:
        await _ended(command)
        await asyncio.sleep(_PAUSE_SECONDS)


async def _run(job: Mapping[str, Any], told: asyncio.Event) -> int:
    # A keeper before this one may have been killed, and its gateway goes on without services.
    again = _was_started(job)
    failures = 0
    while failures < _ATTEMPTS and not told.is_set():
        if again:
            await _ended(job["remove"])
        begun = time.monotonic()
        code = await _ended(job["run"])
        if code == 0 or not (again or _was_started(job)):
            return code
        again = True
        failures = 0 if time.monotonic() - begun > _STEADY_SECONDS else failures + 1
        await asyncio.sleep(min(_PAUSE_SECONDS * failures, _LONGEST_PAUSE_SECONDS))
    return 1


def _was_started(job: Mapping[str, Any]) -> bool:
    """Return whether the gateway came so far that it can be used."""
    return Path(job["sign"]).exists()


async def _ended(command: list[str]) -> int:
    process = await asyncio.create_subprocess_exec(*command)
    return await process.wait()


def _room() -> int:
    """Return how many connections there can be at once, each of two open files.

    An agent opens as many as it wants. Without files, nothing is started, and the log grows.
    """
    if sys.platform == "win32":
        return _MOST_CONNECTIONS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * _MOST_CONNECTIONS + _SPARE_FILES
    if 0 <= soft < wanted:
        wanted = wanted if hard < 0 else min(wanted, hard)
        with suppress(ValueError, OSError):  # macOS has a limit below its infinity
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    files = soft if soft >= 0 else wanted
    return min(max(files - _SPARE_FILES, _SPARE_FILES) // 2, _MOST_CONNECTIONS)


@asynccontextmanager
async def _service(
    directory: Directory, name: str, target: tuple[str, int], room: asyncio.Semaphore
) -> AsyncIterator[None]:
    """Listen for connections to a service of the host; without room for more, they wait."""
    path = directory.host / f"{name}.sock"
    path.unlink(missing_ok=True)
    with short(directory.host) as place, socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(0)
        listener.bind(f"{place}/{path.name}")
        listener.listen(_MOST_CONNECTIONS)
        # Who may come near is up to the directory; inside, the user may have another number.
        path.chmod(0o666)
        accepting = asyncio.create_task(_accept(listener, target, room))
        try:
            yield
        finally:
            accepting.cancel()
            with suppress(asyncio.CancelledError):
                await accepting


async def _accept(
    listener: socket.socket, target: tuple[str, int], room: asyncio.Semaphore
) -> None:
    loop = asyncio.get_running_loop()
    carried: set[asyncio.Task[None]] = set()

    def over(task: asyncio.Task[None]) -> None:
        carried.discard(task)
        room.release()

    while True:
        await room.acquire()
        try:
            connection, _ = await loop.sock_accept(listener)
        except OSError:  # The machine itself has no file left.
            room.release()
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        carried.add(task := loop.create_task(_carry(connection, target)))
        task.add_done_callback(over)


async def _carry(connection: socket.socket, target: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    with closing(writer), suppress(OSError):
        other_reader, other_writer = await asyncio.open_connection(*target)
        with closing(other_writer):
            await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer))


def _remove(directory: Directory) -> None:
    """Remove what the gateway read, unless somebody starts it anew just now."""
    from filelock import Timeout

    with suppress(Timeout), file_lock(directory.lock, timeout=0):
        shutil.rmtree(directory.root, ignore_errors=True)


def main() -> int:
    """Keep the gateway in the directory that the first argument names."""
    directory = Directory(Path(sys.argv[1]))
    if sys.platform == "win32" and not locked(os.open(directory.keeper, os.O_RDWR)):
        return 0
    return asyncio.run(keep(directory))


if __name__ == "__main__":
    sys.exit(main())
