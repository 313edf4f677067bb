"""Wait, in a task, for what a thread does: until it is done, or through all that cancels."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import Future

    from anyio.abc import TaskGroup

T = TypeVar("T")


async def until(future: Future[T]) -> T:
    """Wait for a future of a thread's; return its result. Cancelling this leaves it alone.

    Raises:
        Exception: the future's.
    """
    await checkpoint()
    if not future.done():
        event, wake = anyio.Event(), waker()

        def done(_: object) -> None:
            # The loop may be gone.
            with suppress(RuntimeError):
                wake(event.set)

        future.add_done_callback(done)
        await event.wait()
    return future.result()


async def through(future: Future[None], *, seconds: float) -> None:
    """Wait for a future, whatever cancels this task, as long as it takes, up to a limit.

    A cancellation of asyncio's own, which no scope keeps away, is raised in the end, as is what
    else came meanwhile.
    """
    came: BaseException | None = None
    deadline = anyio.current_time() + seconds
    with anyio.CancelScope(shield=True):
        while not future.done() and anyio.current_time() < deadline:
            try:
                with anyio.move_on_at(deadline):
                    await until(future)
            except GeneratorExit:
                # The task is thrown away: it cannot wait.
                raise
            except BaseException as error:  # noqa: BLE001 (raised below)
                came = came or error
    if came is not None:
        raise came


@asynccontextmanager
async def task_group() -> AsyncIterator[TaskGroup]:
    """Run tasks as anyio's own; an error that is alone in its group is raised as itself.

    Who calls knows nothing of our tasks: `except ValueError` around a stream has to meet it.
    """
    alone: BaseException | None = None
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        (alone,) = group.exceptions
    if alone is not None:
        raise alone


def waker() -> Callable[[Callable[[], object]], object]:
    """Return what has a function called by the running loop, from another thread."""
    if "trio" in sys.modules:
        import trio

        with suppress(RuntimeError):  # there is one of asyncio's
            return trio.lowlevel.current_trio_token().run_sync_soon
    return asyncio.get_running_loop().call_soon_threadsafe
