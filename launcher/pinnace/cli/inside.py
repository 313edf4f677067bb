"""The verbs that run something where Claude runs: `shell` and `exec`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from pinnace import request
from pinnace.cli import complete, group
from pinnace.cli.containers import chosen, workspace
from pinnace.launch import containers
from pinnace.launch.handover import hand_over
from pinnace_core.errors import UsageError
from pinnace_core.host import HostFacts
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.context import Context
    from pinnace.launch.containers import Container

_ID_BEGINS: Final = 6
_PASS_THROUGH: Final = {"ignore_unknown_options": True}
_named_before = click.argument(
    "name", required=False, metavar="[[NAME] --] CMD...", shell_complete=complete.containers
)


@group.cli.command("shell", cls=complete.Launch, context_settings=_PASS_THROUGH)
@click.argument(
    "words",
    nargs=-1,
    metavar="[NAME | RUN OPTIONS]",
    type=click.UNPROCESSED,
    shell_complete=complete.containers,
)
def shell_command(words: tuple[str, ...]) -> int:
    """Open a shell where Claude runs.

    In the running launch of this project, or the one named; if this project has none, in a
    container of its own, made as for Claude. With options, which are those of 'pinnace run', it is
    one of its own in any case.
    """
    if words[:1] and words[0].startswith("-"):
        return _own_shell(words)
    if len(words) > 1:
        raise UsageError(
            "a launch that runs takes no more options",
            hint=f"leave '{words[0]}' out, for a container of its own; see: pinnace shell --help",
        )
    name = words[0] if words else None
    here = group.context()
    found = containers.started(here.engine)
    if name is None and not containers.of_workspace(found, workspace()):
        return _own_shell(())
    return _execute("shell", chosen(found, name), (contract.SHELL,), here)


def _own_shell(words: Sequence[str]) -> int:
    from pinnace.launch import start

    asked = request.parse(words)
    if asked.claude_arguments or asked.prompt or asked.detach or "run.session" in asked.flags:
        raise UsageError(
            "a shell has no prompt, session or arguments of Claude's, and is not detached",
            hint="leave them out; what else there is: pinnace run --help",
        )
    return start.run(asked._replace(program=contract.SHELL), HostFacts.detect())


class _WithCommand(click.Command):
    """Click drops the `--` that divides the name from the command; without it, all is a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        bare = "--" not in args and bool(args) and not args[0].startswith("-")
        cut = -1 if bare else args.index("--") if "--" in args else len(args)
        ctx.obj = tuple(args[cut + 1 :])
        return super().parse_args(ctx, args[: max(cut, 0)])


@group.cli.command("exec", cls=_WithCommand, options_metavar="", epilog="Its exit code is CMD's.")
@_named_before
@click.pass_obj
def exec_command(command: tuple[str, ...], *, name: str | None) -> int:
    """Run a command where Claude runs: exec CMD..., or exec NAME -- CMD...

    As the same user, with the same environment, in the same directory. Without NAME, in the only
    running launch of this project.
    """
    if not command:
        raise UsageError(
            "there is no command", hint="it stands after '--': pinnace exec [NAME] -- CMD..."
        )
    here = group.context()
    found = containers.started(here.engine)
    if name is None and any(_is_named(one, command[0]) for one in found):
        raise UsageError(
            f"'{command[0]}' is a launch: its command is missing",
            hint=f"it stands after '--': pinnace exec {command[0]} -- CMD...",
        )
    return _execute("exec", chosen(found, name), command, here)


def _is_named(one: Container, word: str) -> bool:
    """Return whether a word is a launch's name, the end of it, or its id's beginning."""
    named = one.name == word or one.name.endswith(f"-{word}")
    return named or (len(word) >= _ID_BEGINS and one.id.startswith(word))


def _execute(verb: str, container: Container, command: Sequence[str], here: Context) -> int:
    argv = here.engine.exec_argv(containers.plan_execution(container, command, here.facts))
    return containers.noted(verb, container, command, here, lambda: hand_over(argv))
