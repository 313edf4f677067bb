"""The calls of `Pinnace` for programs without an event loop.

    from pinnace import sync
    result = sync.claude("What is 6 times 7?", project=".")
    with sync.stream("Summarise README.md.") as stream:
        for event in stream: ...

Each call has a loop of its own, which ends with it; Ctrl-C ends the container.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

import anyio
from anyio.from_thread import start_blocking_portal

from pinnace.sdk.box import Pinnace
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from typing import Self, Unpack

    from anyio.from_thread import BlockingPortal

    from pinnace.sdk.asking import PromptLike, Said
    from pinnace.sdk.event import Event
    from pinnace.sdk.options import Options
    from pinnace.sdk.result import Result
    from pinnace.sdk.stream import Stream

T = TypeVar("T")


@overload
def claude(
    prompt: Said,
    *,
    output: type[T],
    timeout: float | None = ...,
    retries: int = ...,
    events: bool = ...,
    box: Pinnace | None = ...,
    project: str | os.PathLike[str] = ...,
    **options: Unpack[Options],
) -> Result[T]: ...
@overload
def claude(
    prompt: Said,
    *,
    output: Mapping[str, Any] | None = ...,
    timeout: float | None = ...,
    retries: int = ...,
    events: bool = ...,
    box: Pinnace | None = ...,
    project: str | os.PathLike[str] = ...,
    **options: Unpack[Options],
) -> Result[Any]: ...
def claude(
    prompt: Said,
    *,
    box: Pinnace | None = None,
    project: str | os.PathLike[str] = ".",
    **options: Any,
) -> Result[Any]:
    """Ask Claude; return its answer, as `Pinnace.claude`.

    Args:
        prompt: what is asked.
        box: how it is isolated; None: as the settings of `project` say.
        project: its directory.
        options: of `Pinnace.claude`: `output`, `timeout`, and as `Options` names them.

    Raises:
        UsageError: an event loop runs in this thread: await `Pinnace.claude` there.
        PinnaceError: as `Pinnace.claude`.
    """
    return _run(partial((box or Pinnace(project)).claude, prompt, **options))


def interactive(
    prompt: str | PromptLike = "",
    *,
    box: Pinnace | None = None,
    project: str | os.PathLike[str] = ".",
    **options: Unpack[Options],
) -> int:
    """Give Claude the terminal that this program has, as `Pinnace.interactive`.

    Args:
        prompt: with which it begins.
        box: how it is isolated; None: as the settings of `project` say.
        project: its directory.
        options: as `Options` names them.

    Raises:
        UsageError: an event loop runs in this thread; or as `Pinnace.interactive`.
        PinnaceError: as `Pinnace.interactive`.
    """
    return _run(partial((box or Pinnace(project)).interactive, prompt, **options))


@contextmanager
def stream(
    prompt: Said,
    *,
    box: Pinnace | None = None,
    project: str | os.PathLike[str] = ".",
    **options: Unpack[Options],
) -> Iterator[SyncStream]:
    """Ask Claude; give its events as they come, as `Pinnace.stream`.

    Functions that Claude asks (hooks, permissions, tools) run in a thread of their own.

    Args:
        prompt: what is asked.
        box: how it is isolated; None: as the settings of `project` say.
        project: its directory.
        options: as `Options` names them.

    Raises:
        UsageError: an event loop runs in this thread: use `Pinnace.stream` there.
        PinnaceError: as `Pinnace.stream`.
    """
    _require_no_loop()
    opened = (box or Pinnace(project)).stream(prompt, **options)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(opened) as inner:
        yield SyncStream(inner, portal)


class SyncStream:
    """Claude, at work, as `Stream`: iterate over it for its events."""

    def __init__(self, inner: Stream, portal: BlockingPortal) -> None:
        """Take over what was started."""
        self._inner, self._portal = inner, portal

    @property
    def name(self) -> str:
        """The container's name."""
        return self._inner.name

    @property
    def image_id(self) -> str:
        """The id of the image, which was verified."""
        return self._inner.image_id

    @property
    def cli_version(self) -> str:
        """The version of the CLI in it, as was verified."""
        return self._inner.cli_version

    def __iter__(self) -> Self:
        """Iterate over the events that are still to come."""
        return self

    def __next__(self) -> Event:
        """Return the next event.

        Raises:
            MalformedEventError: Claude wrote what is none.
            StopIteration: Claude has ended.
        """
        event = self._portal.call(self._next)
        if event is None:
            raise StopIteration
        return event

    async def _next(self) -> Event | None:
        return await anext(self._inner, None)

    def send(self, prompt: str | Sequence[Mapping[str, Any]]) -> None:
        """Say more: a text, or blocks of content.

        Raises:
            ControlError: Claude does not listen any more.
        """
        self._portal.call(self._inner.send, prompt)

    def interrupt(self) -> None:
        """End the turn that is under way; the session goes on."""
        self._portal.call(self._inner.interrupt)

    def stop(self, grace: float = 5.0) -> int:
        """End the container; return the exit code.

        Args:
            grace: in seconds, for the end of its input, and once more for SIGTERM.
        """
        return self._portal.call(self._inner.stop, grace)

    def result(self) -> Result[None]:
        """Wait for the end; return what came of it, whatever that is. Events are passed over."""
        return self._portal.call(self._inner.result)


def _run(call: Callable[[], Awaitable[T]]) -> T:
    _require_no_loop()
    return anyio.run(call)


def _require_no_loop() -> None:
    try:
        anyio.current_time()
    except RuntimeError:  # no loop: this is the usual case
        return
    raise UsageError(
        "an event loop runs in this thread, which this call would hold up",
        hint="there: await Pinnace(...).claude(...)",
    )
