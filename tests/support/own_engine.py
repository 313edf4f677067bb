"""An engine that belongs to the tests alone, beside the developer's.

What is counted or removed without looking whose it is belongs there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

_CONFIG: Final = {"features": {"containerd-snapshotter": True}}
# Engines that share a network share its bridge: one without a bridge even removes the other's.
_APART: Final = ("unshare", "--net", "--mount", "--")
_AGAIN: Final = """
while :; do
    dockerd --config-file="$1/config.json"
    [ -e "$1/held" ] || exit
    touch "$1/ended"
    while [ -e "$1/held" ]; do sleep 0.05; done
    rm "$1/ended"
done
"""
_SECONDS_TO_END: Final = 60


class _Daemon:
    """The engine's own process, and what it is started from.

    It is the child of a shell, which starts it again where it was: in the same network and with
    the same mounts, so that a killed one's containers are found.
    """

    def __init__(self, place: Path, settings: Mapping[str, object]) -> None:
        """Start it in a directory of its own, whose path is short, as a socket's must be."""
        self._place, self._held, self.socket = place, place / "held", place / "sock"
        self._root = [] if os.getuid() == 0 else ["sudo", "-n", "--"]
        config = {
            **_CONFIG,
            **settings,
            "data-root": str(place / "data"),
            "exec-root": str(place / "exec"),
            "pidfile": str(place / "pid"),
            "hosts": [f"unix://{self.socket}"],
            "group": str(os.getgid()),
        }
        (place / "config.json").write_text(json.dumps(config), encoding="utf-8")
        with (place / "log").open("wb") as output:
            self._process = subprocess.Popen(
                [*self._root, *_APART, "sh", "-c", _AGAIN, "sh", str(place)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C is for the test
            )
        self._await()

    def _await(self) -> None:
        wait_until(lambda: self._answers() or self._process.poll() is not None, "our own engine")
        said = (self._place / "log").read_text(encoding="utf-8", errors="replace")
        assert self._process.poll() is None, said

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.socket)) == 0

    def beside(self, *argv: str) -> list[str]:
        """Spell a command in its network."""
        pid = (self._place / "pid").read_text(encoding="utf-8").strip()
        return [*self._root, "nsenter", f"--target={pid}", "--net", "--", *argv]

    def _kill(self, how: str) -> None:
        pid = (self._place / "pid").read_text(encoding="utf-8")
        subprocess.run([*self._root, "kill", how, pid], check=False)

    @contextlib.contextmanager
    def ended(self, how: str) -> Iterator[None]:
        """End it for a while, by this signal."""
        self._held.touch()
        self._kill(how)
        wait_until((self._place / "ended").exists, "the end of our own engine")
        try:
            yield
        finally:
            self._held.unlink()
            self._await()

    def remove(self) -> None:
        """End it with all that it holds."""
        self._kill("-TERM")
        self._process.wait(_SECONDS_TO_END)
        subprocess.run([*self._root, "rm", "-rf", str(self._place)], check=True)


@dataclass(frozen=True)
class OwnEngine:
    """An engine whose containers reach nothing."""

    endpoint: str
    _daemon: _Daemon

    @property
    def environment(self) -> dict[str, str]:
        """What leads a docker client there."""
        return {**os.environ, "DOCKER_HOST": self.endpoint}

    def docker(self, *arguments: str) -> str:
        """Ask it."""
        done = subprocess.run(
            ["docker", *arguments],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        return done.stdout.strip()

    def load(self, *names: str) -> None:
        """Copy images of the developer's engine."""
        with subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE) as saving:
            loading = ["docker", "load", "--quiet"]
            subprocess.run(loading, check=True, env=self.environment, stdin=saving.stdout)
        assert saving.returncode == 0

    def beside(self, *argv: str) -> list[str]:
        """Spell a command that runs on the machine as its containers see it: in its network."""
        return self._daemon.beside(*argv)

    def ended(self, *, killed: bool) -> AbstractContextManager[None]:
        """Let there be none for a while; a killed one's containers run on until it is back."""
        return self._daemon.ended("-KILL" if killed else "-TERM")


@contextlib.contextmanager
def own_engine(**settings: object) -> Iterator[OwnEngine]:
    """Run an engine, with settings of its own; it ends with all that it holds."""
    if shutil.which("dockerd") is None:
        pytest.fail("the program dockerd is missing: run scripts/engine up, or install it")
    daemon = _Daemon(Path(tempfile.mkdtemp(prefix="engine-")), settings)
    try:
        yield OwnEngine(f"unix://{daemon.socket}", daemon)
    finally:
        daemon.remove()
