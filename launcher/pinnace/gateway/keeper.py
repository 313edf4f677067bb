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
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.gateway import changing
from pinnace.gateway.directory import Directory, short
from pinnace_core import console
from pinnace_core.errors import CannotWriteError
from pinnace_core.files import file_lock, locked
from pinnace_core.streams import pump

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncIterator, Mapping

_ATTEMPTS: Final = 20
_BEAT_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0
_STEADY_SECONDS: Final = 30.0


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
    async with AsyncExitStack() as stack:
        for name, target in job["services"].items():
            await stack.enter_async_context(_service(directory, name, (target[0], target[1])))
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
            with suppress(CannotWriteError):
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


@asynccontextmanager
async def _service(directory: Directory, name: str, target: tuple[str, int]) -> AsyncIterator[None]:
    """Listen for connections to a service of the host."""

    async def carry(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            with suppress(OSError):
                other_reader, other_writer = await asyncio.open_connection(*target)
                await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer))
        finally:
            writer.close()

    path = directory.host / f"{name}.sock"
    path.unlink(missing_ok=True)
    with short(directory.host) as place:
        server = await asyncio.start_unix_server(carry, f"{place}/{path.name}")
    # Who may come near is up to the directory; inside, the user may have another number.
    path.chmod(0o666)
    async with server:
        yield


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
