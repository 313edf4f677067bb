"""What is asked of a launch, and how a command line says it.

A parser of its own: argparse would cost each launch with options 6 ms, click 19 ms.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pinnace_core.errors import UsageError
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pinnace.config.schema import Option

_SEE: Final = "see: pinnace run --help"


class RunRequest(NamedTuple):
    """What the user asked for in this command.

    Attributes:
        claude_arguments: for Claude, untouched.
        claude_version: a specifier that wins over every pin.
        flags: settings that were given in the command, by their names, as TOML would give them.
        dry_run: only print the command.
        timing: tell where the time went.
        help: only print the options.
        program: what runs inside: Claude, or a shell instead.
    """

    claude_arguments: tuple[str, ...] = ()
    claude_version: str | None = None
    flags: Mapping[str, object] = MappingProxyType({})
    dry_run: bool = False
    timing: bool = False
    help: bool = False
    program: str = contract.CLAUDE_BINARY


def parse(arguments: Sequence[str]) -> RunRequest:
    """Read the arguments after `pinnace run`.

    Raises:
        UsageError: they cannot be understood.
    """
    own = list(arguments)
    claude: tuple[str, ...] = ()
    if "--" in own:
        cut = own.index("--")
        own, claude = own[:cut], tuple(own[cut + 1 :])
    return _parsed(own)._replace(claude_arguments=claude) if own else RunRequest(claude)


def _parsed(own: Sequence[str]) -> RunRequest:
    from pinnace.config import schema

    known = {name: option for option in schema.options() for name in option.names}
    given: list[tuple[Option, str]] = []
    unknown: list[str] = []
    words = iter(own)
    for word in words:
        option = known.get(word.partition("=")[0])
        if option is None:
            unknown.append(word)
        elif option is schema.HELP:
            return RunRequest(help=True)
        else:
            given.append((option, _value(option, word, words)))
    if unknown:
        raise _unrecognized(unknown, known)
    flags, chosen = _flags(given), [option for option, _ in given]
    version = flags.pop(schema.VERSION.name, None)
    return RunRequest((), version, flags, schema.DRY_RUN in chosen, schema.TIMING in chosen)


def _value(option: Option, word: str, rest: Iterator[str]) -> str:
    """Return an option's value: behind its `=`, or the next word; empty if it takes none."""
    name, equals, text = word.partition("=")
    if not option.metavar:
        if equals:
            raise UsageError(f"argument {name}: it takes no value", hint=_SEE)
        return ""
    if not equals:
        text = next(rest, "--")
        if text.startswith("-") and text != "-":
            raise UsageError(f"argument {name}: expected a value", hint=_SEE)
    return text


def _flags(given: Iterable[tuple[Option, str]]) -> dict[str, Any]:
    """Return what TOML would give: lists are added to, of all else the last one counts."""
    flags: dict[str, Any] = {}
    for option, text in given:
        key = option.key
        if key is None:
            continue
        if option.value is not None:
            flags[key.name] = option.value
        elif key.kind.is_list:
            flags.setdefault(key.name, []).append(text)
        else:
            flags[key.name] = key.kind.from_text(text)
    return flags


def _unrecognized(unknown: Sequence[str], known: Iterable[str]) -> UsageError:
    from pinnace_core.errors import IN_HINT, perhaps

    guess = perhaps(unknown[0].partition("=")[0], known, IN_HINT)
    hint = f"{guess}Claude's own arguments go after '--'; {_SEE}"
    return UsageError(f"unrecognized arguments: {' '.join(unknown)}", hint=hint)
