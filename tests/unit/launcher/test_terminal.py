"""Terminals and time zones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace.plan.contributors import terminal
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_core.host import HostFacts


def _variables(facts: HostFacts, localtime: Path) -> dict[str, str | None]:
    return {v.name: v.value for v in terminal.variables(facts, localtime=str(localtime))}


@pytest.mark.parametrize(
    ("term", "inside"),
    [
        ("xterm-256color", None),
        ("tmux-256color", None),
        ("dumb", None),
        ("xterm-kitty", "xterm-256color"),
        ("alacritty", "xterm-256color"),
        ("xterm-ghostty", "xterm-256color"),
        ("../../etc/passwd", "xterm-256color"),
        (None, "xterm-256color"),
    ],
)
def test_a_terminal_that_the_image_does_not_know_is_a_usual_one(
    term: str | None, inside: str | None, tmp_path: Path
) -> None:
    environment = {"TERM": term} if term else {}
    facts = hosts.linux(stdin_tty=True, stdout_tty=True, environment=environment)
    found = _variables(facts, tmp_path / "none")

    assert found.get("TERM") == inside


def test_without_a_terminal_its_name_stays(tmp_path: Path) -> None:
    facts = hosts.linux(environment={"TERM": "xterm-kitty"})

    assert _variables(facts, tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("link", "zone"),
    [
        ("/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
        ("../usr/share/zoneinfo/Etc/GMT+5", "Etc/GMT+5"),
        ("/var/db/timezone/zoneinfo/America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
        ("/usr/share/zoneinfo/UTC", "UTC"),
        ("/etc/somewhere", None),
        ("/usr/share/zoneinfo/../../../etc/passwd", None),
        ("/usr/share/zoneinfo/a b", None),
    ],
)
def test_the_time_zone_is_the_hosts(link: str, zone: str | None, tmp_path: Path) -> None:
    (tmp_path / "localtime").symlink_to(link)

    def found(**changes: object) -> dict[str, str | None]:
        return _variables(hosts.linux(**changes), tmp_path / "localtime")

    assert found().get("TZ") == zone
    assert "TZ" not in found(environment={"TZ": "UTC"})
    assert "TZ" not in found(os="windows")


@pytest.mark.parametrize("place", ["/mnt/c", "/mnt/c/Users/x", "/mnt/d/a b"])
def test_a_drive_of_windows_is_warned_of(place: str) -> None:
    assert "drive of Windows" in terminal.drive_notes(hosts.workspace(place))[0]


@pytest.mark.parametrize("place", ["/home/x/demo", "/mnt/wsl/x", "/mnt/data", "/mnt", "/srv/mnt/c"])
def test_other_places_are_fine(place: str) -> None:
    assert terminal.drive_notes(hosts.workspace(place)) == ()
