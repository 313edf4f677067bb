"""`pinnace gc`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from pinnace import cleanup, request
from pinnace.cleanup import Item, scan
from pinnace.cli import group
from pinnace.context import load_context
from pinnace.plan.contributors import private_places, secrets
from pinnace_core import console, output
from pinnace_core.console import size_text
from pinnace_core.errors import PinnaceError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.context import Context

_NEWEST: Final = 3
_DAYS: Final = 30
_MOST_DAYS: Final = 36_500


@group.cli.command("gc")
@click.option("--yes", is_flag=True, help="Remove it, without asking.")
@click.option(
    "--days",
    default=_DAYS,
    show_default=True,
    type=click.IntRange(0, _MOST_DAYS),
    help="Images and downloads that were made or used since stay.",
)
@click.option(
    "--newest",
    default=_NEWEST,
    show_default=True,
    type=click.IntRange(min=0),
    help="So many versions of each variant stay.",
)
@output.json_option
def gc_command(*, yes: bool, days: int, newest: int, as_json: bool) -> int:
    """Print what launches have left behind; remove it if told to.

    Containers without a launcher, images and downloads that nobody needs, stale records. On a
    terminal it asks; elsewhere, nothing is removed without --yes. Versions that a project pins in
    which Claude was launched stay.
    """
    try:
        here = load_context(request.parse(()), HostFacts.detect())
        job = _Job(here, days=days, newest=newest)
        goes = job.plan()
        if not as_json:
            _print_table(goes, "goes")
        applied = bool(goes) and (yes or (not as_json and _agreed()))
        went = job.apply() if applied else goes
    except PinnaceError as error:
        if as_json:
            return output.print_error(error)
        raise
    if as_json:
        total = sum(item.size or 0 for item in went)
        gone = [asdict(item) for item in went]
        return output.print_result({"applied": applied, "size": total, "gone": gone})
    if applied:
        console.stderr(f"pinnace: removed {len(went)} of {len(goes)}")
    elif goes:
        console.stderr("pinnace: nothing was removed: --yes does it")
    return 0


class _Job:
    """What is decided once: what was shown is what is removed."""

    def __init__(self, here: Context, *, days: int, newest: int) -> None:
        self._facts, self._engine = here.facts, here.engine
        self._there = scan.read(here.facts, self._engine)
        self._own = cleanup.plan(self._there)
        self._pinned = scan.pinned(here.facts, self._there.containers)
        self._days, self._newest = days, newest

    def plan(self) -> list[Item]:
        """Return what goes."""
        return [*self._own, *self._images(apply=False)]

    def apply(self) -> list[Item]:
        """Remove it; images first, while those of containers that go are still held by them."""
        secrets.sweep(private_places(self._facts))
        return [*self._images(apply=True), *scan.remove(self._own, self._engine)]

    def _images(self, *, apply: bool) -> list[Item]:
        from pinnace.image import provision

        name, images = self._engine.name, self._engine.buildkit
        if not images and not apply:
            console.stderr(f"pinnace: images of {name} stay; to remove one: {name} image rm NAME")
        done = provision.collect_local(
            newest=self._newest,
            days=self._days,
            pinned=self._pinned,
            used=scan.last_used(self._there),
            images=images,
            apply=apply,
        )
        return [Item(one.scope, one.what, one.why, one.size, one.id) for one in done.gone]


def _agreed() -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    return click.confirm("Remove it?", err=True)


def _print_table(items: Sequence[Item], verb: str) -> None:
    if not items:
        output.say("nothing is left behind")
        return
    rows = [("scope", verb, "why", "size")]
    rows += [(item.scope, item.what, item.why, size_text(item.size)) for item in items]
    for line in output.aligned(rows):
        output.say(line)
    total = size_text(sum(item.size or 0 for item in items))
    output.say(f"total: {total} in {len(items)} thing{'' if len(items) == 1 else 's'}")
