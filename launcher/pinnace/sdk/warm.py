"""What waits for a program's calls, as long as it wants that: containers, or Claude in them."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread

from pinnace.launch.standby import make
from pinnace.sdk.process import Process, launched, prepare, require_platform
from pinnace.sdk.waiting import task_group
from pinnace_core import console, search_path
from pinnace_core.errors import PinnaceError, UsageError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from pinnace.request import RunRequest
    from pinnace_core.host import HostFacts

_LOG: Final = logging.getLogger("pinnace")
_MOST: Final = 32
# What Claude has read as it began (memory files, the state of git) is no older at a call.
_FRESH_SECONDS: Final = 300.0
_LOOK_SECONDS: Final = 15.0


class Pool(ABC):
    """A number of what waits; when a call has taken one, another is made."""

    def __init__(self, request: RunRequest, facts: HostFacts, count: int) -> None:
        """Make none yet.

        Args:
            request: of a call.
            facts: the host, as the call sees it.
            count: how many wait.

        Raises:
            UsageError: it makes no sense.
        """
        if not 1 <= count <= _MOST:
            raise UsageError(f"{count} containers cannot wait", hint=f"from 1 to {_MOST} can")
        require_platform()
        self._request, self._facts, self._count = request, facts, count
        self._taken = anyio.Event()

    @abstractmethod
    async def fill(self) -> None:
        """Have as many wait as shall.

        Raises:
            PinnaceError: none can be made.
        """

    @abstractmethod
    async def drop(self) -> None:
        """End those that still wait."""

    @abstractmethod
    def launched(
        self, request: RunRequest, facts: HostFacts
    ) -> AbstractAsyncContextManager[Process]:
        """Launch what a call asks for, as `process.launched`: with one that waits, if it can be."""

    async def keep(self) -> None:
        """Make up for those that were taken or are too old, until this is cancelled."""
        while True:
            with anyio.move_on_after(_LOOK_SECONDS):
                await self._taken.wait()
            self._taken = anyio.Event()
            # Where none can be made now, calls start as they would without.
            with suppress(PinnaceError):
                await self.fill()


class Containers(Pool):
    """Containers in which nothing runs yet: for any call of the same plan."""

    async def fill(self) -> None:
        await to_thread.run_sync(self._fill)

    async def drop(self) -> None:
        with anyio.CancelScope(shield=True), suppress(PinnaceError):
            await to_thread.run_sync(self._drop)

    @asynccontextmanager
    async def launched(self, request: RunRequest, facts: HostFacts) -> AsyncIterator[Process]:
        async with launched(request, facts) as process:
            self._taken.set()
            yield process

    def _fill(self) -> None:
        with search_path.borrowed(), console.collected(_LOG.info):
            make.fill(prepare(self._request, self._facts), self._count)

    def _drop(self) -> None:
        make.drop(asked=make.asked(self._request))


class _Idle(NamedTuple):
    """A Claude to which nothing was said yet.

    Attributes:
        process: it.
        block: ends it.
        since: when it was launched, by the loop's clock.
    """

    process: Process
    block: AsyncExitStack
    since: float

    @property
    def is_fresh(self) -> bool:
        """Whether a call may have it: what runs by itself may also end by itself."""
        too_old = anyio.current_time() - self.since > _FRESH_SECONDS
        return self.process.returncode is None and not too_old


class Started(Pool):
    """Launches whose Claude waits for its first message: for calls that ask for the very same."""

    def __init__(self, request: RunRequest, facts: HostFacts, count: int) -> None:
        """Make none yet; see `Pool`."""
        super().__init__(request, facts, count)
        self._idle: list[_Idle] = []

    async def fill(self) -> None:
        await self._end([one for one in self._idle if not one.is_fresh])
        while len(self._idle) < self._count:
            async with AsyncExitStack() as block:
                process = await block.enter_async_context(launched(self._request, self._facts))
                self._idle.append(_Idle(process, block.pop_all(), anyio.current_time()))

    async def drop(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._end(list(self._idle))

    @asynccontextmanager
    async def launched(self, request: RunRequest, facts: HostFacts) -> AsyncIterator[Process]:
        one = self._take() if (request, facts) == (self._request, self._facts) else None
        if one is None:
            async with launched(request, facts) as process:
                yield process
            return
        self._taken.set()
        async with one.block:
            yield one.process

    def _take(self) -> _Idle | None:
        one = next((one for one in self._idle if one.is_fresh), None)
        if one is not None:
            self._idle.remove(one)
        return one

    async def _end(self, those: list[_Idle]) -> None:
        async with task_group() as tasks:
            for one in those:
                self._idle.remove(one)
                tasks.start_soon(one.block.aclose)


@asynccontextmanager
async def waiting(pool: Pool) -> AsyncIterator[None]:
    """Have what calls take wait while a block runs; what is left ends with it.

    Raises:
        PinnaceError: none can be made.
    """
    try:
        await pool.fill()
        async with task_group() as tasks:
            tasks.start_soon(pool.keep)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
    finally:
        await pool.drop()
