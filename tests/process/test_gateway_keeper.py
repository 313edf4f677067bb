"""The keeper of a gateway, with commands that stand for the engine's client."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace.gateway.directory import LEASE, Directory, short, sweep
from pinnace_core.locks import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Answers for leases, as the gateway does; ends as the file beside it says.
_GATEWAY = """
import os, socket, sys, threading, time
place, ends = sys.argv[1:]
with open(f"{place}/started", "a") as stream:
    stream.write("x")
if os.path.exists(ends):
    os.unlink(ends)
os.chdir(place)
server = socket.socket(socket.AF_UNIX)
server.bind("lease.sock")
server.listen()
def answer():
    while True:
        connection, _ = server.accept()
        connection.sendall(connection.recv(1))
threading.Thread(target=answer, daemon=True).start()
while not os.path.exists(ends):
    time.sleep(0.02)
if open(ends).read() == "0":
    os.unlink(f"{place}/lease.sock")
    os._exit(0)
os._exit(137)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    made = Directory(tmp_path / "gateway" / "0123456789abcdef")
    for place in (made.config, made.launches, made.host):
        place.mkdir(parents=True)
    return made


@pytest.fixture
def keep(directory: Directory, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    children = []

    def start(
        *run: str, services: dict[str, tuple[str, int]] | None = None, files: str = ""
    ) -> subprocess.Popen[bytes]:
        program = tmp_path / "gateway.py"
        program.write_text(_GATEWAY)
        usual = (sys.executable, str(program), str(directory.launches), str(tmp_path / "ends"))
        remove = f"rm -f '{directory.launches}/lease.sock'; echo 1 >'{tmp_path}/ends'"
        job = {
            "run": run or usual,
            "remove": ["sh", "-c", remove],
            "clean": [["touch", str(directory.root.parent / "clean")]],
            "sign": str(directory.launches / LEASE),
            "credentials": [],
        }
        directory.job.write_text(json.dumps({**job, "services": services or {}}))
        lock = os.open(directory.keeper, os.O_RDWR | os.O_CREAT)
        assert locked(lock)
        command = [sys.executable, "-m", "pinnace.gateway.keeper", str(directory.root)]
        if files:
            command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
        with (tmp_path / "said").open("wb") as said:
            child = subprocess.Popen(
                command, pass_fds=(lock,), stdout=subprocess.DEVNULL, stderr=said
            )
        os.close(lock)
        children.append(child)
        return child

    yield start
    for child in children:
        child.terminate()
        child.wait(30)


def _await(found: Callable[[], object]) -> None:
    for _ in range(1000):
        if found():
            return
        time.sleep(0.02)
    raise AssertionError("it does not happen")


def _connect(client: socket.socket, directory: Directory) -> None:
    with short(directory.host) as place:
        client.connect(f"{place}/api.sock")


def _answers(directory: Directory) -> bool:
    lease = directory.lease()
    if lease is None:
        return False
    with lease:
        return True


def test_it_keeps_the_gateway_and_removes_what_is_left_in_the_end(
    directory: Directory, tmp_path: Path, keep: Callable[..., subprocess.Popen[bytes]]
) -> None:
    child = keep()
    _await(lambda: _answers(directory))
    assert directory.is_kept()

    (tmp_path / "ends").write_text("0")

    assert child.wait(30) == 0
    assert not directory.root.exists()
    assert not directory.is_kept()


def test_a_gateway_that_died_is_started_again(
    directory: Directory, tmp_path: Path, keep: Callable[..., subprocess.Popen[bytes]]
) -> None:
    keep()
    _await(lambda: _answers(directory))
    (tmp_path / "ends").write_text("1")
    started = directory.launches / "started"

    _await(lambda: started.read_text() == "xx")
    _await(lambda: _answers(directory))
    assert directory.is_kept()


def test_a_gateway_that_does_not_start_is_not_started_for_ever(
    directory: Directory, keep: Callable[..., subprocess.Popen[bytes]]
) -> None:
    assert keep("sh", "-c", "exit 125").wait(30) == 125
    assert not directory.is_kept()


def test_it_ends_the_gateway_when_it_is_told_to_end(
    directory: Directory, keep: Callable[..., subprocess.Popen[bytes]]
) -> None:
    child = keep()
    _await(lambda: _answers(directory))

    child.send_signal(signal.SIGTERM)

    child.wait(30)
    assert not directory.root.exists()


def test_who_is_told_again_and_again_removes_it_all_the_same(
    directory: Directory, keep: Callable[..., subprocess.Popen[bytes]]
) -> None:
    child = keep()
    _await(lambda: _answers(directory))

    while child.poll() is None:
        child.send_signal(signal.SIGTERM)
        time.sleep(0.0005)

    assert not directory.root.exists()


def test_a_service_of_the_host_is_reached_through_its_socket(
    directory: Directory, keep: Callable[..., subprocess.Popen[bytes]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                # To its end: what is told only then comes back.
                data = b"".join(iter(lambda: connection.recv(1 << 16), b""))
                connection.sendall(data[::-1])

        threading.Thread(target=answer, daemon=True).start()
        keep(services={"api": ("127.0.0.1", server.getsockname()[1])})
        _await((directory.host / "api.sock").exists)
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(30)
        with client:
            _connect(client, directory)
            client.sendall(b"ab" * 100_000)
            client.shutdown(socket.SHUT_WR)
            found = b"".join(iter(lambda: client.recv(1 << 16), b""))

    assert found == b"ba" * 100_000


def test_a_service_that_is_not_there_ends_the_connection(
    directory: Directory, keep: Callable[..., subprocess.Popen[bytes]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    keep(services={"api": ("127.0.0.1", port)})
    _await((directory.host / "api.sock").exists)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        _connect(client, directory)
        assert client.recv(1) == b""


def test_who_opens_many_connections_takes_no_file_from_the_keeper(
    directory: Directory, keep: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=600) as server:
        child = keep(services={"api": ("127.0.0.1", server.getsockname()[1])}, files="200")
        _await((directory.host / "api.sock").exists)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(400)]
        for client in clients:
            _connect(client, directory)
        files = Path(f"/proc/{child.pid}/fd")
        _await(lambda: len(list(files.iterdir())) > 130)
        held = len(list(files.iterdir()))
        for client in clients:
            client.close()
        _await(lambda: _is_carried(directory, server))

    assert held < 180
    assert child.poll() is None
    assert (tmp_path / "said").read_text() == ""


def _is_carried(directory: Directory, server: socket.socket) -> bool:
    """Return whether a connection comes through, behind those that are over."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        _connect(client, directory)
        client.sendall(b"new")
        server.settimeout(5)
        accepted, _ = server.accept()
        with accepted:
            return accepted.recv(3) == b"new"
    return False


def _abandoned(place: Path, name: str, *, age: float = 3600) -> Path:
    root = place / name
    (root / "config").mkdir(parents=True)
    (root / "config" / "haproxy.cfg").write_text("a key")
    moment = time.time() - age
    os.utime(root, (moment, moment))
    return root


def test_what_a_killed_keeper_has_left_goes_and_nothing_else(tmp_path: Path) -> None:
    dead = _abandoned(tmp_path, "0" * 16)
    new = _abandoned(tmp_path, "1" * 16, age=1)
    kept = _abandoned(tmp_path, "2" * 16)
    lock = os.open(kept / "keeper.lock", os.O_RDWR | os.O_CREAT)
    os.utime(kept, (1, 1))
    try:
        assert locked(lock)
        sweep(tmp_path)
    finally:
        os.close(lock)

    assert [dead.exists(), new.exists(), kept.exists()] == [False, True, True]
