"""WSL 2: Linux, but for the drives of Windows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pinnace.plan.contribution import Contribution

if TYPE_CHECKING:
    from pinnace.config.project import Workspace


def additions(project: Workspace) -> Contribution:
    """Return what a workspace on a drive of Windows costs.

    Files there go through 9P, without Linux's owners and modes unless the drive is mounted with
    `metadata` (Microsoft's documentation: "Working across Windows and Linux file systems").
    """
    if not re.match(r"/mnt/[a-z](/|$)", project.source):
        return Contribution()
    note = (
        f"'{project.source}' is on a drive of Windows: slow under WSL, and without owners and "
        "modes of files; a project in your Linux home directory is faster"
    )
    return Contribution(notes=(note,))
