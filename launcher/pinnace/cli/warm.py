"""`pinnace warm`: containers that wait for the next launches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pinnace import request
from pinnace.cli import group
from pinnace.config import project
from pinnace.config.types import standby
from pinnace_core import console, output
from pinnace_core.errors import UsageError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from pinnace.launch.standby import Standby
    from pinnace.request import RunRequest

_PASS_THROUGH = {"ignore_unknown_options": True}


@group.cli.command("warm", context_settings=_PASS_THROUGH)
@click.option("--drop", is_flag=True, help="End those that wait, and what is kept.")
@click.option("--all", "everywhere", is_flag=True, help="With --drop: those of all projects.")
@click.argument("arguments", nargs=-1, metavar="[N] [RUN OPTIONS]", type=click.UNPROCESSED)
@output.json_option
def warm_command(*, arguments: tuple[str, ...], drop: bool, everywhere: bool, as_json: bool) -> int:
    """Have N containers ready for the next launches in this project; without N: one.

    The options are those of 'pinnace run'. A launch that is asked for in the same way takes one
    that waits, instead of a new one; each is used once.
    """
    if drop:
        return _drop(arguments, everywhere=everywhere, as_json=as_json)
    if everywhere:
        raise UsageError("--all goes with --drop", hint="all of them: pinnace warm --drop --all")
    count, asked = _asked(list(arguments))
    from pinnace.launch.prepare import prepared, read
    from pinnace.launch.standby import make

    made = make.fill(prepared(read(asked, HostFacts.detect())), count)
    if as_json:
        return output.print_result({"wanted": count, "made": [one.name for one in made]})
    output.say(f"{_named(count)} {'waits' if count == 1 else 'wait'}; made now: {len(made)}")
    return 0


def _asked(words: list[str]) -> tuple[int, RunRequest]:
    """Return how many are to wait, and for what."""
    count = _count(words.pop(0)) if words and words[0].removeprefix("-").isdecimal() else 1
    asked = request.parse(words)
    if asked.dry_run or asked.timing or asked.detach:
        raise UsageError(
            "--dry-run, --timing and --detach are for a launch", hint="leave them out: pinnace warm"
        )
    if asked.claude_arguments or asked.prompt:
        raise UsageError(
            "what waits has no prompt yet", hint="leave Claude's arguments out: pinnace warm 2"
        )
    return count, asked


def _count(text: str) -> int:
    from pinnace.config.types import Place

    try:
        count = int(str(standby().read(text, Place("/", "/"))))
    except ValueError as error:
        raise UsageError(f"argument N: {error}", hint="see: pinnace warm --help") from error
    if not count:
        raise UsageError("argument N: none would wait", hint="to end those: pinnace warm --drop")
    return count


def _drop(arguments: tuple[str, ...], *, everywhere: bool, as_json: bool) -> int:
    from pinnace.launch.reuse import store
    from pinnace.launch.standby import make

    if arguments:
        raise UsageError("--drop goes alone, or with --all", hint="see: pinnace warm --help")
    place = "" if everywhere else _workspace()
    dropped: list[Standby] = make.drop(place)
    kept = store.drop(place)
    if as_json:
        return output.print_result({"ended": [one.name for one in dropped], "kept": kept})
    if not (dropped or kept):
        console.stderr("pinnace: nothing waits" + ("" if everywhere else " here (--all: anywhere)"))
    for one in dropped:
        output.say(f"ended {one.name}")
    if kept:
        output.say(f"removed what launches kept (run.reuse): {kept}")
    return 0


def _workspace() -> str:
    return project.locate(HostFacts.detect()).source


def _named(count: int) -> str:
    return f"{count} {'container' if count == 1 else 'containers'}"
