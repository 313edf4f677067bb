"""Terminals and time zones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace.plan.contributors import terminal
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path


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
    found = terminal.additions(facts, localtime=str(tmp_path / "none"))

    assert dict(found.environment).get("TERM") == inside


def test_without_a_terminal_its_name_stays(tmp_path: Path) -> None:
    facts = hosts.linux(environment={"TERM": "xterm-kitty"})

    assert terminal.additions(facts, localtime=str(tmp_path / "none")).environment == ()


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

    def found(**changes: object) -> dict[str, str]:
        facts = hosts.linux(**changes)
        return dict(terminal.additions(facts, localtime=str(tmp_path / "localtime")).environment)

    assert found().get("TZ") == zone
    assert "TZ" not in found(environment={"TZ": "UTC"})
    assert "TZ" not in found(os="windows")
