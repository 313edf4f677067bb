"""Ports of this machine that lead into a launch, with a command that stands for the engine."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from contextlib import suppress

import pytest

from pinnace.launch import ports
from pinnace_core.errors import PortTakenError
from tests.support.waiting import wait_until


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


_LAUNCH = """
import sys
from pinnace.launch import ports
class Echo:
    def exec_argv(self, execution):
        return ["cat"]
with ports.opened(Echo(), "x", [ports.Forward(int(sys.argv[1]), 3000)]):
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "ended"])
def test_ports_close_with_the_launch_however_that_ends(*, killed: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = [sys.executable, "-c", _LAUNCH, str(port)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as launch:
        assert launch.stdout
        assert launch.stdin
        assert launch.stdout.readline() == b"open\n"
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(b"there and back")
            assert connection.recv(100) == b"there and back"
            if killed:
                launch.kill()
            launch.stdin.close()
            # Whoever carries it ends it: then the port is free, too.
            assert connection.recv(100) == b""
        launch.wait(30)
    wait_until(lambda: _is_free(port), "the port is free")


def _is_free(port: int) -> bool:
    with suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False
