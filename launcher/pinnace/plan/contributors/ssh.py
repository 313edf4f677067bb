"""Forward the user's ssh agent: its socket, never a key; and the hosts that the user knows."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.plan import Contribution
from pinnace.plan.resources import written
from pinnace.plan.variables import plain
from pinnace_core import host
from pinnace_core.container import Mount
from pinnace_core.digest import hexdigest
from pinnace_core.errors import AgentUnavailableError
from pinnace_core.files import read_untrusted

if TYPE_CHECKING:
    from pinnace.plan import Inputs
    from pinnace.plan.user import UserMapping
    from pinnace_core.host import HostFacts

SOCKET: Final = "/run/pinnace/ssh-agent.sock"
KNOWN_HOSTS: Final = "/etc/ssh/ssh_known_hosts"
# In the virtual machine of Docker Desktop (its documentation: "SSH agent forwarding"), OrbStack and
# Lima (lima#1335): the engine mounts it, this host does not have it.
_OF_THE_MACHINE: Final = "/run/host-services/ssh-auth.sock"
_ROOT: Final = 0
_MOST_BYTES: Final = 4 << 20
_KEY: Final = re.compile(
    rb"(?:@(?:cert-authority|revoked)\s+)?\S+\s+(?:ssh-|ecdsa-|sk-)\S+\s+[A-Za-z0-9+/=]+"
)


def contribute(inputs: Inputs) -> Contribution:
    """Mount the agent's socket and the known hosts.

    Raises:
        AgentUnavailableError: there is no agent that could be reached from inside.
    """
    facts = inputs.facts
    if facts.os == "windows":
        raise AgentUnavailableError(
            "the ssh agent of Windows cannot be forwarded: it is a named pipe, "
            "and a Linux container cannot open one",
            hint="start pinnace in WSL, with an agent there",
        )
    if facts.os == "macos":
        # There, it belongs to root's group and nobody else may use it (docker/for-mac#4242).
        return _forwarded(_OF_THE_MACHINE, facts, groups=(_ROOT,))
    return _forwarded(_socket(facts, inputs.user), facts)


def _forwarded(source: str, facts: HostFacts, *, groups: tuple[int, ...] = ()) -> Contribution:
    known = _known_hosts(facts)
    return Contribution(
        mounts=(Mount(source, SOCKET), *known.mounts),
        variables=(plain("SSH_AUTH_SOCK", SOCKET),),
        groups=groups,
        resources=known.resources,
    )


def _socket(facts: HostFacts, user: UserMapping) -> str:
    named = facts.environment.get("SSH_AUTH_SOCK", "")
    if not named:
        raise AgentUnavailableError(
            "no ssh agent runs here: SSH_AUTH_SOCK is not set",
            hint='start one: eval "$(ssh-agent)" && ssh-add; or leave out the forwarding',
        )
    try:
        # A multiplexer's link may point elsewhere tomorrow: what it means is decided now.
        real = Path(named).resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError) as error:
        raise _unusable(named, "is not there") from error
    if not stat.S_ISSOCK(status.st_mode):
        raise _unusable(named, "is not a socket")
    if status.st_uid != facts.uid:
        raise _unusable(named, "belongs to somebody else")
    if facts.uid == _ROOT and user.uid != _ROOT:
        # ssh-agent(1): it answers its owner and root only.
        raise AgentUnavailableError(
            f"root's ssh agent does not answer uid {user.uid}, who Claude runs as",
            hint=f"start pinnace as uid {user.uid}, with an agent of theirs",
        )
    return str(real)


def _unusable(named: str, why: str) -> AgentUnavailableError:
    return AgentUnavailableError(
        f"SSH_AUTH_SOCK names '{named}', which {why}",
        hint='start an agent: eval "$(ssh-agent)" && ssh-add',
    )


def _known_hosts(facts: HostFacts) -> Contribution:
    """Mount a copy of the hosts' public keys; a copy, because ssh replaces the file.

    Whatever else stands in the file stays out.
    """
    try:
        data = read_untrusted(
            Path(facts.home, ".ssh", "known_hosts").resolve(strict=True), most=_MOST_BYTES
        )
    except (OSError, RuntimeError):
        return Contribution()
    kept = b"".join(line + b"\n" for line in data.splitlines() if _KEY.match(line))
    return _copied(kept) if kept else Contribution()


def _copied(data: bytes) -> Contribution:
    name = f"known_hosts-{hexdigest(data)[:32]}"
    path = host.directory("state") / "ssh" / name

    return Contribution(
        mounts=(Mount(str(path), KNOWN_HOSTS, read_only=True),),
        resources=(written({path: data}, directory_mode=0o700),),
    )
