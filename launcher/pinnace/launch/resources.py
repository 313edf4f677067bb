"""What must be there while a container runs, and be gone afterwards: also after a signal."""

from __future__ import annotations

import stat
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pinnace_core import paths, signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from pinnace_core.container import ContainerSpec
    from pinnace_core.host import HostFacts


def private_places(facts: HostFacts) -> list[Path]:
    """Return the directories for what is private to one launch, the best first: in memory."""
    found = []
    runtime = Path(facts.environment.get("XDG_RUNTIME_DIR", ""))
    if facts.os == "linux" and runtime.is_absolute() and _is_private(runtime, facts.uid):
        found.append(runtime / "pinnace" / "secrets")
    return [*found, paths.directory("state") / "secrets"]


def _is_private(place: Path, uid: int) -> bool:
    """See whose it is: `sudo -E` leaves another user's there, and some make one below `/tmp`."""
    try:
        status = place.stat()
    except OSError:
        return False
    return status.st_uid == uid and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@contextmanager
def held(
    makers: Iterable[Callable[[ContainerSpec], AbstractContextManager[object]]], plan: ContainerSpec
) -> Iterator[None]:
    """Enter what each maker gives, and leave it in the end, whatever the end is.

    While the client runs, its signals are blocked here and passed on; before and after, they end
    this process by an exception.
    """
    makers = tuple(makers)
    if not makers:
        yield
        return
    stack = ExitStack()
    with signals.unwinding(on_quit=True):
        try:
            for make in makers:
                stack.enter_context(make(plan))
            yield
        finally:
            with signals.ignored():
                stack.close()
