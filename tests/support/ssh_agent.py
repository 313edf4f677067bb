"""A real ssh agent that holds a key."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def ssh_agent(socket: Path, key: Path, **user: Any) -> Iterator[None]:
    """Run it.

    Args:
        socket: where it listens.
        key: that it holds.
        user: whose it is, as `Popen` takes it.
    """
    environment = {"PATH": os.environ["PATH"], "SSH_AUTH_SOCK": str(socket)}
    with subprocess.Popen(
        ["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL, env=environment, **user
    ) as process:
        try:
            wait_until(lambda: socket.exists() or process.poll() is not None, "the agent listens")
            subprocess.run(["ssh-add", "-q", key], check=True, env=environment)
            yield
        finally:
            process.terminate()
