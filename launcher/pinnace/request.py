"""What is asked of a launch, and how a command line says it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class RunRequest(NamedTuple):
    """What the user asked for in this command.

    Attributes:
        claude_arguments: for Claude, untouched.
        claude_version: a specifier that wins over every pin.
        flags: settings that were given in the command, by their names, as TOML would give them.
        dry_run: only print the command.
        timing: tell where the time went.
        program: what runs inside: Claude, or a shell instead.
    """

    claude_arguments: tuple[str, ...] = ()
    claude_version: str | None = None
    flags: Mapping[str, object] = MappingProxyType({})
    dry_run: bool = False
    timing: bool = False
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
    if not own:
        return RunRequest(claude_arguments=claude)
    # Imported where there is something to parse: argparse takes 6 ms.
    from pinnace.config import options

    return options.parse(own)._replace(claude_arguments=claude)
