"""The terminal of a detached launch: whoever is attached holds nothing up."""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pinnace.launch import jobs
from pinnace.launch.jobs import Job
from pinnace.launch.keeping import HEADER, SOCKET, TYPED, Terminal
from pinnace.launch.kept import Kept, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is detached there")
_SIZE = 400_000
# It reads nothing before all that it prints is taken.
_CHILD = f"""
import os, sys, tty
tty.setraw(0)
for _ in range({_SIZE // 1000}):
    os.write(1, b"x" * 1000)
left = {_SIZE}
while left:
    left -= len(os.read(0, 65536))
os.write(1, b"all of it")
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made = Job("pinnace-hello-c0ffee", "/w", 1000.0, terminal=True, form="text", version="2.1.330")
    descriptor = jobs.begin(made)
    yield made
    os.close(descriptor)


def test_much_is_typed_while_much_is_printed(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = Kept(job.place / "errors")
    monkeypatch.chdir(job.place)
    with Terminal(job, errors) as terminal, socket.socket(socket.AF_UNIX) as attached:
        attached.connect(SOCKET)
        child = terminal.start([sys.executable, "-c", _CHILD], os.environ)
        keeper = threading.Thread(target=terminal.keep, args=(child,))
        keeper.start()
        try:
            # From now on, its terminal takes all that is typed.
            assert attached.recv(1) == b"x"
            for _ in range(_SIZE // 40_000):
                attached.sendall(HEADER.pack(TYPED, 40_000) + b"y" * 40_000)
            keeper.join(30)
            assert not keeper.is_alive()
        finally:
            child.kill()
            keeper.join()
            child.wait()
    errors.close()
    printed = b"".join(read(job, "output"))
    assert (len(printed), printed[-9:]) == (_SIZE + 9, b"all of it")
