"""Ports of this machine that lead into a launch, with a command that stands for the engine."""

from __future__ import annotations

import asyncio
import socket

import pytest

from pinnace.launch import ports
from pinnace_core.errors import PortTakenError


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=str(port)):
            ports.listen(ports.Forward(port, 3000))


def test_connections_are_carried_by_commands_and_end_with_them() -> None:
    echo = ["sh", "-c", "printf hello; exec cat"]

    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b" there" * 50_000)
        writer.write_eof()
        answer = await reader.read(-1)
        writer.close()
        return answer

    async def both() -> list[bytes]:
        server = socket.create_server(("127.0.0.1", 0))
        serving = asyncio.create_task(ports.serve({server: echo}))
        port = server.getsockname()[1]
        found = await asyncio.gather(*(ask(port) for _ in range(3)))
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        return found

    answers = asyncio.run(asyncio.wait_for(both(), 30))

    assert answers == [b"hello" + b" there" * 50_000] * 3
