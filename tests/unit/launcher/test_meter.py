"""Measuring a launch: whatever hangs, nothing is left of it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from pinnace.launch.meter import Meter
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measured on Linux alone")


class _Hanging:
    """An engine that answers late."""

    def __init__(self) -> None:
        self.asked, self.gate = threading.Event(), threading.Event()

    def container(self, _: str) -> None:
        """Say at last that there is none."""
        self.asked.set()
        self.gate.wait()


def _events() -> set[str]:
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        try:
            found |= {path.name} if "eventfd" in str(path.readlink()) else set()
        except FileNotFoundError:  # of the listing itself
            continue
    return found


@pytest.mark.parametrize("hangs", [True, False])
def test_its_descriptor_is_closed_whichever_side_is_later(*, hangs: bool) -> None:
    engine: Any = _Hanging()
    before = _events()
    if not hangs:
        engine.gate.set()

    with Meter(engine, "pinnace-x") as meter:
        meter.begin()
        assert engine.asked.wait(60)
    if hangs:
        assert _events() - before
        engine.gate.set()

    wait_until(lambda: not _events() - before, "a descriptor is left")
