"""Shell completion: click's own, told what click does not know."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, Final

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from pinnace.config import schema
from pinnace.request import RunRequest
from pinnace_core.errors import PinnaceError
from pinnace_core.host import HostFacts

VARIABLE: Final = "_PINNACE_COMPLETE"
"""Set by the scripts: what to answer, in words of click's (`bash_complete`)."""
SHELLS: Final = ("bash", "zsh", "fish", "powershell")

_POWERSHELL: Final = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($word, $ast, $cursor)
    $line = $ast.ToString()
    $length = [Math]::Min($line.Length, [Math]::Max(0, $cursor - $ast.Extent.StartOffset))
    try {
        $env:%(complete_var)s = 'powershell_complete'
        $env:COMP_WORDS = $line.Substring(0, $length)
        $env:COMP_CWORD = $word
        & %(prog_name)s | ForEach-Object {
            $type, $value, $help = $_ -split "`t", 3
            if ($type -eq 'plain') {
                if (-not $help) { $help = $value }
                [System.Management.Automation.CompletionResult]::new(
                    $value, $value, 'ParameterValue', $help)
            }
        }
    } finally {
        Remove-Item Env:%(complete_var)s, Env:COMP_WORDS, Env:COMP_CWORD
    }
}
"""


class _PowerShell(ShellComplete):
    """PowerShell, by fish's protocol but for tabs; files it completes itself."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the whole words before the cursor, and the word at it."""
        words = split_arg_string(os.environ.get("COMP_WORDS", ""))[1:]
        incomplete = os.environ.get("COMP_CWORD", "")
        if incomplete and words and words[-1] == incomplete:
            words.pop()
        return words, incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Write one line."""
        text = " ".join((item.help or "").split())
        return f"{item.type}\t{item.value}\t{text}"


add_completion_class(_PowerShell)


def script(shell: str, group: click.Command) -> str:
    """Return what a shell has to run once.

    Args:
        shell: one of `SHELLS`.
        group: the whole command.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise KeyError(shell)
    return kind(group, {}, "pinnace", VARIABLE).source()


def containers(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Name running launches, whole, by a part of their names."""
    from pinnace.context import load_engine
    from pinnace.launch import containers as launches

    with suppress(PinnaceError):
        found = launches.running(launches.of_launches(load_engine(HostFacts.detect())))
        return [one.name for one in found if incomplete in one.name]
    return []


def jobs(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Name detached launches, running or not."""
    from pinnace.launch import jobs as launches

    return [one.name for one in launches.all_of() if incomplete in one.name]


def launches(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Name launches that are running, or were detached."""
    running = containers(context, parameter, incomplete)
    return list(dict.fromkeys([*running, *jobs(context, parameter, incomplete)]))


def versions(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Name locked versions, the newest first."""
    from pinnace_images import lock

    with suppress(PinnaceError):
        known = sorted(lock.load_known().entries, reverse=True)
        return [str(version) for version in known if str(version).startswith(incomplete)]
    return []


def sessions(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Name this project's sessions that have a name."""
    from pinnace.context import load_context
    from pinnace.launch.sessions import names

    with suppress(PinnaceError):
        here = load_context(RunRequest(), HostFacts.detect())
        return [name for name in names(here).all() if name.startswith(incomplete)]
    return []


_WORDS: Final = {schema.VERSION.name: versions, "run.session": sessions}


class Launch(click.Command):
    """A verb whose arguments `request` parses; only a completion is told its options by click."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters."""
        if ctx.resilient_parsing:
            return [*options(), *self.params]
        return super().get_params(ctx)


def options() -> list[click.Parameter]:
    """Return the options of a launch, as click knows options."""
    return [_option(option) for option in schema.options()]


def _option(option: schema.Option) -> click.Parameter:
    kind = option.key.kind if option.key else None
    return click.Option(
        option.names[-1:],
        is_flag=not option.metavar,
        multiple=option in (schema.DATA, schema.DATA_FILE)
        or bool(option.metavar and kind and kind.is_list),
        type=_type(kind.choices if kind else (), option.metavar) if option.metavar else None,
        help=option.help,
        shell_complete=_WORDS.get(option.key.name) if option.key else None,
    )


def _type(choices: tuple[str, ...], metavar: str) -> click.ParamType[Any]:
    if choices:
        return click.Choice(choices)
    if metavar == "DIR":
        return click.Path(file_okay=False)
    return click.Path(dir_okay=False) if metavar == "FILE" else click.STRING
