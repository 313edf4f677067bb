"""What a program that launches may leave: nothing."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pinnace.launch import records
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Holdings(NamedTuple):
    """What this process holds.

    Attributes:
        descriptors: of open files.
        threads: by their names, but the event loops' own, which wait for more work.
        children: running or not buried.
        records: files about launches.
    """

    descriptors: frozenset[str]
    threads: tuple[str, ...]
    children: frozenset[int]
    records: frozenset[str]


def holdings() -> Holdings:
    """Look."""
    names = sorted(t.name for t in threading.enumerate() if t.name.startswith("pinnace"))
    place = records.directory()
    return Holdings(
        frozenset(_descriptors()),
        tuple(names),
        frozenset(_children()),
        frozenset(os.listdir(place) if place.is_dir() else ()),  # noqa: PTH208 (names)
    )


def _descriptors() -> Iterator[str]:
    for path in Path("/proc/self/fd").iterdir():
        try:
            yield f"{path.name} {path.readlink()}"
        except FileNotFoundError:  # of the listing itself
            continue


def _children() -> Iterator[int]:
    for task in Path("/proc/self/task").iterdir():
        try:
            yield from map(int, (task / "children").read_text().split())
        except FileNotFoundError:
            continue


def wait_for(before: Holdings) -> None:
    """Wait until nothing is held that was not before; only a broken test waits to the end."""
    try:
        wait_until(lambda: not _more(before), "something is left")
    except TimeoutError as error:
        raise AssertionError(_more(before)) from error


def _more(before: Holdings) -> list[object]:
    now = holdings()
    found = (
        now.descriptors - before.descriptors,
        set(now.threads) - set(before.threads),
        now.children - before.children,
        now.records - before.records,
    )
    return [one for one in found if one]
