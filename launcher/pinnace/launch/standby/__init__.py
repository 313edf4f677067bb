"""Standby containers: made ahead from the very plan of a launch, entered by one, then gone.

A plan says what a container is; its key is a hash over all of that which cannot be changed once the
container is there. What a launch alone has (command, variables, terminal, name, launcher) goes in
when it is entered. `key` and `fit` decide, `shelf` keeps the records of those that wait, `make`
makes one, `enter` takes one, `refill` makes the next one in the background of what is
in use, which `recent` knows, and `inside` is what runs in them.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

from pinnace_core.container import NO_NETWORK
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace.plan import LaunchPlan
    from pinnace_core.container import ContainerSpec

AUTO: Final = "auto"
PREFIX: Final = "pinnace-standby-"
"""Begins the name of a container that waits; one that is taken gets the launch's name."""
IDLE_SECONDS: Final = 900
"""For how long one waits."""
MOST: Final = 4
"""The most that wait on this machine, for all projects, where nobody asked for a number."""
# Of a launch alone: given when a container is entered, or kept in the launch's record.
_OF_THE_LAUNCH: Final[dict[str, Any]] = {
    "name": "",
    "command": (),
    "interactive": False,
    "tty": False,
    "environment_names": (),
    "environment": (),
    "in_file": (),
    "environment_file": "",
    "labels": (),
}


class Standby(NamedTuple):
    """A container that waits, or did when its record was written.

    Attributes:
        token: unique, and known to nobody else: on the container, too.
        container: its id.
        key: what `key` says of the plan that it was made from.
        project: path of the workspace.
        program: the engine's client.
        until: until when it waits, in seconds since 1970.
        asked: what was asked for of the launch that it was made for, see `make.asked`.
    """

    token: str
    container: str
    key: str
    project: str
    program: str
    until: float
    asked: str

    @property
    def name(self) -> str:
        """The container's, as long as it waits."""
        return f"{PREFIX}{self.token[:12]}"


def wanted(setting: str) -> int:
    """Return how many are to wait for launches of a plan."""
    return 1 if setting == AUTO else int(setting)


def unfit(plan: LaunchPlan) -> str:
    """Return why no container can be made ahead of a launch; empty: it can."""
    alone = next((resource.alone for resource in plan.resources if resource.alone), "")
    if alone:
        return alone
    if plan.spec.network != NO_NETWORK or plan.spec.private:
        return "it has a network, of which more than a name may change"
    if any(mount.volume for mount in plan.spec.mounts):
        return "the engine runs in a virtual machine, where nothing tells what a mount shows"
    return "" if plan.relays else "nothing leads out of it"


def key(plan: LaunchPlan, *, idle: int = IDLE_SECONDS) -> str:
    """Identify all that cannot change once a container is there: 32 hexadecimal digits.

    Of a mount, the numbers of device and inode count, not the path: as long as a container holds a
    file or directory, no other one can have them. Of the seccomp profile, the content counts.

    Args:
        plan: whose resources are there.
        idle: for how long it waits.

    Raises:
        OSError: what is to be mounted is not there.
    """
    spec = plan.spec
    return identity(spec, list(_sources(spec)), content(spec.seccomp), plan.relays, idle)


def identity(spec: ContainerSpec, *more: object) -> str:
    """Identify a container by all of its plan but what is of one launch alone.

    Args:
        spec: the container.
        more: that counts.
    """
    # What `hashlib` wraps: that loads OpenSSL, which costs every launch 2 ms.
    from _blake2 import blake2b

    said = json.dumps([spec._replace(**_OF_THE_LAUNCH)._asdict(), more])
    return blake2b(said.encode(), digest_size=16).hexdigest()


def _sources(spec: ContainerSpec) -> Iterator[tuple[int, int]]:
    for mount in spec.mounts:
        status = os.stat(mount.source)  # noqa: PTH116 (hot)
        yield status.st_dev, status.st_ino


def content(path: str) -> str:
    """Return a text file's content; of no file, nothing.

    Raises:
        OSError: it cannot be read.
    """
    if not path:
        return ""
    with open(path, "rb") as stream:  # noqa: PTH123 (hot)
        return stream.read().decode()


def places(spec: ContainerSpec) -> tuple[str, ...]:
    """Return where something could be left behind inside: what is in memory."""
    return ("/dev/shm", *(one.target for one in spec.tmpfs))  # noqa: S108 (inside)


def expected(spec: ContainerSpec) -> tuple[str, ...]:
    """Return what is in these places from the start: whatever is mounted there, or on the way."""
    targets = [*(mount.target for mount in spec.mounts), *(one.target for one in spec.tmpfs)]
    found = (_first(place, target) for place in places(spec) for target in targets)
    return tuple(dict.fromkeys(filter(None, found)))


def _first(place: str, target: str) -> str:
    """Return the way to a target's first step below a place; empty: it is not there."""
    below = f"{place.rstrip('/')}/"
    if not target.startswith(below):
        return ""
    return f"{below}{target[len(below) :].partition('/')[0]}"
