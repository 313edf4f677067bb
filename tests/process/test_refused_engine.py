"""Another machine's engine: a launch refuses it, and no verb asks it anything."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_images import lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.process.conftest import Machine

# Asks its engine, whatever it is told; but a plugin's own version it knows by itself.
_CLIENT: Final = f"""\
#!{sys.executable}
import os, socket, sys
if sys.argv[1:] != ["buildx", "version"]:
    place = os.environ.get("CONTAINER_HOST") or os.environ["DOCKER_HOST"]
    host, _, port = place.removeprefix("tcp://").rpartition(":")
    socket.create_connection((host, int(port))).close()
"""
_VERBS: Final = (
    "run",
    "run --dry-run",
    "status",
    "images",
    "verify",
    "verify --image 9.9.9",
    "verify --image mine/claude:1",
    "pull --repository registry.example/claude",
    "pull 9.9.9 --repository registry.example/claude",
    "ps",
    "ps --all",
    "stop",
    "stop --all --yes",
    "shell",
    "exec -- true",
    "logs",
    "gc",
    "gc --yes",
)
_JSON: Final = ("status", "images", "verify", "ps", "stop", "gc", "doctor")


class Listener:
    """What listens where another machine's engine would, and counts who comes."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._socket.getsockname()[1]}"
        self.connections = 0
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            said = connection.recv(16)
            connection.close()
            if said == b"end":
                return
            self.connections += 1

    def heard(self) -> int:
        """Return how many came, once nobody can be on the way any more."""
        host, _, port = self.endpoint.removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"end")
        self._thread.join()
        self._socket.close()
        return self.connections


@pytest.fixture
def listener(machine: Machine) -> Iterator[Listener]:
    """The engine that this machine is told to use."""
    listening = Listener()
    machine.docker.program.write_text(_CLIENT)
    machine.environment["DOCKER_HOST"] = listening.endpoint
    try:
        yield listening
    finally:
        if listening._thread.is_alive():  # noqa: SLF001 (a test that failed)
            listening.heard()


def test_the_listener_hears_the_client(machine: Machine, listener: Listener) -> None:
    subprocess.run([machine.docker.program, "ps"], check=True, env=machine.environment)

    assert listener.heard() == 1


@pytest.mark.parametrize("verb", _VERBS)
def test_a_verb_says_what_a_launch_says_and_asks_nothing(
    machine: Machine, listener: Listener, verb: str
) -> None:
    done = machine.pinnace(*verb.split())

    said = done.stderr.decode()
    assert done.returncode == 69, said
    assert f"the engine at {listener.endpoint} is another machine's" in said
    assert "or run pinnace over there" in said
    assert listener.heard() == 0


@pytest.mark.parametrize("verb", ["run", "status", "images", "ps", "gc --yes"])
def test_a_podman_elsewhere_is_not_asked_either(
    machine: Machine, listener: Listener, verb: str
) -> None:
    machine.docker.program.rename(machine.docker.bin / "podman")
    machine.environment["CONTAINER_HOST"] = machine.environment.pop("DOCKER_HOST")
    machine.environment["PINNACE_ENGINE"] = "podman"

    done = machine.pinnace(*verb.split())

    assert done.returncode == 69
    assert f"the engine at {listener.endpoint} is another machine's" in done.stderr.decode()
    assert listener.heard() == 0


@pytest.mark.parametrize("verb", _JSON)
def test_in_json_it_is_the_error_of_a_launch(
    machine: Machine, listener: Listener, verb: str
) -> None:
    done = machine.pinnace(verb, "--json")

    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["kind"], error["exit_code"]) == (69, "EngineUnsuitableError", 69)
    assert listener.heard() == 0


def test_status_tells_the_rest_all_the_same(machine: Machine, listener: Listener) -> None:
    done = machine.pinnace("status")

    lines = dict(line.split(maxsplit=1) for line in done.stdout.decode().splitlines())
    assert lines["version"] == "9.9.9"
    assert lines["engine"] == f"is not asked at {listener.endpoint}"
    assert listener.heard() == 0


def test_doctor_goes_on_without_it(machine: Machine, listener: Listener) -> None:
    done = machine.pinnace("doctor")

    said = done.stdout.decode()
    assert done.returncode == 69
    assert "fail  engine" in said
    assert "ok    pin" in said
    assert listener.heard() == 0


@pytest.mark.parametrize("verb", ["auth status", "config", "pin {} --lock"])
def test_what_needs_no_engine_works_and_asks_nothing(
    machine: Machine, listener: Listener, verb: str
) -> None:
    done = machine.pinnace(*verb.format(lock.load_known().newest).split())

    assert done.returncode == 0, done.stderr
    assert listener.heard() == 0


@pytest.mark.parametrize("words", ["pinnace stop ", "pinnace logs "])
def test_a_completion_asks_nothing(machine: Machine, listener: Listener, words: str) -> None:
    asked = {
        "_PINNACE_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split())),
    }

    assert machine.pinnace(environment=asked).stdout.strip() == b""
    assert listener.heard() == 0
