"""See that a gateway runs while something uses it: a connection if it does, else started."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.agent import logins
from pinnace.gateway import changing, container, log, rules
from pinnace.gateway.directory import LEASE, sweep
from pinnace_core import console
from pinnace_core.errors import GatewayFailedError
from pinnace_core.files import make_directory, write_atomic
from pinnace_core.locks import file_lock, locked
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from pinnace.gateway import Gateway, Rule
    from pinnace.gateway.directory import Directory

# The first start of an image may take long: rootless engines copy it for their user.
_PATIENCE_SECONDS: Final = 180.0
_PAUSE_SECONDS: Final = 0.01
_LONGEST: Final = 300
# Longer than the gateway takes to see that something changed, twice.
_SHOWN_SECONDS: Final = 5.0
_MARGIN_SECONDS: Final = 20
# Python complains of a child that is thrown away while it runs.
_keepers: list[subprocess.Popen[bytes]] = []
UNUSED: Final = "unused"
"""Beside the logs: for how many seconds nobody has used the gateway; there as soon as it runs."""
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
        ttl: seconds for which a helper's key is used.
    """

    gateway: Gateway
    directory: Directory
    launch: str
    logs: Path
    commands: Callable[[], Mapping[str, Any]]
    services: Mapping[str, tuple[str, int]]
    environment: Mapping[str, str]
    ttl: float = 0.0


@contextmanager
def held(starter: Starter) -> Iterator[None]:
    """Hold a gateway: it is there, and stays; in the end, say what it refused.

    Raises:
        GatewayFailedError: it cannot be started.
        KeyHelperError: the user's program gives no key.
        PinnaceError: its image cannot be had.
    """
    directory = starter.directory
    allowed = container.allowed(in_force(starter.gateway))
    login = starter.gateway.credentials.login
    if login:
        from pinnace.gateway import renewal

        renewal.see_to(logins.of(Path(login)), starter.gateway.trusted)
    taken = lease(starter) if directory.is_kept() else None
    with taken or _started(starter, allowed):
        directory.allow(allowed)
        if login:
            _show(starter, changing.Job(login))
            directory.show_login(container.shown_login(starter.gateway))
        before = log.size(starter.logs)
        try:
            yield
        finally:
            refused = log.told(starter.logs, after=before, launch=starter.launch)
            if refused:
                console.stderr(f"pinnace: {refused}")


def _show(starter: Starter, job: changing.Job) -> None:
    """Show a login's token, and wait until the gateway has it: the one before may be of no use."""
    deadline = time.monotonic() + _SHOWN_SECONDS
    while True:
        # Somebody may renew it meanwhile.
        current = changing.content(job)
        starter.directory.show(current)
        if changing.are_in_force(current, starter.logs) or time.monotonic() > deadline:
            return
        time.sleep(_PAUSE_SECONDS)


def in_force(gateway: Gateway) -> list[Rule]:
    """Return what a gateway goes by just now."""
    if gateway.locked:
        return list(gateway.rules)
    return rules.in_force(gateway.rules, rules.load(), gateway.project, time.time())


def lease(starter: Starter) -> AbstractContextManager[object] | None:
    """Say that the gateway is used; None if it does not answer, or may end in a moment."""
    if not starter.gateway.volume:
        return starter.directory.lease()
    # Its sockets are out of reach: a container holds its own lease, as soon as it is there.
    write_atomic(starter.directory.config / "used", os.urandom(8).hex().encode(), exact=True)
    try:
        unused = int((starter.logs / UNUSED).read_text())
    except (OSError, ValueError):
        return None
    return nullcontext() if unused <= starter.gateway.idle - _MARGIN_SECONDS else None


def _started(starter: Starter, allowed: bytes) -> AbstractContextManager[object]:
    """Start it, or wait for who does."""
    directory = starter.directory
    for place in (directory.root.parent, starter.logs.parent):
        make_directory(place).chmod(0o700)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    keeper: subprocess.Popen[bytes] | None = None
    with file_lock(directory.lock):
        while time.monotonic() < deadline:
            if directory.is_kept():
                # Started a moment ago; or it starts again, or it ends.
                taken = lease(starter)
                if taken:
                    return taken
            elif keeper is None:
                sweep(directory.root.parent)
                keeper = _start(starter, allowed)
            elif keeper.poll() is not None:
                import shutil

                shutil.rmtree(directory.root, ignore_errors=True)
                reason = _last_line(starter.logs) or "nothing says why"
                raise GatewayFailedError(
                    f"the gateway did not start: {reason}",
                    hint=f"more is in '{starter.logs}'; see what the engine says: pinnace doctor",
                )
            time.sleep(_PAUSE_SECONDS)
    raise GatewayFailedError(
        f"the gateway does not answer after {_PATIENCE_SECONDS:.0f} seconds",
        hint=f"see what holds it up, in '{starter.logs}'",
    )


def _start(starter: Starter, allowed: bytes) -> subprocess.Popen[bytes] | None:
    """Start the keeper, a process of its own: it outlives this launch, for the next one."""
    import subprocess

    directory, commands = starter.directory, starter.commands()
    with _whole(directory.root):
        _lay_out(starter, commands, allowed)
    # Locked here and inherited: there is no moment at which it is not held.
    lock = os.open(directory.keeper, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not locked(lock):
            return None
        with (starter.logs / "keeper.log").open("wb") as log:
            keeper = subprocess.Popen(
                [sys.executable, "-P", "-m", "pinnace.gateway.keeper", str(directory.root)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory.root.anchor,
                env=dict(starter.environment),
                **_apart(lock),
            )
        # Those that have ended are buried meanwhile.
        _keepers[:] = [one for one in _keepers if one.poll() is None] + [keeper]
        return keeper
    finally:
        os.close(lock)


@contextmanager
def _whole(root: Path) -> Iterator[None]:
    """Leave nothing of a new directory, where keys lie, if it is not made in the end."""
    is_new = not root.exists()
    try:
        yield
    except BaseException:
        if is_new:
            import shutil

            shutil.rmtree(root, ignore_errors=True)
        raise


def _apart(lock: int) -> dict[str, Any]:
    """Return what keeps a process from ending with this one, or with its terminal.

    On Windows a lock cannot be handed down: the keeper locks the file itself.
    """
    if sys.platform == "win32":
        import subprocess

        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags}
    return {"pass_fds": (lock,), "start_new_session": True}


def _lay_out(starter: Starter, commands: Mapping[str, Any], allowed: bytes) -> None:
    """Write the directory; what an agent's container has mounted stays what it is.

    The gateway's user is another one outside. So all of this is open, but for the way to it.
    """
    directory = starter.directory
    for place in (directory.root, directory.config):
        make_directory(place).chmod(0o755)
    open_ones = (directory.sockets, directory.host, directory.launches, directory.private)
    for place in (*open_ones, starter.logs):
        make_directory(place).chmod(0o777)
    files = {directory.config / n: d for n, d in container.configuration(starter.gateway).items()}
    gateway = starter.gateway
    changes = changing.Job(gateway.credentials.login, gateway.credentials.helper, starter.ttl)
    files |= {directory.config / "allow": allowed, directory.config / "used": b""}
    files[directory.config / changing.FILE] = changing.content(changes)
    sign = starter.logs / UNUSED if gateway.volume else directory.launches / LEASE
    sign.unlink(missing_ok=True)
    about = {"project": gateway.project, "rules": gateway.rules, "locked": gateway.locked}
    about |= {"sign": str(sign), "services": starter.services, "credentials": changes}
    files[directory.job] = json.dumps({**commands, **about}).encode()
    files[starter.logs / PROJECT] = os.fsencode(gateway.project)
    for path, data in files.items():
        write_atomic(path, data, exact=True)


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
