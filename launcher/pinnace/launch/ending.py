"""How a launch that runs for a program is ended, step by step: by a thread of its own."""

from __future__ import annotations

import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from pinnace_core.engine.program import is_gone
from pinnace_core.errors import LaunchEndedError
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from pinnace_core.engine import Engine

_CLIENT_SECONDS: Final = 10.0
_REMOVAL_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.1


class Container(NamedTuple):
    """What is ended.

    Attributes:
        engine: whose it is.
        name: that the engine knows it by.
    """

    engine: Engine
    name: str

    def terminate(self) -> bool:
        """Send SIGTERM inside; return whether that was done: it runs, and the engine answers."""
        return _answer(self.engine.signal_argv(self.name, "TERM")) == ""

    def remove(self) -> bool:
        """Have it removed; return whether it is gone."""
        said = _answer(self.engine.remove_argv(self.name))
        return said is not None and (not said or is_gone(said))

    def remove_twice(self) -> bool:
        """See that it is gone, and comes no more; return whether that is so."""
        # The client may have died just when the container was to be made.
        first = self.remove()
        time.sleep(_PAUSE_SECONDS)
        return self.remove() and first


class Ending:
    """The end of one launch, from any thread.

    Attributes:
        is_by_force: SIGTERM was sent.
    """

    def __init__(
        self, exited: Future[int], close_input: Callable[[], None], kill: Callable[[], None]
    ) -> None:
        """Make one; nobody asks for it yet.

        Args:
            exited: is done when the launch has ended.
            close_input: tells Claude that nothing more comes.
            kill: ends the engine's client, where the engine does not.
        """
        self.is_by_force = False
        self._exited, self._close_input, self._kill = exited, close_input, kill
        self._changed = threading.Condition()
        self._graces: tuple[float, float] | None = None
        self._container: Container | None = None
        self._thread: threading.Thread | None = None
        exited.add_done_callback(self._wake)

    def ask(self, graces: tuple[float, float]) -> None:
        """Have it ended, and return at once; of graces asked for before, the shorter count."""
        with self._changed:
            before = self._graces or graces
            self._graces = (min(before[0], graces[0]), min(before[1], graces[1]))
            self._changed.notify_all()
            if self._container is None or self._thread is not None or self._exited.done():
                return
            arguments = (self._container,)
            self._thread = threading.Thread(
                target=self._end, args=arguments, name="pinnace end", daemon=True
            )
            self._thread.start()

    def require_not_asked(self) -> None:
        """Raise what a launch fails with that was ended before it began."""
        if self._graces is not None:
            raise LaunchEndedError("the launch was ended before it began")

    @contextmanager
    def beginning(self, container: Container) -> Iterator[None]:
        """Let the client be started, if it still may be; from then on there is something to end."""
        with self._changed:
            self.require_not_asked()
            yield
            self._container = container

    def join(self) -> None:
        """Wait until nothing of it runs any more."""
        if self._thread is not None:
            self._thread.join()

    def _end(self, container: Container) -> None:
        """End it, step by step."""
        self._close_input()
        if self._pause(0):
            return
        self.is_by_force = True
        # One that does not run yet, or no more, has nothing to end in peace.
        if container.terminate() and self._pause(1):
            return
        deadline = time.monotonic() + _CLIENT_SECONDS
        while not self._exited.done() and time.monotonic() < deadline:
            # Removed before it starts, it never does; and it may be about to be made.
            container.remove()
            self._wait(_PAUSE_SECONDS)
        if not self._exited.done():
            self._kill()

    def _pause(self, step: int) -> bool:
        """Wait for the end, as long as is granted by now; return whether it came."""
        begun = time.monotonic()
        with self._changed:
            while not self._exited.done():
                granted = self._graces[step] if self._graces else 0
                left = begun + granted - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
        return self._exited.done()

    def _wake(self, _: object) -> None:
        with self._changed:
            self._changed.notify_all()

    def _wait(self, seconds: float) -> None:
        with suppress(Exception):
            self._exited.result(seconds)


def _answer(argv: Sequence[str]) -> str | None:
    """Return what an engine's client says against a command; None: it does not answer."""
    try:
        done = subprocess.run(
            argv,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_REMOVAL_SECONDS,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stderr.decode(errors="replace") or "no reason" if done.returncode else ""
