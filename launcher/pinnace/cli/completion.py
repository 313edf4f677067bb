"""`pinnace completion`."""

from __future__ import annotations

from typing import Final

import click

from pinnace.cli import complete


@click.command("completion")
@click.argument("shell", type=click.Choice(complete.SHELLS))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the script that completes `pinnace` in a shell.

    bash, zsh and fish run it when they start; PowerShell does so in its profile.
    """
    click.echo(complete.script(shell, context.find_root().command))


COMMANDS: Final = (completion_command,)
