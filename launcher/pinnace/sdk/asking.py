"""What is asked, and how an answer comes about: the conversation of one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import anyio
from packaging.version import Version

from pinnace.sdk.conversation import ResultEvent
from pinnace.sdk.options import checked
from pinnace.sdk.output import Accepted, Again, Asked
from pinnace.sdk.result import Outcome, Result, result_of
from pinnace.sdk.stream import Stream
from pinnace.sdk.waiting import task_group
from pinnace_core.errors import UnknownVersionError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pinnace.sdk.control import Answers
    from pinnace.sdk.many import Seen
    from pinnace.sdk.options import Call
    from pinnace.sdk.process import Process

# The request that begins the control protocol takes system prompts, agents and schemas since then.
_OLDEST: Final = Version("2.1.0")


class PromptLike(Protocol):
    """A prompt that was made of a file: `pinnace.Prompt`."""

    @property
    def content(self) -> str: ...
    @property
    def options(self) -> Mapping[str, Any]: ...
    @property
    def output(self) -> Mapping[str, Any] | None: ...


Said: TypeAlias = str | Sequence[Mapping[str, Any]] | PromptLike


@asynccontextmanager
async def conversation(  # noqa: PLR0913 (all that a call is made of)
    process: Process,
    call: Call,
    answers: Answers,
    text: str | Sequence[Mapping[str, Any]],
    *,
    asked: Asked[Any] | None,
    keep: bool,
) -> AsyncIterator[Stream]:
    """Begin one with Claude, and send what is asked.

    Args:
        process: Claude's.
        call: what the options come to.
        answers: to what Claude asks the program.
        text: what is asked.
        asked: the form that the answer is to have.
        keep: all events.

    Raises:
        UnknownVersionError: this version of Claude's does not take that.
    """
    _require_able(process.cli_version, call, answers)
    first = dict(call.initialize)
    if asked and Version(process.cli_version) >= _OLDEST:
        first["jsonSchema"] = asked.output.schema
    elif asked and isinstance(text, str):
        text += asked.instructions
    async with task_group() as tasks:
        stream = Stream(process, tasks, answers, keep=keep)
        if first or answers.needed:
            await stream.begin(first)
        await stream.send(text)
        try:
            yield stream
        finally:
            tasks.cancel_scope.cancel()


def options_of(prompt: Said, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a call that have a value: the caller's, and below them the prompt's.

    Raises:
        TypeError: there is no such option.
        UsageError: a value is of another type.
    """
    return checked({**getattr(prompt, "options", {}), **options})


def content_of(prompt: Said) -> str | Sequence[Mapping[str, Any]]:
    """Return what Claude is sent: a text, or blocks of content."""
    return prompt if isinstance(prompt, str | Sequence) else prompt.content


async def answered(
    stream: Stream, asked: Asked[Any] | None, seconds: float | None, seen: Seen
) -> Result[Any]:
    """Read to the end, or end it when its time is over; return what came of it.

    Args:
        stream: of the call.
        asked: the form that the answer is to have; None: any will do.
        seconds: that it may take; None: any time will do.
        seen: is told each event.
    """
    data: Any = None
    invalid = False
    with anyio.move_on_after(seconds) as limit:
        data, invalid = await judged(stream, asked, seen)
        ended = await stream.ended()
    if limit.cancelled_caught:
        stream.timed_out = True
        await stream.stop(0)
        ended = await stream.ended()
    result = result_of(stream.gathered, ended, data)
    if invalid and result.outcome is Outcome.COMPLETED:
        return replace(result, outcome=Outcome.OUTPUT_INVALID)
    return result


async def judged(stream: Stream, asked: Asked[Any] | None, seen: Seen) -> tuple[Any, bool]:
    """Read to the end; return the answer in its form, and whether it has none in the end.

    Args:
        stream: of the call.
        asked: the form; None: any will do.
        seen: is told each event.
    """
    data, tried, invalid = None, 0, False
    async for event in stream:
        seen(stream, event)
        if asked is None or not isinstance(event, ResultEvent) or event.is_error:
            continue
        tried += 1
        match asked.judge(event.structured_output, event.result or "", tried):
            case Accepted(found):
                data, invalid = found, False
            case Again(again):
                await stream.send(again)
            case _:
                invalid = True
    return data, invalid


def _require_able(version: str, call: Call, answers: Answers) -> None:
    if Version(version) < _OLDEST and (call.initialize or answers.needed):
        wanted = ", ".join(call.initialize) or "hooks and permissions"
        raise UnknownVersionError(
            f"Claude Code {version} does not take {wanted} this way, {_OLDEST} does",
            hint="pin a newer one: pinnace pin latest",
        )
