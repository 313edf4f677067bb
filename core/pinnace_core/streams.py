"""Carrying bytes from one connection to another."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

_CHUNK: Final = 1 << 17


async def pump(source: StreamReader, sink: StreamWriter) -> None:
    """Carry bytes until the source ends, and tell the sink so; who breaks off ends it, too."""
    with suppress(OSError):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    with suppress(OSError):
        if sink.can_write_eof():
            sink.write_eof()
