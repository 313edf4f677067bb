"""The gateways that run, and the logs of all that ever did."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pinnace.gateway import Rule, container, rules
from pinnace.gateway.directory import KEY_LENGTH, Directory
from pinnace.gateway.start import PROJECT
from pinnace_core import host
from pinnace_core.errors import CannotWriteError

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
    for found, job in _laid_out(places):
        if project in {"", job["project"]} and found.is_kept():
            yield found, job["project"]


def _laid_out(places: Iterable[Path]) -> Iterator[tuple[Directory, dict[str, Any]]]:
    for place in places:
        for root in sorted(place.glob("?" * KEY_LENGTH)):
            found = Directory(root)
            with suppress(OSError, ValueError, KeyError, TypeError):
                job = json.loads(found.job.read_bytes())
                yield found, {**job, "project": str(job["project"])}


def let_count(decisions: list[Decision], places: Iterable[Path]) -> int:
    """Tell the gateways that run what the user has decided; return how many there are.

    Also those whose keeper was killed: Claude may be there still.

    Raises:
        CannotWriteError: one of them cannot be told; all others are.
    """
    count, error = 0, None
    for directory, job in _laid_out(places):
        if job["locked"]:
            continue
        settings = [Rule(*rule) for rule in job["rules"]]
        in_force = rules.in_force(settings, decisions, job["project"], time.time())
        try:
            directory.allow(container.allowed(in_force))
        except CannotWriteError as failed:
            error = failed
        count += directory.is_kept()
    if error:
        raise error
    return count
