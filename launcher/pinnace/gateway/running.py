"""The gateways that run, and the logs of all that ever did."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from pinnace.gateway import Rule, container, rules
from pinnace.gateway.directory import KEY_LENGTH, Directory
from pinnace.gateway.start import PROJECT
from pinnace_core import host

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pinnace.gateway import Decision


def logs_of(project: str) -> list[Path]:
    """Return the directories of logs of a project's gateways; empty: of all."""
    found = (host.directory("state") / "network").glob(f"*/{PROJECT}")
    return sorted(path.parent for path in found if project in {"", os.fsdecode(path.read_bytes())})


def running(places: Iterable[Path], project: str = "") -> Iterator[tuple[Directory, str]]:
    """Find gateways that run, and their projects.

    Args:
        places: the directories that they may lie in.
        project: only this one's; empty: all.
    """
    for place in places:
        for root in sorted(place.glob("?" * KEY_LENGTH)):
            found = Directory(root)
            about = _project(found)
            if about is not None and project in {"", about} and found.is_kept():
                yield found, about


def _project(directory: Directory) -> str | None:
    try:
        return str(json.loads(directory.job.read_bytes())["project"])
    except (OSError, ValueError, KeyError):
        return None


def let_count(decisions: list[Decision], places: Iterable[Path]) -> int:
    """Tell the gateways that run what the user has decided; return how many there are."""
    count = 0
    for directory, project in running(places):
        job = json.loads(directory.job.read_bytes())
        if job["locked"]:
            continue
        settings = [Rule(*rule) for rule in job["rules"]]
        in_force = rules.in_force(settings, decisions, project, time.time())
        directory.allow(container.allowed(in_force))
        count += 1
    return count
