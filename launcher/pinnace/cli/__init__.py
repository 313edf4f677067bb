"""The verbs besides a launch; a module for each kind."""

from __future__ import annotations

import click

from pinnace.cli import (
    auth,
    complete,
    completion,
    config,
    containers,
    doctor,
    gc,
    images,
    pins,
    sections,
    status,
)
from pinnace_core.host import HostFacts

_PASS_THROUGH = {"ignore_unknown_options": True, "help_option_names": []}


@click.group(cls=sections.Sections, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pinnace", prog_name="pinnace")
def cli() -> None:
    """Launch Claude Code in a container that holds the project's pinned version.

    Without a verb: run Claude interactively in the current project, as 'pinnace run' does.
    """


@cli.command("run", cls=complete.Launch, context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_command(arguments: tuple[str, ...]) -> int:
    """Run Claude: pinnace run [options] [-- CLAUDE_ARGS]."""
    from pinnace import request
    from pinnace.launch import start

    asked = request.parse(arguments)
    if asked.help:
        click.echo(sections.launch_help(), nl=False)
        return 0
    return start.run(asked, HostFacts.detect())


for _module in (auth, completion, containers, doctor, gc, images, pins, config, status):
    for _command in _module.COMMANDS:
        cli.add_command(_command)
