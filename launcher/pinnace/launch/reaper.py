"""Remove containers whose launcher is gone: run by the next launch, as a process of its own."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from pinnace.launch import owner, records
from pinnace.launch.container_client import ContainerClient
from pinnace.launch.owner import Launcher
from pinnace_core.errors import PinnaceError

if TYPE_CHECKING:
    from collections.abc import Sequence

# The killed launcher's client may be about to make the container.
_PATIENCE_SECONDS: Final = 60.0


def reap(names: Sequence[str]) -> None:
    """Remove the containers of records, and the records.

    The record only says where to look: the container must carry the same labels, so that a record
    that somebody forged removes nobody's container.

    Raises:
        PinnaceError: the engine does not answer; what is left is tried again by the next launch.
    """
    for name in names:
        record = records.read(name)
        if record is None or owner.state_of(Launcher.from_labels(record.labels)) != "gone":
            continue
        client = ContainerClient(record.program)
        container = client.find(name)
        if container is None and _is_fresh(name):
            continue
        if container is not None and record.labels.items() <= container.labels.items():
            client.remove(container.id)
        records.forget(name)


def _is_fresh(name: str) -> bool:
    try:
        return time.time() - (records.directory() / name).stat().st_mtime < _PATIENCE_SECONDS
    except OSError:
        return False


def main(names: Sequence[str]) -> int:
    """Do it without a word: nobody listens."""
    try:
        reap(names)
    except PinnaceError as error:
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
