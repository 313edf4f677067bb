"""The command `pinnace`: its verbs by what they are for, and the verb `run`.

Verbs without a section are listed last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from pinnace import context
from pinnace.cli import complete
from pinnace.config import schema
from pinnace.context import load_context
from pinnace_core.errors import UsageError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from pinnace_core.engine import Engine

_SECTIONS: Final = {
    "Launch": ("run", "shell", "exec"),
    "Running launches": ("ps", "logs", "stop"),
    "Project": ("pin", "unpin", "trust", "config", "status"),
    "Images": ("images", "pull", "verify"),
    "Machine": ("auth", "doctor", "gc", "completion"),
}
_MOST_LENGTH: Final = 68
_WIDTH: Final = 80
_LEFT: Final = 20
_LAUNCH: Final = """\
Run Claude in a container of the project's pinned version. Everything after '--' goes to Claude
untouched, and so do standard input and output, the terminal, signals and the exit code.
"""
_PASS_THROUGH: Final = {"ignore_unknown_options": True, "help_option_names": []}


class Sections(click.Group):
    """A group whose verbs are listed in sections."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs, one line each."""
        known = {name for names in _SECTIONS.values() for name in names}
        others = tuple(name for name in self.list_commands(ctx) if name not in known)
        for title, names in {**_SECTIONS, "Other": others}.items():
            found = [(name, self.commands[name]) for name in names if name in self.commands]
            rows = [(name, c.get_short_help_str(_MOST_LENGTH)) for name, c in found if not c.hidden]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; who gives none may have meant a prompt.

        Raises:
            UsageError: there is no such verb.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = "see: pinnace --help; a prompt for Claude goes after '--': pinnace -- PROMPT"
            raise UsageError(error.format_message(), hint=hint) from error

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Complete verbs, and a launch's options: they may stand without a verb."""
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            launch = click.Command("run", params=complete.options(), add_help_option=False)
            inner = click.Context(launch, parent=ctx, resilient_parsing=True)
            known = {item.value for item in found}
            found += [i for i in launch.shell_complete(inner, incomplete) if i.value not in known]
        return found


def launch_help() -> str:
    """Return the help of `pinnace run`."""
    formatter = click.HelpFormatter(width=_WIDTH)
    formatter.write_usage("pinnace run", "[options] [-- CLAUDE_ARGS...]", prefix="usage: ")
    formatter.write_paragraph()
    formatter.write_text(_LAUNCH)
    for title in schema.SECTIONS:
        rows = [_row(option) for option in schema.options() if option.section == title]
        with formatter.section(title):
            formatter.write_dl(rows, col_max=_LEFT)
    return formatter.getvalue()


def _row(option: schema.Option) -> tuple[str, str]:
    """Return name and meaning; of all sections, the names are one column."""
    return f"{', '.join(option.names)} {option.metavar}".ljust(_LEFT), option.help


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pinnace", prog_name="pinnace")
def cli() -> None:
    """Launch Claude Code in a container that holds the project's pinned version.

    Without a verb: run Claude interactively in the current project, as 'pinnace run' does.
    """


@cli.command("run", cls=complete.Launch, context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_command(arguments: tuple[str, ...]) -> int:
    """Run Claude: pinnace run [options] [-- CLAUDE_ARGS]."""
    from pinnace.launch import start

    asked = context.parse(arguments)
    if asked.help:
        click.echo(launch_help(), nl=False)
        return 0
    return start.run(asked, HostFacts.detect())


@cli.command("completion")
@click.argument("shell", type=click.Choice(complete.SHELLS))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the script that completes `pinnace` in a shell.

    bash, zsh and fish run it when they start; PowerShell does so in its profile.
    """
    click.echo(complete.script(shell, context.find_root().command))


def engine() -> Engine:
    """Return the engine that launches use here."""
    return load_context(context.parse(()), HostFacts.detect()).engine
