"""Write a session for people, or for programs: a piece at a time, whatever its size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pinnace.sessions import entries, transcripts
from pinnace_core.console import without_commands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.sessions.about import About
    from pinnace.sessions.entries import Block, Counts, Message

FORMATS: Final = ("markdown", "jsonl", "json")
_SHORT: Final = 12
_WHO: Final = {"user": "You", "assistant": "Claude"}


def exported(about: About, form: str, counts: Counts) -> Iterator[str]:
    """Yield the pieces of a session in one of `FORMATS`.

    Raises:
        CannotReadError: its transcript is gone.
        BadTranscriptError: it is no plain file.
    """
    with transcripts.opened(about.transcript) as stream:
        if form == "jsonl":
            # Claude's own entries, in ASCII: no terminal takes them for commands.
            yield from (f"{json.dumps(one)}\n" for one in entries.documents(stream, counts))
        elif form == "json":
            yield from _json(about, entries.messages(stream, counts))
        else:
            yield f"# {without_commands(about.title or about.transcript.id)}\n"
            for said in entries.messages(stream, counts):
                yield f"\n{readable(said, whole=True)}"


def _json(about: About, said: Iterator[Message]) -> Iterator[str]:
    head = json.dumps({"schema": 1, "id": about.transcript.id, "name": about.name})
    yield f'{head[:-1]}, "messages": ['
    for number, one in enumerate(said):
        blocks = [block._asdict() for block in one.blocks]
        text = json.dumps({"role": one.role, "time": one.time, "blocks": blocks})
        yield f"{',' if number else ''}\n{text}"
    yield "\n]}\n"


def readable(said: Message, *, whole: bool = False) -> str:
    """Return a message as people read it, without what a terminal takes for commands.

    Args:
        said: the message.
        whole: also all of what tools have answered.
    """
    blocks = [text for block in said.blocks if (text := _block(block, whole=whole))]
    if all(block.kind == "result" for block in said.blocks):
        return "".join(f"{text}\n" for text in blocks)
    body = "\n\n".join(blocks)
    return without_commands(f"## {_WHO[said.role]}, {said.time[:19]}\n\n{body}\n")


def _block(block: Block, *, whole: bool) -> str:
    text = without_commands(block.text).strip("\n")
    if block.kind == "tool":
        return f"> {without_commands(block.name)}: {text}"
    if block.kind == "result":
        lines = text.splitlines()
        kept = lines if whole else lines[:_SHORT]
        more = [f"... {len(lines) - len(kept)} lines more"] if len(kept) < len(lines) else []
        return "\n".join(f"    {line}" for line in (*kept, *more))
    if block.kind in {"text", "thinking"}:
        return text
    return f"({without_commands(block.kind)})"
