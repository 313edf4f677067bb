"""A running Claude as typed events, to which more can be said.

Whoever wants the next event reads; nothing is read ahead. Functions that Claude asks (hooks,
permissions) run beside, in the tasks of the call, so that a slow one holds nothing else up.
"""

from __future__ import annotations

import json
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import anyio

from pinnace.sdk.background import CEILING_SECONDS, Background
from pinnace.sdk.conversation import (
    ControlCancelEvent,
    ControlRequestEvent,
    ControlResponseEvent,
    ResultEvent,
)
from pinnace.sdk.decode import EventDecoder
from pinnace.sdk.errors import ControlError
from pinnace.sdk.result import Ended, Gathered, Result, result_of
from pinnace.sdk.waiting import task_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from anyio.abc import TaskGroup

    from pinnace.sdk.control import Answers
    from pinnace.sdk.event import Event
    from pinnace.sdk.process import Process

_GONE: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError)
_ENCODING: Final = "utf-8"


class Stream:
    """Claude, at work: iterate over it for its events.

    After the last answer, its input is closed as soon as the next event is asked for, and Claude
    ends; `send` before that goes on. As long as agents in the background may still ask the program
    something, its input stays open.
    """

    def __init__(
        self, process: Process, tasks: TaskGroup, answers: Answers, *, keep: bool = False
    ) -> None:
        """Take over a process that was just started."""
        self._process, self._tasks, self._answers = process, tasks, answers
        self._began = time.monotonic()
        self._decoder = EventDecoder()
        self._events: deque[Event] = deque()
        self._asked: dict[str, ControlResponseEvent | None] = {}
        self._answering: dict[str, anyio.CancelScope] = {}
        self._reading: anyio.Event | None = None
        self._is_over = self._stopped = self.timed_out = False
        self._sent = self._answered = 0
        self._background = Background()
        self.gathered = Gathered(keep=keep)

    @property
    def name(self) -> str:
        """The container's name."""
        return self._process.name

    @property
    def container_id(self) -> str:
        """What engines find the container by: its name, which is known before its number."""
        return self._process.name

    @property
    def image_id(self) -> str:
        """The id of the image, which was verified."""
        return self._process.image

    @property
    def cli_version(self) -> str:
        """The version of the CLI in it, as was verified."""
        return self._process.cli_version

    @property
    def notes(self) -> tuple[str, ...]:
        """What `pinnace run` would have said on standard error."""
        return self._process.notes

    @property
    def pid(self) -> int:
        """Of the engine's client, on this host."""
        return self._process.pid

    def __aiter__(self) -> Self:
        """Iterate over the events that are still to come."""
        return self

    async def __anext__(self) -> Event:
        """Return the next event.

        Raises:
            MalformedEventError: Claude wrote what is none.
            StopAsyncIteration: Claude has ended.
        """
        while not self._events:
            if self._is_over:
                raise StopAsyncIteration
            if not self._is_answered:
                await self._advance()
            elif self._answers.needed and self._background.is_busy:
                with anyio.move_on_after(CEILING_SECONDS) as ceiling:
                    await self._advance()
                if ceiling.cancelled_caught:
                    await self._process.close_stdin()
            else:
                await self._process.close_stdin()
                await self._advance()
        return self._events.popleft()

    @property
    def _is_answered(self) -> bool:
        return 0 < self._sent <= self._answered

    async def begin(self, first: Mapping[str, Any]) -> None:
        """Begin the control protocol; its answer is not waited for."""
        request = {"subtype": "initialize", "hooks": self._answers.hooks or None, **first}
        await self._write(
            {"type": "control_request", "request_id": uuid4().hex, "request": request}
        )

    async def send(self, prompt: str | Sequence[Mapping[str, Any]]) -> None:
        """Say more: a text, or blocks of content. It may be of any length.

        Raises:
            ControlError: Claude does not listen any more.
        """
        self._sent += 1
        message = {"role": "user", "content": prompt if isinstance(prompt, str) else list(prompt)}
        await self._write(
            {"type": "user", "message": message, "parent_tool_use_id": None, "session_id": ""}
        )

    async def interrupt(self) -> None:
        """End the turn that is under way; the session goes on."""
        await self.request({"subtype": "interrupt"})

    async def set_model(self, model: str) -> None:
        """Go on with another model."""
        await self.request({"subtype": "set_model", "model": model})

    async def set_permission_mode(self, mode: str) -> None:
        """Go on in another permission mode."""
        await self.request({"subtype": "set_permission_mode", "mode": mode})

    async def request(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask something of the CLI by its control protocol; return its answer.

        Events that come meanwhile wait for who iterates.

        Raises:
            ControlError: it was refused, or Claude has ended.
        """
        name = uuid4().hex
        self._asked[name] = None
        try:
            await self._write({"type": "control_request", "request_id": name, "request": request})
            while self._asked[name] is None and not self._is_over:
                await self._advance()
            answer = self._asked[name]
        finally:
            del self._asked[name]
        if answer is None or answer.error is not None:
            why = "Claude has ended" if answer is None else str(answer.error)
            raise ControlError(f"'{request.get('subtype')}' was not done: {why}")
        return dict(answer.response.get("response") or {})

    async def stop(self, grace: float = 5.0) -> int:
        """End the container: by the end of its input, SIGTERM, SIGKILL; return the exit code.

        Args:
            grace: in seconds, for each of the first two.
        """
        self._stopped = not self._is_over
        return await self._process.stop(grace)

    async def result(self) -> Result[None]:
        """Wait for the end; return what came of it, whatever that is. Events are passed over."""
        async for _ in self:
            pass
        return result_of(self.gathered, await self.ended(), None)

    async def ended(self) -> Ended:
        """Return how the process ended."""
        code = await self._process.wait()
        return Ended(
            exit_code=code,
            stderr_tail=self._process.stderr_tail.decode(_ENCODING, "replace"),
            image_id=self.image_id,
            cli_version=self.cli_version,
            duration=time.monotonic() - self._began,
            timed_out=self.timed_out,
            stopped=self._stopped,
            awaited=self._answered < self._sent,
        )

    async def _write(self, message: Mapping[str, Any]) -> None:
        """Write a message; read meanwhile: whoever cannot write does not read, either."""
        data = json.dumps(message).encode() + b"\n"
        failed: list[Exception] = []

        async def write(scope: anyio.CancelScope) -> None:
            try:
                await self._process.send(data)
            except _GONE as error:
                failed.append(error)
            scope.cancel()

        async with task_group() as both:
            with anyio.CancelScope() as scope:
                both.start_soon(write, scope)
                while not self._is_over:
                    await self._advance()
                await anyio.sleep_forever()
        if failed and not self._is_over:
            raise ControlError("Claude does not listen any more: its input was closed")

    async def _advance(self) -> None:
        """Read a piece, or wait for who does."""
        if self._reading is not None:
            await self._reading.wait()
            return
        self._reading = done = anyio.Event()
        try:
            self._decoder.feed(await self._process.stdout.receive())
        except anyio.EndOfStream:
            self._is_over = True
            self._decoder.finish()
        finally:
            self._reading = None
            done.set()
        for event in self._decoder:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case ControlResponseEvent():
                if event.request_id in self._asked:
                    self._asked[event.request_id] = event
            case ControlRequestEvent():
                self._tasks.start_soon(self._answer, event)
            case ControlCancelEvent():
                if event.request_id in self._answering:
                    self._answering[event.request_id].cancel()
            case _:
                self._answered += isinstance(event, ResultEvent)
                self._background.add(event)
                self.gathered.add(event)
                self._events.append(event)

    async def _answer(self, event: ControlRequestEvent) -> None:
        with anyio.CancelScope() as scope:
            self._answering[event.request_id] = scope
            try:
                said = await self._answers.response(event.request_id, event.request)
                with suppress(*_GONE):
                    await self._process.send(json.dumps(said).encode() + b"\n")
            finally:
                del self._answering[event.request_id]
