"""The command `pinnace`: its verbs by what they are for, and the verb `run`.

Verbs without a section are listed last.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

import click

from pinnace import request
from pinnace.agent.arguments import COMMANDS
from pinnace.cli import complete
from pinnace.config import schema
from pinnace.config.keys import SECTIONS
from pinnace.context import load_context, load_engine
from pinnace.launch import reviews
from pinnace_core import console, output
from pinnace_core.errors import UsageError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from pinnace.context import Context
    from pinnace_core.engine import Engine

_SECTIONS: Final = {
    "Launch": ("run", "parallel", "prompt", "shell", "exec"),
    "Running launches": ("ps", "logs", "attach", "wait", "result", "port", "stop", "rm", "warm"),
    "Past launches": ("session", "audit"),
    "Project": (
        "pin",
        "unpin",
        "trust",
        "isolation",
        "network",
        "review",
        "worktree",
        "config",
        "status",
    ),
    "Images": ("images", "pull", "verify"),
    "Machine": ("auth", "shim", "doctor", "gc", "completion", "help"),
}
# Words of other programs, and what is meant here.
_MEANT: Final = {
    "version": "pinnace --version; of the pinned CLI: pinnace -- --version",
    "login": "log in: pinnace auth login",
    "logout": "log out: pinnace auth logout",
    **dict.fromkeys(("update", "upgrade"), "pin the newest version: pinnace pin latest"),
    "install": "pin a version, it is fetched at the next launch: pinnace pin latest",
    **dict.fromkeys(("prune", "clean"), "remove what is not needed any more: pinnace gc"),
    **dict.fromkeys(("ls", "list"), "running launches: pinnace ps; images: pinnace images"),
    "build": "images are built at a launch, or by: pinnace-build build",
    "init": "pin a version for this project: pinnace pin latest",
    "start": "launch: pinnace, or: pinnace run",
    "kill": "end a launch: pinnace stop --grace 0",
    "top": "running launches: pinnace ps",
    "settings": "see: pinnace config",
    "claude": "leave it out: what is not Pinnace's own goes to Claude",
}
_WIDTH: Final = 80
_LEFT: Final = 20
_LAUNCH: Final = """\
Run Claude in a container of the project's pinned version. What is none of these options goes to
Claude, everything after '--' untouched, and so do standard input and output, the terminal, signals
and the exit code.
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
            rows = [(name, output.first_sentence(c)) for name, c in found if not c.hidden]
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
            raise _no_such_verb(args, error.format_message()) from error

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


def _no_such_verb(args: list[str], message: str) -> UsageError:
    first = args[0]
    if first in _MEANT:
        return UsageError(f"no such command '{first}'", hint=_MEANT[first])
    if first in COMMANDS:
        line = shlex.join(["pinnace", "--", *args])
        return UsageError(f"no such command '{first}'", hint=f"to run Claude's: {line}")
    # What begins with a dash is Claude's option, not a part of the prompt.
    words = [" ".join(args)] if not any(word.startswith("-") for word in args) else args
    prompt = shlex.join(["pinnace", "--", *words])
    return UsageError(
        console.one_sentence(message), hint=f"see: pinnace --help; as a prompt for Claude: {prompt}"
    )


def launch_help() -> str:
    """Return the help of `pinnace run`."""
    formatter = click.HelpFormatter(width=_WIDTH)
    formatter.write_usage("pinnace run", "[options] [CLAUDE_ARGS...]")
    formatter.write_paragraph()
    formatter.write_text(_LAUNCH)
    for title in SECTIONS:
        rows = [_row(option) for option in schema.options() if option.section == title]
        with formatter.section(f"{title[0].upper()}{title[1:]}"):
            formatter.write_dl(rows, col_max=_LEFT)
    return formatter.getvalue()


def _row(option: schema.Option) -> tuple[str, str]:
    """Return name and meaning; of all sections, the names are one column."""
    return f"{', '.join(option.names)} {option.metavar}".ljust(_LEFT), option.help


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-v", "-V", "--version", package_name="pinnace", prog_name="pinnace")
def cli() -> None:
    """Launch Claude Code in a container that holds the project's pinned version.

    Without a verb, it runs Claude, as 'pinnace run' does: what is none of its options goes to
    Claude.

    \b
      pinnace pin latest        pin the newest version, once for a project
      pinnace                   run Claude, interactively
      pinnace -p "Say hello"    print an answer
      pinnace run --help        all options of a launch
    """  # noqa: D301 (click's mark of lines that stay as they are)
    reviews.tell_left(HostFacts.detect)


@cli.command("run", cls=complete.Launch, context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_command(arguments: tuple[str, ...]) -> int:
    """Run Claude: pinnace run [options] [CLAUDE_ARGS]."""
    from pinnace.launch import start

    asked = request.parse(arguments)
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


def context() -> Context:
    """Return what a launch would meet here."""
    return load_context(request.parse(()), HostFacts.detect())


def engine() -> Engine:
    """Return the engine that launches use here."""
    return load_engine(HostFacts.detect())
