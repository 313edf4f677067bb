"""`pinnace status`."""

from __future__ import annotations

from typing import Final

import click

from pinnace import status
from pinnace.cli import group
from pinnace_core.errors import PinnaceError
from pinnace_core.host import HostFacts


@click.command("status")
@group.json_option
def status_command(*, as_json: bool) -> int:
    """Tell the pin, the image and the engine.

    With the pin's source, and whether the image was verified.
    """
    try:
        found = status.collect(HostFacts.detect())
    except PinnaceError as error:
        if as_json:
            return group.print_error(error)
        raise
    if as_json:
        return group.print_result(found.as_json(), found.problem)
    for name, value in found.as_lines():
        group.say(f"{name:<10} {value}")
    if found.problem:
        raise found.problem
    return 0


COMMANDS: Final = (status_command,)
