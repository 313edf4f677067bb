"""The process that makes the next container in the background: waited for."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pinnace.launch.standby import refill
from tests.support.waiting import wait_until


def settled(home: str) -> None:
    """Wait until nobody makes one any more, of a launcher with this home."""
    wait_until(lambda: not _is_making(home), "nobody makes a container any more")


def _is_making(home: str) -> bool:
    wanted = f"HOME={home}".encode()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_maker = refill.__name__.encode() in (place / "cmdline").read_bytes()
            if is_maker and wanted in (place / "environ").read_bytes().split(b"\0"):
                return True
    return False
