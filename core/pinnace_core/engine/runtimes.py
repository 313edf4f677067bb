"""OCI runtimes, as far as a launch goes by them: which of them have a kernel of their own.

Into what such a one runs, no socket of the host's crosses: it can be seen, but not connected to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Names of runtimes, of their programs and of their shims.
_OWN_KERNEL: Final = ("runsc", "kata", "io.containerd.runsc", "io.containerd.kata")
# https://gvisor.dev/docs/user_guide/filesystem/, "Unix domain sockets".
_OPEN: Final = ("host-uds=open", "host-uds=all")
SHARED: Final = "runc"
"""Docker's own, which it always has."""


def is_closed(name: str, about: Mapping[str, Any]) -> bool:
    """Return whether no socket of the host's crosses into what a runtime runs.

    Args:
        name: of the runtime.
        about: what docker says of it: path, runtimeType, runtimeArgs.
    """
    spelled = (name, str(about.get("path") or ""), str(about.get("runtimeType") or ""))
    if not any(one.rpartition("/")[2].startswith(_OWN_KERNEL) for one in spelled):
        return False
    arguments = "=".join(map(str, about.get("runtimeArgs") or ()))
    return not any(option in arguments for option in _OPEN)
