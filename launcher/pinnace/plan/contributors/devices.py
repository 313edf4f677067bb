"""Devices of the host: whoever may use one through its group outside, may so inside."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from pinnace.plan import Contribution
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from pinnace.plan import Inputs

# In names of the Container Device Interface: https://github.com/cncf-tags/container-device-interface
_OF_CDI: Final = "="


def contribute(inputs: Inputs) -> Contribution:
    """Return the groups that the devices are open through, of those that the user is in.

    The devices themselves are the container's: `plan` takes them from the settings.

    Raises:
        UsageError: one is not there, where this machine's devices can be seen.
    """
    facts, engine = inputs.facts, inputs.engine
    if facts.os != "linux" or engine.desktop:
        return Contribution()
    groups = set()
    for device in inputs.settings.devices:
        path = device.partition(":")[0]
        if _OF_CDI in path:
            continue
        try:
            status = os.stat(path)  # noqa: PTH116 (a string)
        except OSError as error:
            raise UsageError(
                f"--device {path}: {error.strerror}", hint="see: ls -l /dev"
            ) from error
        if status.st_mode & stat.S_IWGRP and status.st_gid in facts.groups and status.st_gid:
            groups.add(status.st_gid)
    # Of a mapped user's groups, none is the host's inside.
    return Contribution(groups=() if engine.rootless else tuple(sorted(groups)))
