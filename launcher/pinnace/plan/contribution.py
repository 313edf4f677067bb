"""What one contributor (git, an account, a proxy ...) adds to a launch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pinnace_core.container import ContainerSpec, Mount, Tmpfs


class Hidden(dict[str, str]):
    """Variables whose values may be secret: not even a debugger's list shows them."""

    def __repr__(self) -> str:
        return f"Hidden({', '.join(sorted(self))})"


class Contribution(NamedTuple):
    """What one concern (git, an account, a proxy ...) adds to a run.

    Attributes:
        mounts: beside the workspace's and the config directory's.
        environment: plain values; never a secret.
        environment_names: variables that are passed by name.
        hosts: `NAME:ADDRESS`.
        notes: what the user should know; one line each.
        groups: supplementary groups inside.
        tmpfs: file systems in memory.
        withheld: variables that must not go in by name.
        replaced: variables that go in by name, with other values than the host's.
        handed: variables that Claude gets by some other way.
        wrapper: a program inside that runs what follows it: Claude.
        during: each gives what must be there as long as the container runs.
    """

    mounts: tuple[Mount, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    environment_names: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    withheld: tuple[str, ...] = ()
    replaced: Hidden = Hidden()
    handed: Hidden = Hidden()
    wrapper: tuple[str, ...] = ()
    during: tuple[Callable[[ContainerSpec], AbstractContextManager[object]], ...] = ()
