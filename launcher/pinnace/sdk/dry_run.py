"""What a call would run: planned as it would be, and neither written nor started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pinnace.sdk.process import prepare
from pinnace_core import console, search_path
from pinnace_core.quoting import line

if TYPE_CHECKING:
    from pinnace.request import RunRequest
    from pinnace_core.host import HostFacts


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a call would run.

    Attributes:
        argv: of the engine's client; no value of a secret is in it.
        command: the same, to be pasted into a shell.
        image_id: the image that is there.
        cli_version: of the CLI in it.
        pending: what a launch would do first.
        notes: what `pinnace run --dry-run` says on standard error.
    """

    argv: tuple[str, ...]
    command: str
    image_id: str
    cli_version: str
    pending: tuple[str, ...]
    notes: tuple[str, ...]


def planned(request: RunRequest, facts: HostFacts) -> DryRun:
    """Plan it.

    Raises:
        PinnaceError: of any of its kinds; a launch would fail likewise.
    """
    notes: list[str] = []
    alone = facts._replace(stdin_tty=False, stdout_tty=False)
    with search_path.borrowed(), console.collected(notes.append):
        found = prepare(request._replace(dry_run=True), alone)
    argv = found.here.engine.argv(found.plan.spec)
    return DryRun(
        tuple(argv),
        line(argv, facts),
        found.image.id,
        str(found.version),
        tuple(found.plan.pending()),
        tuple(note.removeprefix("pinnace: ") for note in notes),
    )
