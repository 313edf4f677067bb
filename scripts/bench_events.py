"""Time the decoding of events: how many a second, a line of 10 MB, 1 GB in little memory.

On one core, without an engine. Exits with 1 where what is promised is not kept.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import TYPE_CHECKING, Final

from pinnace.sdk.decode import EventDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK: Final = 1 << 16
_MIB: Final = 1 << 20
_LONG: Final = 10 * _MIB
_STREAM: Final = 1 << 30
_EVENTS: Final = 300_000
_PROMISED: Final = 100_000
_MOST_MEMORY: Final = 64 * _MIB


def _line(words: str) -> bytes:
    """Return an event as most are: a piece of a message."""
    event = {
        "type": "stream_event",
        "event": {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": words},
        },
        "session_id": "5c1bcf0e-7d2c-4c9b-9c3b-0d9a1a4d0a55",
        "parent_tool_use_id": None,
        "uuid": "b7d5d9b0-6a53-4a2b-8c83-5f1fb1b0f5a1",
    }
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def _pieces(line: bytes, size: int) -> Iterator[bytes]:
    """Yield a line again and again, cut as a pipe would, up to a size."""
    block = line * max(1, _CHUNK // len(line))
    sent = 0
    while sent < size:
        for start in range(0, len(block), _CHUNK):
            yield block[start : start + _CHUNK]
        sent += len(block)


def decoded(pieces: Iterator[bytes]) -> tuple[int, float]:
    """Return how many events came of pieces, and the processor's seconds for it."""
    decoder = EventDecoder()
    count, begin = 0, time.process_time()
    for piece in pieces:
        decoder.feed(piece)
        for _ in decoder:
            count += 1
    return count, time.process_time() - begin


def _memory() -> int:
    """Return the most bytes that this process ever had."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def main() -> int:
    """Print the lines; return the exit code."""
    small = _line("word ")
    before = _memory()
    events, seconds = decoded(_pieces(_line("word " * 200), _STREAM))
    more = _memory() - before
    print(
        f"1 GB stream     {events:>9} events in {seconds:6.1f} s, {more / _MIB:.0f} MiB of memory"
    )
    events, seconds = decoded(_pieces(small, _EVENTS * len(small)))
    rate = events / seconds
    print(f"small events    {rate:>9.0f} a second ({_PROMISED} promised)")
    events, seconds = decoded(_pieces(_line("x" * _LONG), 1))
    print(f"a line of 10 MB {seconds * 1e3:>9.0f} ms")
    kept = rate >= _PROMISED and more <= _MOST_MEMORY and events == 1
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
