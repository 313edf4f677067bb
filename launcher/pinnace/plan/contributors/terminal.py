"""Terminal, time zone, drives: what is true on the host is made true inside, where it can be."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from pinnace.plan import Contribution
from pinnace.plan.variables import plain

if TYPE_CHECKING:
    from pinnace.config.project import Workspace
    from pinnace.plan import Inputs
    from pinnace.plan.variables import Variable
    from pinnace_core.host import HostFacts

# What Debian's ncurses-base describes; an unknown name makes less, vi and readline misbehave.
KNOWN_TERMINALS: Final = frozenset(
    {
        *("Eterm", "Eterm-color", "ansi", "cons25", "cygwin"),
        *("dumb", "hurd", "linux", "mach", "mach-bold"),
        *("mach-color", "mach-gnu", "mach-gnu-color", "pcansi", "rxvt"),
        *("rxvt-basic", "rxvt-unicode", "rxvt-unicode-256color", "screen", "screen-256color"),
        *("screen-256color-bce", "screen-bce", "screen-s", "screen-w", "screen.xterm-256color"),
        *("sun", "tmux", "tmux-256color", "vt100", "vt102"),
        *("vt220", "vt52", "wsvt25", "wsvt25m", "xterm"),
        *("xterm-256color", "xterm-color", "xterm-debian", "xterm-mono", "xterm-r5"),
        *("xterm-r6", "xterm-vt220", "xterm-xfree86"),
    }
)
_FALLBACK: Final = "xterm-256color"
_LOCALTIME: Final = "/etc/localtime"
_ZONES: Final = "/zoneinfo/"
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")


def contribute(inputs: Inputs) -> Contribution:
    """Return what the terminal, the time zone and the workspace's drive ask for."""
    return Contribution(
        variables=variables(inputs.facts),
        notes=drive_notes(inputs.project) if "WSL_DISTRO_NAME" in inputs.facts.environment else (),
    )


def variables(facts: HostFacts, *, localtime: str = _LOCALTIME) -> tuple[Variable, ...]:
    """Return TERM where the image does not know the host's, and TZ where it is not set.

    Args:
        facts: the host.
        localtime: its link to a time zone's file.
    """
    found = []
    term = facts.environment.get("TERM")
    if facts.stdin_tty and facts.stdout_tty and term not in KNOWN_TERMINALS:
        found.append(plain("TERM", _FALLBACK))
    if facts.os != "windows" and "TZ" not in facts.environment:
        zone = _zone(localtime)
        found.extend([plain("TZ", zone)] if zone else [])
    return tuple(found)


def drive_notes(project: Workspace) -> tuple[str, ...]:
    """Return what a workspace on a drive of Windows costs under WSL 2.

    Files there go through 9P, without Linux's owners and modes unless the drive is mounted with
    `metadata`: https://learn.microsoft.com/windows/wsl/filesystems
    """
    if not re.match(r"/mnt/[a-z](/|$)", project.source):
        return ()
    note = (
        f"'{project.source}' is on a drive of Windows: slow under WSL, and without owners and "
        "modes of files; a project in your Linux home directory is faster"
    )
    return (note,)


def _zone(localtime: str) -> str:
    """Name the zone that the link leads to, by the link alone: the file itself has no name."""
    try:
        _, found, zone = os.readlink(localtime).rpartition(_ZONES)  # noqa: PTH115 (a string)
    except OSError:
        return ""
    return zone if found and _ZONE.fullmatch(zone) else ""
