"""Measure what a launch uses: while it runs, a thread waits for its end, and reads the figures.

The kernel's, not the agent's: nothing inside can change them. Where the engine's processes are not
this machine's, as in a virtual machine, nothing is measured.
"""

from __future__ import annotations

import _thread
import os
import time
from typing import TYPE_CHECKING, Final

from pinnace_core import usage
from pinnace_core.errors import PinnaceError
from pinnace_core.signals import start_thread
from pinnace_core.usage import Usage

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from pinnace_core.engine import Engine

_IS_POSSIBLE: Final = hasattr(os, "pidfd_open") and hasattr(os, "eventfd")
_FIRST_SECONDS: Final = 0.1
_SHORTEST_SECONDS: Final = 0.05
# The engine answers within 1 to 100 ms: at most this share of the time is spent on asking it.
_SHARE: Final = 0.1
_JOIN_SECONDS: Final = 0.5
# The engine removes the figures at the end: where they are read too late, the last ones count.
_READ_SECONDS: Final = 2.0


class Meter:
    """A launch that is measured: around it, as a context.

    Attributes:
        usage: what it used, in the end.
        seconds: that it ran; None: it was not started.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        """Note what is to be measured.

        Args:
            engine: where it runs.
            name: of the container.
        """
        self.usage = Usage()
        self.seconds: float | None = None
        self._engine, self._name = engine, name
        self._begun: float | None = None
        self._stop = -1
        self._done = _thread.allocate_lock()
        self._left = _thread.allocate_lock()

    def __enter__(self) -> Self:
        return self

    def begin(self) -> None:
        """Begin to measure: its client was started."""
        self._begun = time.monotonic()
        if _IS_POSSIBLE:
            self._stop = os.eventfd(0, os.EFD_CLOEXEC)
            self._done.acquire()
            start_thread(self._measure)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._begun is not None:
            self.seconds = time.monotonic() - self._begun
        if self._stop < 0:
            return
        os.eventfd_write(self._stop, 1)
        # The thread may wait for an engine that hangs: it is let go then.
        self._done.acquire(timeout=_JOIN_SECONDS)
        self._leave()

    def _leave(self) -> None:
        """Want the descriptor no more: of the two that did, the last one closes it."""
        if not self._left.acquire(blocking=False):
            os.close(self._stop)

    def _measure(self) -> None:
        try:
            found = self._process()
            if found is not None:
                self._wait(*found)
        finally:
            self._leave()
            self._done.release()

    def _process(self) -> tuple[int, str] | None:
        """Return the container's first process and its id, as soon as it runs."""
        pause = _FIRST_SECONDS
        while not self._awaited(pause):
            begun = time.monotonic()
            try:
                container = self._engine.container(self._name)
            except PinnaceError:
                container = None
            if container is not None and container.process:
                return container.process, container.id
            pause = max(_SHORTEST_SECONDS, (time.monotonic() - begun) / _SHARE)
        return None

    def _wait(self, process: int, container: str) -> None:
        """Wait for a process, and read what was used."""
        try:
            watched = os.pidfd_open(process)
        except OSError:
            return
        try:
            # Whose it is: of the process that is watched, whatever had its number before.
            own = usage.groups(process, container)
            ended: set[int] = set()
            while own and not ended:
                ended = self._awaited(_READ_SECONDS, watched)
                self.usage = usage.read(own).over(self.usage)
        finally:
            os.close(watched)

    def _awaited(self, seconds: float, *others: int) -> set[int]:
        """Wait so long for the launch's end or one of these; return which of them there is."""
        import select

        waiting = select.poll()
        for one in (self._stop, *others):
            waiting.register(one, select.POLLIN)
        return {one for one, _ in waiting.poll(seconds * 1000)}
