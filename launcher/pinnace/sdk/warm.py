"""Containers that wait for the calls of a program, as long as it wants them to."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread

from pinnace.launch.standby import make
from pinnace.sdk.process import prepare, require_platform
from pinnace.sdk.waiting import task_group
from pinnace_core import console, search_path
from pinnace_core.errors import PinnaceError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pinnace.request import RunRequest
    from pinnace_core.host import HostFacts

_LOG: Final = logging.getLogger("pinnace")
_MOST: Final = 32


class Pool:
    """A number of containers that wait; when a call has taken one, another is made."""

    def __init__(self, request: RunRequest, facts: HostFacts, count: int) -> None:
        """Make none yet.

        Args:
            request: of a call; its arguments do not matter.
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

    async def fill(self) -> None:
        """Have them wait.

        Raises:
            PinnaceError: none can be made.
        """
        await to_thread.run_sync(self._fill)

    def taken(self) -> None:
        """Note that a call may have taken one."""
        self._taken.set()

    async def keep(self) -> None:
        """Make up for those that were taken, until this is cancelled."""
        while True:
            await self._taken.wait()
            self._taken = anyio.Event()
            # Where none can be made now, calls start as they would without.
            with suppress(PinnaceError):
                await self.fill()

    async def drop(self) -> None:
        """End those that still wait."""
        with anyio.CancelScope(shield=True), suppress(PinnaceError):
            await to_thread.run_sync(self._drop)

    def _fill(self) -> None:
        with search_path.borrowed(), console.collected(_LOG.info):
            make.fill(prepare(self._request, self._facts), self._count)

    def _drop(self) -> None:
        make.drop(asked=make.asked(self._request))


@asynccontextmanager
async def waiting(request: RunRequest, facts: HostFacts, count: int) -> AsyncIterator[Pool]:
    """Have containers wait while a block runs; those that are left end with it.

    Raises:
        UsageError: the number makes no sense.
        PinnaceError: none can be made.
    """
    pool = Pool(request, facts, count)
    try:
        await pool.fill()
        async with task_group() as tasks:
            tasks.start_soon(pool.keep)
            try:
                yield pool
            finally:
                tasks.cancel_scope.cancel()
    finally:
        await pool.drop()
