"""What stands in a transcript: a line of JSON for each entry, as an agent may have written it.

Lines may be broken, or without end, and the last one half-written: Claude may be at work on it. No
more than one line is held at a time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_LINE: Final = 16 << 20
_LONGEST: Final = 200
_SUBJECTS: Final = ("file_path", "notebook_path", "command", "url", "pattern", "description")
_SHOWN: Final = frozenset({"user", "assistant"})


class Counts:
    """What was met besides entries.

    Attributes:
        corrupt: lines that are no entry.
        long: lines that are too long to be looked at.
        half: the last line is not whole yet.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.corrupt, self.long, self.half = 0, 0, False

    def described(self) -> str:
        """Describe it in a line; empty: all was well."""
        counted = ((self.corrupt, "not JSON"), (self.long, f"longer than {MOST_LINE >> 20} MiB"))
        found = [f"{_number(count)} {what}" for count, what in counted if count]
        return f"left out: {', '.join(found)}" if found else ""


def _number(count: int) -> str:
    return f"{count} line that is" if count == 1 else f"{count} lines that are"


class Block(NamedTuple):
    """A part of a message.

    Attributes:
        kind: `text`, `thinking`, `tool`, `result`, or as Claude calls it.
        text: of it; of a tool's call, what it was about.
        name: of the tool.
    """

    kind: str
    text: str
    name: str = ""


class Message(NamedTuple):
    """What the user, Claude or a tool said.

    Attributes:
        role: `user` or `assistant`.
        time: when, as it stands there.
        blocks: in order.
    """

    role: str
    time: str
    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(block.text for block in self.blocks if block.text)


def lines(stream: BinaryIO, counts: Counts) -> Iterator[bytes]:
    """Yield whole lines; what is too long is passed over without being held."""
    while line := stream.readline(MOST_LINE):
        if line.endswith(b"\n"):
            yield line
        elif len(line) < MOST_LINE:
            # The end: it is whole if it is JSON.
            if _document(line) is None:
                counts.half = True
            else:
                yield line
        else:
            counts.long += 1
            while (rest := stream.readline(1 << 20)) and not rest.endswith(b"\n"):
                pass


def documents(stream: BinaryIO, counts: Counts) -> Iterator[dict[str, Any]]:
    """Yield entries as they stand there; what is none is counted."""
    for line in lines(stream, counts):
        document = _document(line)
        if document is not None:
            yield document
        elif line.strip():
            counts.corrupt += 1


def _document(line: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def messages(stream: BinaryIO, counts: Counts) -> Iterator[Message]:
    """Yield what was said, in the order in which it was written: what was taken back, too."""
    for document in documents(stream, counts):
        found = message(document)
        if found is not None:
            yield found


def message(document: Mapping[str, Any]) -> Message | None:
    """Return what an entry says to people; None: nothing."""
    kind, inner = document.get("type"), document.get("message")
    hidden = document.get("isMeta") is True or document.get("isSidechain") is True
    if kind not in _SHOWN or hidden or not isinstance(inner, dict):
        return None
    blocks = tuple(_blocks(inner.get("content")))
    return Message(str(kind), text_of(document.get("timestamp")), blocks) if blocks else None


def text_of(value: object) -> str:
    """Return a text as UTF-8 can say it; empty: it is none."""
    if not isinstance(value, str):
        return ""
    return value.encode(errors="replace").decode()


def _blocks(content: object) -> Iterator[Block]:
    if isinstance(content, str):
        yield Block("text", text_of(content))
    for block in content if isinstance(content, list) else ():
        if isinstance(block, str):
            yield Block("text", text_of(block))
        elif isinstance(block, dict):
            yield _block(block)


def _block(block: Mapping[str, Any]) -> Block:
    kind = text_of(block.get("type"))
    if kind == "tool_use":
        return Block("tool", _subject(block.get("input")), text_of(block.get("name")))
    if kind == "tool_result":
        return Block("result", "\n".join(one.text for one in _blocks(block.get("content"))))
    text = block.get("text") if kind == "text" else block.get("thinking")
    return Block(kind, text_of(text))


def _subject(given: object) -> str:
    if not isinstance(given, dict):
        return ""
    found = next((given[n] for n in _SUBJECTS if isinstance(given.get(n), str)), None)
    if found is not None:
        return text_of(found)
    try:
        return json.dumps(given)[:_LONGEST]
    except (ValueError, RecursionError):
        return ""
