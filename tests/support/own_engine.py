"""An engine that belongs to the tests alone, beside the developer's.

What is counted or removed without looking whose it is belongs there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.fake_docker import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONFIG: Final = {"features": {"containerd-snapshotter": True}}
# Engines that share a network share its bridge: one without a bridge even removes the other's.
_APART: Final = ("unshare", "--net", "--mount", "--")
_SECONDS_TO_END: Final = 60


@dataclass(frozen=True)
class OwnEngine:
    """An engine whose containers reach nothing."""

    endpoint: str

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


@contextlib.contextmanager
def own_engine() -> Iterator[OwnEngine]:
    """Run an engine; it ends with all that it holds."""
    if shutil.which("dockerd") is None:
        pytest.fail("the program dockerd is missing: run scripts/engine up, or install it")
    root = [] if os.getuid() == 0 else ["sudo", "-n", "--"]
    # A socket's path must be short.
    place = Path(tempfile.mkdtemp(prefix="engine-"))
    socket, log = place / "sock", place / "log"
    config = {
        **_CONFIG,
        "data-root": str(place / "data"),
        "exec-root": str(place / "exec"),
        "pidfile": str(place / "pid"),
        "hosts": [f"unix://{socket}"],
        "group": str(os.getgid()),
    }
    (place / "config.json").write_text(json.dumps(config), encoding="utf-8")
    command = [*root, *_APART, "dockerd", f"--config-file={place / 'config.json'}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C is for the test
        )
    try:
        wait_until(lambda: socket.exists() or process.poll() is not None, "an engine of our own")
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        yield OwnEngine(f"unix://{socket}")
    finally:
        # As root's child under sudo it takes no other signal.
        subprocess.run([*root, "kill", str(process.pid)], check=False)
        process.wait(_SECONDS_TO_END)
        subprocess.run([*root, "rm", "-rf", str(place)], check=True)
