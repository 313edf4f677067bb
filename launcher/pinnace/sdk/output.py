"""An answer in a form that the caller set: how it is asked for, read, and asked for again.

    asked = Asked.of(output_type(Model), cli_version)
    arguments, prompt = asked.arguments, prompt + asked.instructions
    ...
    match asked.judge(result_event.structured_output, result_event.result or "", tried=1):
        case Accepted(data): ...
        case Again(prompt): ...     # send it in the same session, count one more
        case Rejected(reason): ...

Since 2.0.45 the CLI has `--json-schema`: it offers Claude a tool for the answer, and repeats by
itself what does not fit. Before, and for a schema too long for an argument, the prompt has to ask.
What only the caller's type can tell (a validator of pydantic's) is judged here either way.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from packaging.version import InvalidVersion, Version

from pinnace.prompts.again import AGAIN, RETRIES
from pinnace.sdk.schema import MisfitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.sdk.schema import OutputType

T = TypeVar("T")
_SINCE: Final = Version("2.0.45")
# Linux takes 128 KiB in one argument, Windows 32 KiB in all.
_LONGEST_ARGUMENT: Final = 16 << 10
_FENCED: Final = re.compile(r"```(?:json)?[^\S\n]*\n(.*?)```", re.DOTALL)
# Each may be read to the end of the text.
_MOST_TRIES: Final = 50
_INSTRUCTIONS: Final = """

Your final answer must be one JSON document that fits this JSON Schema, and nothing else: no words \
around it, no code fence.

{schema}
"""


@dataclass(frozen=True, slots=True)
class Accepted(Generic[T]):
    """The answer fits."""

    data: T


@dataclass(frozen=True, slots=True)
class Again:
    """The answer does not fit; this is to be said to Claude."""

    prompt: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The answer does not fit, and was asked for often enough."""

    reason: str


Verdict: TypeAlias = Accepted[T] | Again | Rejected


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    """A form of answer, as a version of the CLI is asked for it.

    Attributes:
        output: the form.
        arguments: of the CLI.
        instructions: to append to the prompt.
        retries: how often at most to ask again.
    """

    output: OutputType[T]
    arguments: tuple[str, ...]
    instructions: str
    retries: int = RETRIES

    @classmethod
    def of(cls, output: OutputType[T], cli_version: str, retries: int = RETRIES) -> Asked[T]:
        """Return how to ask this version of the CLI; an unknown one (empty) by the prompt."""
        schema = json.dumps(output.schema, separators=(",", ":"))
        if _has_option(cli_version) and len(schema) <= _LONGEST_ARGUMENT:
            return cls(output, ("--json-schema", schema), "", retries)
        return cls(output, (), _INSTRUCTIONS.format(schema=schema), retries)

    def judge(self, structured: object, text: str, tried: int) -> Verdict[T]:
        """Return whether a turn's answer is taken, or asked for again.

        Args:
            structured: what the CLI says that it is, None if it says nothing.
            text: the answer in words, which may hold it.
            tried: how many answers there were, with this one.
        """
        try:
            answer = _found(text) if structured is None else structured
            return Accepted(self.output.data(answer))
        except MisfitError as error:
            reason = str(error)
        if tried > self.retries:
            return Rejected(reason)
        return Again(AGAIN.format(reason=reason) + self.instructions, reason)


def _has_option(cli_version: str) -> bool:
    try:
        return Version(cli_version) >= _SINCE
    except InvalidVersion:
        return False


def _found(text: str) -> object:
    """Return the JSON in an answer: all of it, in a fence, or in between words.

    Raises:
        MisfitError: there is none.
    """
    for candidate in (text, *reversed(_FENCED.findall(text))):
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    for found in _within(text):
        return found
    raise MisfitError("the answer holds no JSON document")


def _within(text: str) -> Iterator[Any]:
    """Yield the objects and arrays that begin somewhere in a text."""
    decoder = json.JSONDecoder()
    starts = [found.start() for found in re.finditer(r"[{\[]", text)]
    for start in starts[:_MOST_TRIES]:
        try:
            yield decoder.raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            continue
