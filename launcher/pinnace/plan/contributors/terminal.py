"""Terminal and time zone: what is true on the host is made true inside, as far as the image can."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from pinnace.plan.contribution import Contribution

if TYPE_CHECKING:
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


def additions(facts: HostFacts, *, localtime: str = _LOCALTIME) -> Contribution:
    """Return TERM where the image does not know the host's, and TZ where it is not set.

    Args:
        facts: the host.
        localtime: its link to a time zone's file.
    """
    environment = []
    term = facts.environment.get("TERM")
    if facts.stdin_tty and facts.stdout_tty and term not in KNOWN_TERMINALS:
        environment.append(("TERM", _FALLBACK))
    if facts.os != "windows" and "TZ" not in facts.environment:
        zone = _zone(localtime)
        environment.extend([("TZ", zone)] if zone else [])
    return Contribution(environment=tuple(environment))


def _zone(localtime: str) -> str:
    """Name the zone that the link leads to, by the link alone: the file itself has no name."""
    try:
        _, found, zone = os.readlink(localtime).rpartition(_ZONES)  # noqa: PTH115 (a string)
    except OSError:
        return ""
    return zone if found and _ZONE.fullmatch(zone) else ""
