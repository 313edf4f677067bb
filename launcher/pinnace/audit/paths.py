"""Where the chain lies.

STATE/audit/log.jsonl         the newest entries
STATE/audit/log-NUMBER.jsonl  older ones, up to that number
STATE/audit/lock              held by who appends
DATA/audit/head               number and digest of the last entry: apart from the entries
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace_core import host

if TYPE_CHECKING:
    from pathlib import Path

NUMBER_WIDTH: Final = 12
"""Of an entry's number, in digits, so that names and heads are in order."""


def directory() -> Path:
    """Return the directory of the entries."""
    return host.directory("state") / "audit"


def log_path() -> Path:
    """Return the path of the newest entries."""
    return directory() / "log.jsonl"


def full_path(number: int) -> Path:
    """Return the path of entries up to a number."""
    return directory() / f"log-{number:0{NUMBER_WIDTH}}.jsonl"


def head_path() -> Path:
    """Return the path of the head."""
    return host.directory("data") / "audit" / "head"
