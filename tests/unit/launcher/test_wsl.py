"""Drives of Windows under WSL."""

from __future__ import annotations

import pytest

from pinnace.plan.contributors import wsl
from tests.support import hosts


@pytest.mark.parametrize("place", ["/mnt/c", "/mnt/c/Users/x", "/mnt/d/a b"])
def test_a_drive_of_windows_is_warned_of(place: str) -> None:
    assert "drive of Windows" in wsl.additions(hosts.workspace(place)).notes[0]


@pytest.mark.parametrize("place", ["/home/x/demo", "/mnt/wsl/x", "/mnt/data", "/mnt", "/srv/mnt/c"])
def test_other_places_are_fine(place: str) -> None:
    assert wsl.additions(hosts.workspace(place)).notes == ()
