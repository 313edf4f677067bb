"""WSL 2: Linux, but for the drives of Windows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pinnace.plan import Additions

if TYPE_CHECKING:
    from pinnace.project.workspace import Workspace


def additions(project: Workspace) -> Additions:
    """Say what a workspace on a drive of Windows costs.

    Files there go through 9P, without Linux's owners and modes unless the drive is mounted with
    `metadata` (Microsoft's documentation: "Working across Windows and Linux file systems").
    """
    if not re.match(r"/mnt/[a-z](/|$)", project.source):
        return Additions()
    note = (
        f"'{project.source}' is on a drive of Windows: slow under WSL, and without owners and "
        "modes of files; a project in your Linux home directory is faster"
    )
    return Additions(notes=(note,))
