"""The relay: bytes both ways, for one peer only, until the run ends."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace.plan import Contribution
from pinnace.plan.contributors import relay
from pinnace.plan.contributors.loopback import Local, Relay
from pinnace_core.engine.docker import Docker
from tests.support import contributions

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAN = contributions.SPEC


@pytest.fixture
def service() -> Iterator[int]:
    """Answers with what it was sent, once that ended; gives its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                data = b"".join(iter(lambda: client.recv(1 << 16), b""))  # noqa: B023
                client.sendall(b"got " + data)

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def _listen(port: int) -> Relay:
    found = relay.listen(Local("http://", "", "127.0.0.1", port, ""), "127.0.0.1", Docker())
    assert found is not None
    return found


def _ask(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The addresses of the container."""
    known = {"127.0.0.1"}
    monkeypatch.setattr(relay, "addresses", lambda _, name: known if name == _PLAN.name else set())
    return known


@pytest.mark.usefixtures("peers")
@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_bytes_go_both_ways_to_their_end(service: int, size: int) -> None:
    found = _listen(service)
    data = os.urandom(size)
    with contributions.held(Contribution(resources=(found.resource,))):
        answers = [_ask(found.port, data) for _ in range(3)]

    assert answers == [b"got " + data] * 3


def test_a_stranger_gets_nothing(service: int, peers: set[str]) -> None:
    peers.clear()
    peers.add("172.17.0.99")
    found = _listen(service)
    with contributions.held(Contribution(resources=(found.resource,))):
        try:
            answer = _ask(found.port, b"x")
        except OSError:
            answer = b""

    assert answer == b""


@pytest.mark.usefixtures("peers")
def test_a_service_that_is_not_there_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    found = _listen(port)
    with contributions.held(Contribution(resources=(found.resource,))):
        try:
            answer = _ask(found.port, b"")
        except OSError:
            answer = b""

    assert answer == b""


def test_an_address_of_another_machine_is_no_place_for_it() -> None:
    assert relay.listen(Local("http://", "", "127.0.0.1", 1, ""), "192.0.2.1", Docker()) is None


def _status(thread: threading.Thread) -> str:
    """Empty for one that has just ended."""
    try:
        return Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    except OSError:
        return ""


@pytest.mark.usefixtures("peers")
def test_its_threads_take_no_signal(service: int) -> None:
    before = set(threading.enumerate())
    found = _listen(service)
    with contributions.held(Contribution(resources=(found.resource,))):
        _ask(found.port, b"x")
        own = [thread for thread in threading.enumerate() if thread not in before]
        statuses = [_status(thread) for thread in own]
    masks = [int(text.partition("SigBlk:")[2].split()[0], 16) for text in statuses if text]

    assert masks
    assert all(mask & (1 << (signal.SIGTERM - 1)) for mask in masks)
