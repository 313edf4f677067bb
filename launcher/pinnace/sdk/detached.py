"""A launch that no program waits for: it goes on without the one that began it, and is found again.

job = await box.detached("Fix issue 42.")
print(job.name)
...
job = Detached.find(name)  # another program, another day
result = await job.result()
"""

from __future__ import annotations

import json
import tempfile
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from pinnace.launch import detached, jobs, kept
from pinnace.sdk.decode import EventDecoder
from pinnace.sdk.outcomes import checked
from pinnace.sdk.result import Ended, Gathered, result_of
from pinnace_core.engine import named
from pinnace_core.errors import LaunchLostError, LaunchMissingError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from pinnace.launch.jobs import Job
    from pinnace.request import RunRequest
    from pinnace.sdk.event import Event
    from pinnace.sdk.result import Result
    from pinnace_core.host import HostFacts

_ASKING: Final = ("can_use_tool", "hooks")
_GRACE_SECONDS: Final = 10
_TAIL: Final = 1 << 16


class Detached:
    """A detached launch: running, ended, or lost with the machine that it ran on."""

    def __init__(self, job: Job) -> None:
        """Take one that is on record."""
        self._job = job

    @classmethod
    def find(cls, name: str) -> Detached:
        """Return one by its name, or a part of it that fits no other.

        Raises:
            LaunchMissingError: there is none.
            AmbiguousNameError: there are several.
        """
        return cls(jobs.chosen(name, ""))

    @property
    def name(self) -> str:
        """The container's name: for `pinnace logs`, `attach` and `result`."""
        return self._job.name

    @property
    def state(self) -> str:
        """`running`, `ended`, or `lost`: nobody was left to say how it ended."""
        return jobs.state_of(self._job)

    async def events(self) -> AsyncIterator[Event]:
        """Yield its events from the first one on, as they come, until it has ended.

        Of very much output, the beginning is gone.

        Raises:
            MalformedEventError: Claude wrote what is none.
        """
        pieces = kept.follow(self._job, "output")
        decoder = EventDecoder()
        while (piece := await anyio.to_thread.run_sync(_next, pieces)) is not None:
            decoder.feed(piece)
            for event in decoder:
                yield event

    async def wait(self) -> int:
        """Wait for the end; return the exit code. Cancelling this leaves it alone.

        Raises:
            LaunchLostError: nobody was left to say it.
        """
        waiting = partial(jobs.wait, self._job)
        how = await anyio.to_thread.run_sync(waiting, abandon_on_cancel=True)
        if how is None:
            raise LaunchLostError(
                f"how '{self.name}' ended is not known: its keeper was killed",
                hint="events() has what it printed until then",
            )
        return how.code

    async def result(self) -> Result[None]:
        """Wait for the end; return what came of it.

        Raises:
            ClaudeError: Claude did not do it; what there is, is in its `result`.
            LaunchLostError: nobody was left to say how it ended.
        """
        code = await self.wait()
        return checked(await anyio.to_thread.run_sync(self._result, code))

    async def stop(self, grace: int = _GRACE_SECONDS) -> int:
        """End it: SIGTERM, and after `grace` seconds SIGKILL; return the exit code.

        Raises:
            EngineUnavailableError: the engine does not answer.
        """
        if self.state == "running":
            stop = partial(named(self._job.program).stop, [self.name], grace=grace)
            await anyio.to_thread.run_sync(stop)
        return await self.wait()

    def _result(self, code: int) -> Result[None]:
        gathered, decoder = Gathered(), EventDecoder()
        for piece in kept.read(self._job, "output"):
            decoder.feed(piece)
            for event in decoder:
                gathered.add(event)
        errors = b"".join(kept.read(self._job, "errors"))[-_TAIL:]
        how = jobs.exit_of(self._job)
        ended = Ended(
            exit_code=code,
            stderr_tail=errors.decode(errors="replace"),
            image_id=self._job.image,
            cli_version=self._job.version,
            duration=how.at - self._job.begun if how else 0.0,
        )
        return result_of(gathered, ended, None)


def start(
    request: RunRequest, facts: HostFacts, first: Mapping[str, Any], text: object
) -> Detached:
    """Start a launch that is told everything at once: its input ends behind the prompt.

    Args:
        request: what is launched.
        facts: where.
        first: what the request that begins the control protocol says; or nothing.
        text: the prompt, or blocks of content.

    Raises:
        PinnaceError: any of its kinds; nothing runs then.
    """
    said: list[Mapping[str, Any]] = []
    if first:
        asked = {"subtype": "initialize", **first}
        said.append({"type": "control_request", "request_id": "begin", "request": asked})
    message = {"role": "user", "content": text}
    said.append({"type": "user", "message": message, "parent_tool_use_id": None, "session_id": ""})
    with tempfile.TemporaryFile() as spool:
        spool.write("".join(f"{json.dumps(one)}\n" for one in said).encode())
        spool.seek(0)
        name = detached.start(request, facts.cwd, spool, facts.environment)
    job = jobs.load(name)
    if job is None:
        raise LaunchMissingError(f"the record of '{name}' is gone", hint="see: pinnace ps")
    return Detached(job)


def require_unasked(options: Mapping[str, Any], others: Sequence[str] = _ASKING) -> None:
    """Refuse what a program would have to answer that may be gone.

    Raises:
        UsageError: there is some of it.
    """
    for name in others:
        if options.get(name):
            raise UsageError(
                f"{name} would ask this program, which a detached launch does without",
                hint="leave it out: tools and permission_mode say what Claude may do",
            )


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)
