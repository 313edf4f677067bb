"""See that a gateway runs while something uses it: a connection if it does, else started."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from pinnace.gateway import container, log, rules
from pinnace.gateway.directory import locked
from pinnace_core import console
from pinnace_core.errors import GatewayFailedError
from pinnace_core.files import file_lock, make_directory, write_atomic

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pinnace.gateway import Gateway, Rule
    from pinnace.gateway.directory import Directory

_PATIENCE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.01
_LONGEST: Final = 300
PROJECT: Final = "project"
"""Beside the logs: path of the workspace that they are about."""


class Starter(NamedTuple):
    """What it takes to start a gateway; nothing here is asked for if it runs.

    Attributes:
        gateway: which.
        directory: of it.
        launch: name of who uses it.
        logs: directory on the host.
        commands: spells those of the keeper, by what they do; makes an image if there is none.
        services: of the host that it reaches, host and port by the sockets' names.
        environment: of the engine's client.
    """

    gateway: Gateway
    directory: Directory
    launch: str
    logs: Path
    commands: Callable[[], Mapping[str, list[str]]]
    services: Mapping[str, tuple[str, int]]
    environment: Mapping[str, str]


@contextmanager
def held(starter: Starter) -> Iterator[None]:
    """Hold a gateway: it is there, and stays; in the end, say what it refused.

    Raises:
        GatewayFailedError: it cannot be started.
        PinnaceError: its image cannot be had.
    """
    directory = starter.directory
    allowed = container.allowed(in_force(starter.gateway))
    lease = directory.lease() if directory.is_kept() else None
    with lease or _started(starter, allowed):
        directory.allow(allowed)
        before = log.size(starter.logs)
        try:
            yield
        finally:
            refused = log.told(starter.logs, after=before, launch=starter.launch)
            if refused:
                console.stderr(f"pinnace: {refused}")


def in_force(gateway: Gateway) -> list[Rule]:
    """Return what a gateway goes by just now."""
    if gateway.locked:
        return list(gateway.rules)
    return rules.in_force(gateway.rules, rules.load(), gateway.project, time.time())


def _started(starter: Starter, allowed: bytes) -> socket.socket:
    """Start it, or wait for who does."""
    directory = starter.directory
    for place in (directory.root.parent, starter.logs.parent):
        make_directory(place).chmod(0o700)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    started = False
    with file_lock(directory.lock):
        while time.monotonic() < deadline:
            if directory.is_kept():
                # Started a moment ago; or it starts again, or it ends.
                lease = directory.lease()
                if lease:
                    return lease
            elif started:
                shutil.rmtree(directory.root, ignore_errors=True)
                reason = _last_line(starter.logs) or "nothing says why"
                raise GatewayFailedError(
                    f"the gateway did not start: {reason}",
                    hint=f"more is in '{starter.logs}'; to go on without: --isolation open",
                )
            else:
                _start(starter, allowed)
                started = True
            time.sleep(_PAUSE_SECONDS)
    raise GatewayFailedError(
        f"the gateway does not answer after {_PATIENCE_SECONDS:.0f} seconds",
        hint=f"see what holds it up, in '{starter.logs}'",
    )


def _start(starter: Starter, allowed: bytes) -> None:
    """Start the keeper, a process of its own: it outlives this launch, for the next one."""
    import subprocess

    directory, commands = starter.directory, starter.commands()
    _lay_out(starter, commands, allowed)
    # Locked here and inherited: there is no moment at which it is not held.
    lock = os.open(directory.keeper, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not locked(lock):
            return
        with (starter.logs / "keeper.log").open("wb") as log:
            subprocess.Popen(
                [sys.executable, "-P", "-m", "pinnace.gateway.keeper", str(directory.root)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=os.sep,
                env=dict(starter.environment),
                pass_fds=(lock,),
                start_new_session=True,
            )
    finally:
        os.close(lock)


def _lay_out(starter: Starter, commands: Mapping[str, list[str]], allowed: bytes) -> None:
    """Write the directory; what an agent's container has mounted stays what it is.

    The gateway's user is another one outside. So all of this is open, but for the way to it.
    """
    directory = starter.directory
    for place in (directory.root, directory.config):
        make_directory(place).chmod(0o755)
    for place in (directory.sockets, directory.host, starter.logs):
        make_directory(place).chmod(0o777)
    files = {directory.config / n: d for n, d in container.configuration(starter.gateway).items()}
    files[directory.config / "allow"] = allowed
    files |= {directory.sockets / name: data for name, data in container.for_agents().items()}
    own = starter.gateway
    about = {"project": own.project, "rules": own.rules, "locked": own.locked}
    job = {**commands, **about, "services": starter.services}
    files[directory.job] = json.dumps(job).encode()
    files[starter.logs / PROJECT] = os.fsencode(starter.gateway.project)
    for path, data in files.items():
        write_atomic(path, data, mode=0o644)


def _last_line(logs: Path) -> str:
    """Return what was said last, by the engine's client or the gateway itself."""
    for name in ("keeper.log", "gateway.log"):
        try:
            text = (logs / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        # What clients say after an error is advice.
        said = [line for line in text.splitlines() if line.strip() and not line.startswith("Run '")]
        if said:
            return said[-1].strip()[:_LONGEST]
    return ""
