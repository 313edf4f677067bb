"""What Claude calls its work in the background: here, a detached launch.

Claude's own goes on in a process beside it, which would end with the container. So what starts such
work, lists it, and so on, is what Pinnace does for launches; the table says which. By `claude
--help` of 2.1.330.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace.agent.arguments import prints_only, read, take
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_BEGINNING: Final = frozenset({"--bg", "--background"})
# Claude's commands, and the verbs that do what they say.
_VERBS: Final = {
    "agents": "agents",
    "attach": "attach",
    "logs": "logs",
    "stop": "stop",
    "kill": "stop",
    "rm": "rm",
}
_WITHOUT_NAME: Final = frozenset({"agents"})
_OTHERS: Final = {
    "respawn": "a launch keeps its version; end it, and go on: pinnace stop, pinnace --resume",
    "daemon": "no process is beside launches; see those that run: pinnace ps --all",
}
_TOLD: Final = """\
backgrounded · {name}
  {listing}list sessions
  {attach}open in this terminal
  {logs}show recent output
  {stop}stop this session"""
# One argument of a program holds 128 KiB on Linux.
_MOST_INPUT: Final = 100_000


def begins(arguments: Sequence[str]) -> bool:
    """Return whether Claude is to work in the background."""
    return any(word.option in _BEGINNING for word in read(arguments))


def verb(arguments: Sequence[str]) -> list[str]:
    """Return the verb, with its arguments, for a command of Claude's; empty: it is not about this.

    Raises:
        UsageError: it does not say which session; without a name, a verb may mean another one.
    """
    first = arguments[0] if arguments else ""
    if first not in _VERBS:
        return []
    if len(arguments) == 1 and first not in _WITHOUT_NAME:
        raise UsageError(
            f"'claude {first}' does not say of which session", hint="see: pinnace ps --all"
        )
    return [_VERBS[first], *arguments[1:]]


def in_foreground(arguments: Sequence[str], given: str) -> tuple[str, ...]:
    """Return the arguments of the Claude that is detached then.

    Args:
        arguments: of the one that was asked for.
        given: on standard input; it belongs to the prompt.

    Raises:
        UsageError: it would print, or the input is too long.
    """
    if prints_only(arguments):
        raise UsageError(
            "--bg and --print do not go together: there would be no terminal to attach to",
            hint="leave out --print; or, to be asked for its answer: pinnace run --detach -p",
        )
    if len(given.encode()) > _MOST_INPUT:
        raise UsageError(
            "standard input is too long for a prompt in the background",
            hint="write it to a file of the project, and name that in the prompt",
        )
    return _asked(_without_beginning(arguments), given.strip())


def _without_beginning(arguments: Sequence[str]) -> list[str]:
    rest, kept = list(arguments), list[str]()
    while rest and rest[0] != "--":
        word = take(rest)
        kept += word.words if word.option not in _BEGINNING else ()
        del rest[: len(word.words)]
    return kept + rest


def _asked(rest: list[str], given: str) -> tuple[str, ...]:
    """Put what is given behind the prompt, as Claude does; without one, it is the prompt."""
    if not given:
        return tuple(rest)
    before: list[str] = []
    while rest and rest[0] != "--":
        word = take(rest)
        del rest[: len(word.words)]
        if not word.option:
            return (*before, f"{word.words[0]}\n{given}", *rest)
        before += word.words
    prompt = "\n".join((*rest[1:2], given))
    return (*before, "--", prompt, *rest[2:])


def told(name: str, program: str) -> str:
    """Return what is printed of one that has begun, in Claude's own words.

    Args:
        name: of the launch.
        program: that the user called: `claude`, or `pinnace`.
    """
    short = short_name(name)
    listing = "agents" if program == "claude" else "ps"
    lines = {"listing": listing, **{verb: f"{verb} {short}" for verb in ("attach", "logs", "stop")}}
    width = len(f"{program} attach {short}") + 4
    texts = {place: f"{program} {line}".ljust(width) for place, line in lines.items()}
    return _TOLD.format(name=short, **texts)


def short_name(name: str) -> str:
    """Return what of a launch's name is its own: verbs take that, too."""
    return name.rpartition("-")[2]


def require_none(arguments: Sequence[str]) -> None:
    """Refuse what is about work in the background, where nothing is made of it.

    Raises:
        UsageError: it is.
    """
    first = arguments[0] if arguments else ""
    if first in _OTHERS:
        raise UsageError(
            f"'claude {first}' is about a process that would end with its container",
            hint=_OTHERS[first],
        )
    if first in _VERBS or begins(arguments):
        raise UsageError(
            "sessions in the background would end at once, with their container",
            hint="detach the launch itself: pinnace run --detach; see: pinnace help detached",
        )
